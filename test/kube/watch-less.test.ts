/** What is fetched of pods on a real API server: this node's whole, the others' as far as peers are asked about. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { arbitraryCluster } from '../model/generate.ts'
import { seed } from '../seed.ts'
import { ApiFailure, type ControlPlane, startControlPlane, type TestPod } from './control-plane.ts'
import { rulesetsOf, truth, WatchedCluster } from './watched-cluster.ts'

const PODS = '/api/v1/namespaces/default/pods'
const POLICIES = '/apis/k8s.cni.cncf.io/v1beta1/namespaces/default/multi-networkpolicies'
const CONTAINERS = [{ name: 'main', image: 'none', ports: [{ name: 'web', containerPort: 8080 }] }]

let cp: ControlPlane

beforeAll(async () => {
  cp = await startControlPlane()
  await cp.apply(await readFile(join(import.meta.dirname, '../../deploy/crds.yaml'), 'utf8'))
})

afterAll(async () => {
  await cp?.[Symbol.asyncDispose]()
})

beforeEach(async () => {
  for (const collection of [PODS, POLICIES]) await cp.api('DELETE', `${collection}?gracePeriodSeconds=0`)
})

/** On network `default/red`, with the named port `web`, of node n2 unless told. */
async function create(name: string, pod: Omit<Partial<TestPod>, 'name'> = {}): Promise<void> {
  const { spec, ...rest } = pod
  const status = [{ name: 'red', interface: 'net1', ips: ['10.1.0.1'] }]
  const annotations = { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) }
  await cp.createPod({ name, node: 'n2', annotations, spec: { containers: CONTAINERS, ...spec }, ...rest })
}

function policy(name: string, egress: readonly object[]): object {
  return {
    ...{ apiVersion: 'k8s.cni.cncf.io/v1beta1', kind: 'MultiNetworkPolicy' },
    metadata: { name, annotations: { 'k8s.v1.cni.cncf.io/policy-for': 'red' } },
    spec: { podSelector: {}, policyTypes: ['Egress'], egress },
  }
}

const toWeb = [{ to: [{ podSelector: {} }], ports: [{ port: 'web' }] }]

