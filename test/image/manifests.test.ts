/** What an operator applies, as the API server takes it: every field known, every overlay built by kustomize itself. */
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ControlPlane, startControlPlane } from '../kube/control-plane.ts'
import {
  type DaemonSet,
  DEPLOY,
  daemonSetOf,
  type KubeManifest,
  manifestsOf,
  overlay,
  shipped,
} from './daemonset.ts'

const OVERLAYS = ['base', 'nftables', 'iptables', 'crio', 'gated']

let cp: ControlPlane

beforeAll(async () => {
  cp = await startControlPlane()
})

afterAll(async () => {
  await cp?.[Symbol.asyncDispose]()
})

const COLLECTIONS: Readonly<Record<string, string>> = {
  CustomResourceDefinition: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  ServiceAccount: '/api/v1/namespaces/kube-system/serviceaccounts',
  ConfigMap: '/api/v1/namespaces/kube-system/configmaps',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  DaemonSet: '/apis/apps/v1/namespaces/kube-system/daemonsets',
}

/** Server-side apply; an unknown field is refused. */
async function apply(object: KubeManifest, query = ''): Promise<void> {
  const path = `${COLLECTIONS[object.kind]}/${object.metadata.name}`
  const options = `fieldManager=operator&fieldValidation=Strict&force=true${query}`
  await cp.api('PATCH', `${path}?${options}`, object, 'application/apply-patch+yaml')
}

function container(daemonSet: DaemonSet): DaemonSet['spec']['template']['spec']['containers'][0] {
  return daemonSet.spec.template.spec.containers[0]
}

test('deploy.yaml is the files of the base, one after the other', async () => {
  const files = await Promise.all(
    ['crds', 'rbac', 'custom-rules', 'daemonset'].map((name) => shipped(`kustomize/base/${name}.yaml`)),
  )
  const expected = files.join('---\n')
  if (process.env['UPDATE_GOLDEN'] !== undefined) await writeFile(join(DEPLOY, 'deploy.yaml'), expected)
  expect(await shipped()).toBe(expected)
})

test.each(OVERLAYS)('the API server takes every field of the overlay %s', async (name) => {
  const objects = manifestsOf(await overlay(name))
  expect(objects.map(({ kind }) => kind).sort()).toEqual(
    manifestsOf(await shipped())
      .map(({ kind }) => kind)
      .sort(),
  )
  for (const object of objects) await apply(object, '&dryRun=All')
})

test('a field that the API does not know is refused, so the test above can fail', async () => {
  const daemonSet = daemonSetOf(await shipped())
  const wrong = { ...daemonSet, spec: { ...daemonSet.spec, mountPropagation: 'HostToContainer' } }
  await expect(apply(wrong, '&dryRun=All')).rejects.toThrow(/mountPropagation/)
})

describe('the overlays', () => {
  test('nftables names the program, and mounts nothing of the node but its root, for reading', async () => {
    const daemonSet = daemonSetOf(await overlay('nftables'))
    expect(container(daemonSet).command).toEqual(['/multi-networkpolicy-nftables'])
    expect(container(daemonSet).args.join(' ')).not.toContain('--pod-iptables')
    const paths = daemonSet.spec.template.spec.volumes.flatMap(({ hostPath }) => hostPath?.path ?? [])
    expect(paths).toEqual(['/'])
    expect(container(daemonSet).volumeMounts.find(({ name }) => name === 'host')?.readOnly).toBe(true)
  })

  test('iptables names the program, and dumps', async () => {
    const daemonSet = daemonSetOf(await overlay('iptables'))
    expect(container(daemonSet).command).toEqual(['/usr/bin/multi-networkpolicy-iptables'])
    expect(container(daemonSet).args).toContain('--pod-iptables=/var/lib/multi-networkpolicy/iptables')
  })

  test('crio names the socket, beside all other arguments', async () => {
    expect(container(daemonSetOf(await overlay('crio'))).args).toEqual([
      ...container(daemonSetOf(await shipped())).args,
      '--container-runtime-endpoint=/run/crio/crio.sock',
    ])
  })
})

