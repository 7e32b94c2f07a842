/**
 * The daemon under its own ServiceAccount and the shipped RBAC, on a real kube-apiserver: objects are created, changed
 * and deleted through the API while packets are sent between the pods' network namespaces.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DaemonProcess, MNPD } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { type KubeObject, networkObject, podObject, policyObject } from '../manifests.ts'
import { type ControlPlane, startControlPlane } from './control-plane.ts'

const DEPLOY = join(import.meta.dirname, '../../deploy')
const POLICIES = '/apis/k8s.cni.cncf.io/v1beta1/namespaces/shop/multi-networkpolicies'

let cp: ControlPlane
let lab: Lab
let daemon: DaemonProcess
let server: Pod
let client: Pod
let kubeconfig: string
let crds: string
let rbac: string

beforeAll(async () => {
  ;[crds, rbac] = (await Promise.all(
    ['crds.yaml', 'rbac.yaml'].map((file) => readFile(join(DEPLOY, file), 'utf8')),
  )) as [string, string]
  ;[cp, lab] = await Promise.all([startControlPlane(), Lab.create('kube')])
  await lab.segment('red')
  const pods = await lab.addPods(
    ['server', 'client'].map((name, index) => ({
      name,
      attachments: [
        {
          segment: 'red',
          interface: 'net1',
          addresses: [`10.1.0.${index + 1}/24`, `fd00:1::${index + 1}/64`],
        },
      ],
    })),
  )
  ;[server, client] = pods as [Pod, Pod]
  await Promise.all(pods.map((pod) => pod.serve({ tcp: [80], udp: [80] })))
  await cp.apply(rbac)
  kubeconfig = await cp.serviceAccountKubeconfig('kube-system', 'multi-networkpolicy')
  daemon = await DaemonProcess.start([
    `--kubeconfig=${kubeconfig}`,
    '--hostname-override=n1',
    '--log-level=debug',
    '--netns-annotation',
  ])
})

afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
  await cp?.[Symbol.asyncDispose]()
})

/** Does something to the cluster and waits until the daemon has dealt with it. */
async function change(act: () => Promise<unknown>): Promise<void> {
  const seen = daemon.log.length
  await act()
  await daemon.settled(seen)
}

const apply = (...objects: readonly KubeObject[]): Promise<void> =>
  cp.apply(objects.map((each) => JSON.stringify(each)).join('\n---\n'))
const policy = (name: string, spec: unknown): KubeObject => policyObject('shop', name, 'red', spec)
const fromClients = {
  podSelector: { matchLabels: { app: 'server' } },
  ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 80 }] }],
}
const denyAll = { podSelector: { matchLabels: { app: 'server' } } }

/** Whether each kind of packet gets from the client to the server, both families. */
async function passing(): Promise<string> {
  const results = await lab.probeAll(
    ([4, 6] as const).flatMap((family) =>
      (['tcp', 'udp', 'icmp'] as const).map((protocol) => ({
        from: client,
        to: server.address(family),
        protocol,
      })),
    ),
  )
  return results.map(({ verdict }) => verdict).join(' ')
}

/** The Events on objects of a kind in the test's namespace. */
async function eventsOf(
  kind: string,
): Promise<readonly { readonly involvedObject: { readonly kind: string } }[]> {
  const { items } = (await cp.api('GET', '/api/v1/namespaces/shop/events')) as unknown as {
    items: { involvedObject: { kind: string } }[]
  }
  return items.filter(({ involvedObject }) => involvedObject.kind === kind)
}

/** For when other kinds are listed anew meanwhile, and "settled" may speak of them. */
async function eventually(expected: string): Promise<void> {
  await daemon.until(`what passes is ${expected}`, async () => (await passing()) === expected, 40_000)
}

const ALL = 'open open open open open open'
const NONE = 'blocked blocked blocked blocked blocked blocked'
const TCP = 'open blocked blocked open blocked blocked'