describe('pods', () => {
  test('are whole here, known as peers elsewhere, and left out where no policy can mean them', async () => {
    await create('here', { node: 'n1' })
    await create('there', { labels: { app: 'x' } })
    await create('on-the-host', {
      spec: { hostNetwork: true, containers: [{ name: 'main', image: 'none' }] },
    })
    await create('done', { status: { phase: 'Succeeded' } })
    await create('failed-here', { node: 'n1', status: { phase: 'Failed' } })
    await create('on-no-network', { annotations: {} })
    await using watched = await WatchedCluster.of(cp, { node: 'n1' })
    expect([...watched.cluster.pods.keys()].sort()).toEqual(['default/here', 'default/there'])
    expect(watched.pod('here')).toMatchObject({ node: 'n1', ports: [{ name: 'web', port: 8080 }] })
    expect(watched.pod('there')).toMatchObject({
      node: undefined,
      ports: [],
      alive: true,
      hostNetwork: false,
    })
    expect(watched.pod('there')?.labels).toEqual(new Map([['app', 'x']]))
    expect(watched.pod('there')?.attachments).toMatchObject([
      { network: 'default/red', addresses: ['10.1.0.1'] },
    ])
    const unfinished = 'status.phase!=Succeeded,status.phase!=Failed'
    expect(watched.asked.filter((each) => each.startsWith('list')).sort()).toEqual([
      `list metadata spec.nodeName!=n1,${unfinished},spec.hostNetwork=false`,
      `list whole spec.nodeName=n1,${unfinished}`,
    ])
  })

  test('that change, end or go are followed on both sides', async () => {
    await using watched = await WatchedCluster.of(cp, { node: 'n1' })
    for (const [name, node] of [
      ['here', 'n1'],
      ['there', 'n2'],
    ] as const) {
      await create(name, { node })
      await watched.until(() => watched.pod(name) !== undefined)
      await cp.api('PATCH', `${PODS}/${name}`, { metadata: { labels: { app: 'y' } } })
      await watched.until(() => watched.pod(name)?.labels.get('app') === 'y')
      const none = { 'k8s.v1.cni.cncf.io/network-status': null }
      await cp.api('PATCH', `${PODS}/${name}`, { metadata: { annotations: none } })
      await watched.until(() => (watched.pod(name)?.attachments ?? []).length === 0)
      expect(watched.pod(name) === undefined).toBe(name === 'there')
      await cp.deletePod('default', name)
      await create(name, { node })
      await watched.until(() => watched.pod(name)?.attachments.length === 1)
      await cp.patchPodStatus('default', name, { phase: 'Succeeded' })
      await watched.until(() => watched.pod(name) === undefined)
    }
  })

  test('that are scheduled here come whole, once', async () => {
    await using watched = await WatchedCluster.of(cp, { node: 'n1' })
    await cp.api('POST', PODS, { metadata: { name: 'late' }, spec: { containers: CONTAINERS } })
    const target = { apiVersion: 'v1', kind: 'Node', name: 'n1' }
    await cp.api('POST', `${PODS}/late/binding`, { metadata: { name: 'late' }, target })
    await watched.until(() => watched.pod('late')?.node === 'n1')
    expect(watched.pod('late')?.ports).toHaveLength(1)
    expect(watched.storyOf('late')).not.toContain('deleted')
  })

  test('made anew under their names, here and there in turn, leave neither ghosts nor gaps', async () => {
    await using watched = await WatchedCluster.of(cp, { node: 'n1' })
    const names = ['a', 'b', 'c', 'd']
    for (let round = 0; round < 8; round++) {
      await Promise.all(
        names.map(async (name, index) => {
          if (round > 0) await cp.deletePod('default', name)
          await create(name, {
            node: (round + index) % 2 === 0 ? 'n1' : 'n2',
            labels: { round: `r${round}` },
          })
        }),
      )
    }
    const here = (name: string, index: number): boolean =>
      watched.pod(name)?.labels.get('round') === 'r7' &&
      (watched.pod(name)?.node === 'n1') === ((7 + index) % 2 === 0)
    await watched.until(() => names.every(here))
    await Promise.all(names.map((name) => cp.deletePod('default', name)))
    await watched.until(() => watched.cluster.pods.size === 0)
  })
})

describe('ports of pods elsewhere', () => {
  test('are fetched while a policy’s egress names ports, and the policy is told when they are there', async () => {
    await create('there')
    await using watched = await WatchedCluster.of(cp, { node: 'n1', calmMs: 0 })
    await cp.api('POST', POLICIES, policy('by-number', [{ ports: [{ port: 80 }] }]))
    await watched.until(() => watched.cluster.policies.size === 1)
    expect(watched.pod('there')?.ports).toEqual([])

    await cp.api('POST', POLICIES, policy('by-name', toWeb))
    await watched.until(() => watched.cluster.policies.has('default/by-name'))
    expect(watched.pod('there')?.ports).toMatchObject([{ name: 'web', port: 8080 }])
    await create('later')
    await watched.until(() => watched.pod('later')?.ports.length === 1)

    await cp.api('DELETE', `${POLICIES}/by-name`)
    await watched.until(() => watched.pod('later')?.ports.length === 0)
    expect(watched.pod('there')?.ports).toEqual([])
    expect([...watched.storyOf('there'), ...watched.storyOf('later')]).not.toContain('deleted')
    const forms = watched.asked.filter((each) => each.includes('hostNetwork') && each.startsWith('watch'))
    expect(forms.map((each) => each.split(' ')[1])).toEqual(['metadata', 'whole', 'metadata'])
  })

  test('are fetched from the start where such a policy is there', async () => {
    await create('there')
    await cp.api('POST', POLICIES, policy('by-name', toWeb))
    await using watched = await WatchedCluster.of(cp, { node: 'n1' })
    expect(watched.pod('there')?.ports).toHaveLength(1)
    expect(watched.asked.filter((each) => each.includes('metadata'))).toEqual([])
  })
})