describe('the component new-pod-gate', () => {
  test.each(OVERLAYS.filter((name) => name !== 'gated'))('goes with %s', async (name) => {
    await using directory = await mkdtempDisposable(join(DEPLOY, 'kustomize', 'test-'))
    const composed = { resources: [`../${name}`], components: ['../components/new-pod-gate'] }
    await writeFile(join(directory.path, 'kustomization.yaml'), JSON.stringify(composed))
    const [plain, gated] = [
      container(daemonSetOf(await overlay(name))),
      daemonSetOf(await overlay(basename(directory.path))),
    ]
    const { args, volumeMounts } = container(gated)
    expect(args.slice(0, plain.args.length)).toEqual(plain.args)
    expect(args.slice(plain.args.length)).toEqual([
      '--new-pod-gate=/run/multi-networkpolicyd',
      '--cni-bin-dir=/opt/cni/bin',
      '--cni-conf-dir=/etc/cni/net.d',
    ])
    // What the flags name is the node's, for writing, where the daemon looks for it: below its host prefix.
    for (const path of ['/run/multi-networkpolicyd', '/opt/cni/bin', '/etc/cni/net.d']) {
      const mount = volumeMounts.find(({ mountPath }) => mountPath === `/host${path}`)
      expect(mount?.readOnly ?? false).toBe(false)
      const volume = gated.spec.template.spec.volumes.find((each) => each.name === mount?.name)
      expect(volume?.hostPath).toMatchObject({ path, type: 'DirectoryOrCreate' })
    }
    await apply(gated, '&dryRun=All')
  })
})

test('probes ask where the daemon listens, on loopback', async () => {
  const daemonSet = daemonSetOf(await shipped())
  const probes = JSON.stringify(daemonSet).match(/"httpGet":\{[^}]*\}/g) ?? []
  expect(probes).toHaveLength(3)
  for (const probe of probes) expect(probe).toContain('"host":"127.0.0.1","port":9453')
  expect(container(daemonSet).args).toContain('--bind-address=127.0.0.1:9453')
})

test('it is applied over the DaemonSet of the daemon it replaces', async () => {
  await cp.apply(await readFile(join(import.meta.dirname, 'seed.yaml'), 'utf8'))
  for (const object of manifestsOf(await shipped())) await apply(object)
  const path = `${COLLECTIONS['DaemonSet']}/multi-networkpolicy-ds-amd64`
  const standing = (await cp.api('GET', path)) as unknown as DaemonSet
  expect(container(standing).args).toEqual(container(daemonSetOf(await shipped())).args)
  expect(standing.spec.template.spec.containers).toHaveLength(1)
})

test.each([
  ['list', '', 'pods', true],
  ['watch', '', 'namespaces', true],
  ['list', 'k8s.cni.cncf.io', 'multi-networkpolicies', true],
  ['watch', 'k8s.cni.cncf.io', 'network-attachment-definitions', true],
  ['create', '', 'events', true],
  ['update', '', 'pods', false],
  ['patch', 'k8s.cni.cncf.io', 'multi-networkpolicies', false],
  ['get', '', 'secrets', false],
  ['get', '', 'configmaps', false],
  ['create', '', 'pods/exec', false],
])('its ServiceAccount: %s %s/%s: %s', async (verb, group, resource, allowed) => {
  await cp.apply(await shipped('rbac.yaml'))
  const [name, subresource] = resource.split('/')
  const { status } = await cp.api('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: {
      user: 'system:serviceaccount:kube-system:multi-networkpolicy',
      resourceAttributes: { namespace: 'shop', verb, group, resource: name, subresource },
    },
  })
  expect(status).toMatchObject({ allowed })
})