describe('the daemon on a Kubernetes API', () => {
  test('says which resource is not there while the CRDs are not installed, and goes on by itself once they are', async () => {
    const missing = await daemon.logged(
      /list \/apis\/k8s\.cni\.cncf\.io\/v1beta1\/multi-networkpolicies: 404/,
    )
    expect(missing.level).toBe('warn')
    expect(await daemon.status('/healthz')).toBe(200)
    expect(await daemon.status('/readyz')).toBe(503)
    await cp.apply(crds)
    await daemon.ready(30_000)
    await daemon.logged(/MultiNetworkPolicy: recovered/)
  })

  test('enforces a policy that is created, changed and deleted', async () => {
    await cp.createNamespace('shop', { team: 'a' })
    await cp.apply(JSON.stringify(networkObject('shop', 'red')))
    for (const pod of [server, client]) {
      const object = podObject(pod, {
        namespace: 'shop',
        labels: { app: pod.name },
        node: pod === server ? 'n1' : 'n2',
      })
      const { annotations, labels } = object['metadata'] as {
        annotations: Record<string, string>
        labels: Record<string, string>
      }
      await cp.createPod({
        name: pod.name,
        namespace: 'shop',
        node: pod === server ? 'n1' : 'n2',
        labels,
        annotations,
      })
    }
    expect(await passing()).toBe(ALL)
    await change(() => apply(policy('p', denyAll)))
    expect(await passing()).toBe(NONE)
    await change(() => apply(policy('p', fromClients)))
    expect(await passing()).toBe(TCP)
    await change(() => cp.api('DELETE', `${POLICIES}/p`))
    expect(await passing()).toBe(ALL)
    expect(await server.run(['nft', 'list', 'tables'])).toBe('')
  })

  test('leaves a pod of another node alone', async () => {
    await change(() => apply(policy('p', { podSelector: {} })))
    expect(await server.run(['nft', 'list', 'tables'])).toContain('multi_networkpolicy')
    expect(await client.run(['nft', 'list', 'tables'])).toBe('')
  })

  test('without a runtime, a pod’s annotation counts only if the operator says so', async () => {
    const flags = [`--kubeconfig=${kubeconfig}`, '--hostname-override=n1']
    await using careful = await DaemonProcess.start(flags)
    await careful.logged(/no --container-runtime-endpoint, and no runtime at .*: no pod is enforced/)
    const { object } = await careful.logged(
      /not enforced yet because: no network namespace found: no container runtime is known; its annotation multi-networkpolicyd\/netns counts only with --netns-annotation/,
    )
    expect(object).toBe('Pod shop/server')
    const audit = async (...more: readonly string[]) =>
      await execa(MNPD, ['audit', ...flags, ...more], { reject: false })
    expect(await audit('--netns-annotation')).toMatchObject({ exitCode: 0 })
    const { exitCode, stdout } = await audit()
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^shop\/server: no network namespace found: no container runtime is known/)
  })

  test('mnpd explain and mnpd matrix say of the cluster what the packets show', async () => {
    await change(() => apply(policy('p', fromClients)))
    expect(await passing()).toBe(TCP)
    const ask = async (...args: readonly string[]) => {
      const { exitCode, stdout, stderr } = await execa(MNPD, [...args, `--kubeconfig=${kubeconfig}`], {
        reject: false,
      })
      return { exitCode, stderr, answer: stdout === '' ? undefined : JSON.parse(stdout) }
    }
    const ends = ['explain', '--from=shop/client', '--to=shop/server', '--output=json']
    expect(await ask(...ends, '--port=80/TCP')).toMatchObject({
      exitCode: 0,
      answer: {
        verdict: 'allow',
        ingress: { policy: 'shop/p', rule: 0 },
        egress: { verdict: 'allow', policy: null },
      },
    })
    expect(await ask(...ends, '--port=80/UDP')).toMatchObject({
      exitCode: 1,
      answer: { verdict: 'deny', ingress: { verdict: 'deny' } },
    })
    const matrix = await ask('matrix', '--port=80/TCP', '--output=json')
    expect(matrix.exitCode, matrix.stderr).toBe(0)
    expect(JSON.stringify(matrix.answer)).toContain('shop/server')
  })

  test('follows labels of pods and of namespaces', async () => {
    const pod = '/api/v1/namespaces/shop/pods/client'
    expect(await passing()).toBe(TCP)
    await change(() => cp.api('PATCH', pod, { metadata: { labels: { app: 'other' } } }))
    expect(await passing()).toBe(NONE)
    await change(() =>
      apply(
        policy('p', {
          ...denyAll,
          ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'a' } } }] }],
        }),
      ),
    )
    expect(await passing()).toBe(ALL)
    await change(() => cp.api('PATCH', '/api/v1/namespaces/shop', { metadata: { labels: { team: 'b' } } }))
    expect(await passing()).toBe(NONE)
    await change(() => cp.api('PATCH', pod, { metadata: { labels: { app: 'client' } } }))
  })

  test('a policy with a bad CIDR and a NAD with broken JSON are named, and the rest is enforced', async () => {
    const spec = {
      ...denyAll,
      ingress: [
        {
          from: [{ ipBlock: { cidr: '10.1.0.0/99' } }, { ipBlock: { cidr: 'fd00:1::/64' } }],
          ports: [{ port: 80 }],
        },
      ],
    }
    const broken = { ...networkObject('shop', 'red'), spec: { config: '{"type": ' } }
    await change(() => apply(policy('p', spec)))
    await change(() => apply(broken))
    expect(await passing()).toBe('blocked blocked blocked open blocked blocked')
    expect(
      (
        await daemon.logged(
          /MultiNetworkPolicy shop\/p: spec.ingress\[0\].from\[0\].ipBlock.cidr "10.1.0.0\/99": expected a CIDR/,
        )
      ).level,
    ).toBe('warn')
    await daemon.logged(/NetworkAttachmentDefinition shop\/red: spec.config .*governed all the same/)
    await daemon.until(
      'the policy has an Event',
      async () => (await eventsOf('MultiNetworkPolicy')).length > 0,
      10_000,
    )
    expect((await eventsOf('MultiNetworkPolicy'))[0]).toMatchObject({
      involvedObject: {
        name: 'p',
        namespace: 'shop',
        uid: (await cp.api('GET', `${POLICIES}/p`)).metadata.uid,
      },
      type: 'Warning',
      reason: 'NotEnforced',
      message: expect.stringContaining('spec.ingress[0].from[0].ipBlock.cidr: 10.1.0.0/99: expected a CIDR'),
      source: { component: 'multi-networkpolicyd', host: 'n1' },
    })
    await change(() => apply(networkObject('shop', 'red')))
    await daemon.logged(/no longer an issue: NetworkAttachmentDefinition shop\/red/)
  })

  test('a restart of the API server lets nothing through and takes nothing away, and what follows is enforced', async () => {
    await change(() =>
      apply(
        policy('p', {
          ...fromClients,
          ingress: [{ ...fromClients.ingress[0], ports: [{ protocol: 'UDP', port: 80 }] }],
        }),
      ),
    )
    const allowed = await lab.stream({
      from: client,
      to: server.address(4),
      protocol: 'udp',
      port: 80,
      packetsPerSecond: 1_000,
    })
    const forbidden = await lab.stream({
      from: client,
      to: server.address(4),
      protocol: 'udp',
      port: 81,
      packetsPerSecond: 1_000,
    })
    await cp.stopApiServer()
    await daemon.logged(/ECONNREFUSED/)
    await cp.startApiServer()
    await apply(policy('q', denyAll))
    await daemon.logged(/Pod: recovered/)
    const [kept, held] = [await allowed.stop(), await forbidden.stop()]
    expect(kept.window().sent).toBeGreaterThan(500)
    expect(kept.window().lost).toBe(0)
    expect(held.window().passed).toBe(0)
    await cp.api('DELETE', `${POLICIES}/p`)
    await eventually(NONE)
  })

  test('rights that are taken away are named, what is enforced stays, and all heals when they come back', async () => {
    await cp.remove(rbac.split('---').find((part) => part.includes('kind: ClusterRoleBinding')) ?? '')
    await cp.stopApiServer()
    await cp.startApiServer()
    await daemon.logged(/api\/v1\/pods: 403.*forbidden/i, 40_000)
    expect(await passing()).toBe(NONE)
    await cp.apply(rbac)
    await cp.api('DELETE', `${POLICIES}/q`)
    await eventually(ALL)
  })

  test('ends in time when told to, and leaves the rules', async () => {
    await change(() => apply(policy('p', denyAll)))
    expect(await daemon.stop()).toBe(0)
    expect(await passing()).toBe(NONE)
  })
})