test('a server that does not know a field selector is asked for all pods whole, which is said once', async () => {
  await create('here', { node: 'n1' })
  await create('there')
  await create('on-the-host', { spec: { hostNetwork: true, containers: [{ name: 'main', image: 'none' }] } })
  await using watched = await WatchedCluster.of(cp, {
    node: 'n1',
    alter: (request) => {
      const fieldSelector = request.query?.['fieldSelector']?.replace('spec.hostNetwork', 'spec.notYet')
      return fieldSelector === undefined
        ? request
        : { ...request, query: { ...request.query, fieldSelector } }
    },
  })
  expect([...watched.cluster.pods.keys()].sort()).toEqual(['default/here', 'default/there'])
  expect(watched.pod('here')).toMatchObject({ node: 'n1', ports: [{ name: 'web' }] })
  await watched.until(() => watched.events.some(({ kind }) => kind === 'recovered'))
  const failing = watched.events.filter((event) => event.kind === 'failing')
  expect(failing).toMatchObject([
    {
      what: 'Pod',
      reason: expect.stringMatching(
        /400.*field label not supported: spec.notYet.*all pods are watched whole/,
      ),
    },
  ])
  await cp.deletePod('default', 'here')
  await create('here')
  await watched.until(() => watched.pod('here')?.node === undefined && watched.pod('here') !== undefined)
})

test('made-up clusters come to the same rules as with all pods whole', async () => {
  for (const name of ['alpha', 'beta', 'gamma']) await cp.createNamespace(name)
  await using follower = await WatchedCluster.of(cp, { node: 'n1' })
  let governed = 0
  const post = async (path: string, object: unknown): Promise<void> => {
    // What the server does not take is in neither picture.
    await cp.api('POST', path, object).catch((error: unknown) => {
      if (!(error instanceof ApiFailure && [400, 409, 422].includes(error.status))) throw error
    })
  }
  for (const [round, made] of fc.sample(arbitraryCluster({ bad: false }), { numRuns: 16, seed }).entries()) {
    for (const namespace of ['alpha', 'beta', 'gamma']) {
      const api = '/apis/k8s.cni.cncf.io'
      const collections = [
        `/api/v1/namespaces/${namespace}/pods`,
        `${api}/v1beta1/namespaces/${namespace}/multi-networkpolicies`,
        `${api}/v1/namespaces/${namespace}/network-attachment-definitions`,
      ]
      for (const each of collections) await cp.api('DELETE', `${each}?gracePeriodSeconds=0`)
      const of = (objects: readonly unknown[]): Raw[] =>
        (objects as Raw[]).filter(({ metadata }) => (metadata.namespace ?? 'default') === namespace)
      for (const [place, pod] of of(made.pods).entries()) {
        const { name } = pod.metadata
        const node = (place + round) % 2 === 0 ? 'n1' : 'n2'
        await post(collections[0] as string, podOf(pod, node))
        const { status } = pod
        await cp.patchPodStatus(namespace, name, status ?? {}).catch(() => undefined)
      }
      for (const each of of(made.networkAttachmentDefinitions)) await post(collections[2] as string, each)
      for (const each of of(made.policies)) await post(collections[1] as string, each)
    }
    const expected = rulesetsOf(await truth(cp), 'n1')
    governed += [...expected.values()].filter((ruleset) => ruleset !== undefined).length
    await using lister = await WatchedCluster.of(cp, { node: 'n1' })
    for (const { cluster } of [follower, lister]) {
      await follower.until(
        () => isDeepStrictEqual(rulesetsOf(cluster, 'n1'), expected),
        `round ${round}, seed ${seed}`,
      )
    }
  }
  expect(governed).toBeGreaterThan(10)
}, 240_000)

interface Container {
  readonly ports?: readonly { readonly name: string }[]
}

interface Raw {
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec: {
    readonly containers?: readonly Container[]
    readonly initContainers?: readonly Container[]
  }
  readonly status?: object
}

/** As the API takes it, on a node: with images, and no name of a port twice in a container. */
function podOf({ metadata, spec }: Raw, nodeName: string): object {
  const taken = (containers: readonly Container[] = []): object[] =>
    containers.map((each) => ({
      ...each,
      image: 'none',
      ports: [...new Map(each.ports?.map((port) => [port.name, port])).values()],
    }))
  const { containers, initContainers } = spec
  const runs = { initContainers: taken(initContainers), containers: taken(containers) }
  return { metadata: { ...metadata, uid: undefined }, spec: { ...spec, ...runs, nodeName } }
}
