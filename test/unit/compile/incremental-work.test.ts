/** What an event costs: how many targets are worked out anew, and that all others are the same objects as before. */
import { beforeEach, expect, test } from 'vitest'
import type { Compilation } from '../../../src/compile/compilation.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { IncrementalCompiler } from '../../../src/compile/incremental/compiler.ts'
import { NO_EXEMPTIONS } from '../../../src/compile/ruleset.ts'
import { parse } from '../../product.ts'

const LOCAL = 6
const REMOTE = 20

interface PodShape {
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly node?: string
  readonly network?: string
  readonly address?: string
  readonly interface?: string
  readonly phase?: string
  readonly ports?: readonly object[]
}

function pod(name: string, shape: PodShape): object {
  const {
    namespace = 'shop',
    labels = {},
    node = 'away',
    network = 'shop/red',
    address,
    phase,
    ports,
  } = shape
  const status = [{ name: network, interface: shape.interface ?? 'net1', ips: address ? [address] : [] }]
  const annotations = { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, uid: name, labels, annotations },
    spec: { nodeName: node, containers: [{ name: 'c', ports: ports ?? [] }] },
    status: { phase: phase ?? 'Running' },
  }
}

/** Local pods run `app: web` (even ones) and `app: db` (odd ones). */
const local = (index: number, shape: PodShape = {}): object =>
  pod(`local-${index}`, {
    labels: { app: index % 2 === 0 ? 'web' : 'db' },
    node: 'here',
    address: `10.0.0.${index + 1}`,
    ...shape,
  })

const remote = (index: number, shape: PodShape = {}): object =>
  pod(`remote-${index}`, { labels: { app: `app-${index}` }, address: `10.0.1.${index + 1}`, ...shape })

function policy(
  name: string,
  app: string,
  from: readonly object[],
  more: object = {},
  networks = 'red',
): object {
  return {
    apiVersion: 'k8s.cni.cncf.io/v1beta1',
    kind: 'MultiNetworkPolicy',
    metadata: { namespace: 'shop', name, annotations: { 'k8s.v1.cni.cncf.io/policy-for': networks } },
    spec: {
      podSelector: { matchLabels: { app } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from }],
      ...more,
    },
  }
}

const byApp = (app: string): object => ({ podSelector: { matchLabels: { app } } })
const byTeam = (team: string): object => ({ namespaceSelector: { matchLabels: { team } } })

const namespace = (name: string, labels: object, annotations: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels, annotations },
})

const network = (name: string, type: string): object => ({
  apiVersion: 'k8s.cni.cncf.io/v1',
  kind: 'NetworkAttachmentDefinition',
  metadata: { namespace: 'shop', name },
  spec: { config: JSON.stringify({ cniVersion: '0.3.1', type }) },
})

const WEB = policy('web', 'web', [byApp('client'), byApp('other')])
const DB = policy('db', 'db', [byTeam('data')], {
  egress: [{ to: [byApp('server')], ports: [{ protocol: 'TCP', port: 'api' }] }],
})

/** The targets that are other objects now, by name, and how many were worked out. */
interface Work {
  readonly changed: readonly string[]
  readonly recompiled: number
}

let compiler: IncrementalCompiler
let last: Compilation

function told(...objects: readonly object[]): Work {
  for (const raw of objects) {
    const object = parse(raw)
    if (object !== undefined) compiler.apply({ kind: 'changed', object })
  }
  return work()
}

function work(): Work {
  const before = last
  last = compiler.compile({ custom: NO_CUSTOM_RULES })
  const changed = [...last.targets].filter(([name, target]) => before.targets.get(name) !== target)
  return { changed: changed.map(([name]) => name).sort(), recompiled: compiler.recompiled }
}

const NOTHING: Work = { changed: [], recompiled: 0 }
const WEBS = ['shop/local-0', 'shop/local-2', 'shop/local-4']
const DBS = ['shop/local-1', 'shop/local-3', 'shop/local-5']
const of = (changed: readonly string[]): Work => ({ changed, recompiled: changed.length })

beforeEach(() => {
  compiler = new IncrementalCompiler({
    node: 'here',
    networkPlugins: new Set(['macvlan']),
    exemptions: NO_EXEMPTIONS,
    logDrops: false,
  })
  last = compiler.compile({ custom: NO_CUSTOM_RULES })
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)
  const all = told(
    namespace('shop', {}),
    namespace('lake', { team: 'data' }),
    network('red', 'macvlan'),
    network('blue', 'macvlan'),
    WEB,
    DB,
    ...numbers(LOCAL).map((index) => local(index)),
    ...numbers(REMOTE).map((index) => remote(index)),
  )
  expect(all.recompiled).toBe(LOCAL)
})

test('a label of a remote pod that nothing mentions', () => {
  const before = last
  expect(told(remote(3, { labels: { app: 'app-3', version: '7' } }))).toEqual(NOTHING)
  expect(last).toBe(before)
})

test('a value of a label that is mentioned with other values', () => {
  expect(told(remote(3, { labels: { app: 'nobody' } }))).toEqual(NOTHING)
})

test('a pod on another network, of another namespace, on none', () => {
  expect(told(remote(90, { labels: { app: 'client' }, network: 'shop/blue' }))).toEqual(NOTHING)
  expect(told(remote(91, { labels: { app: 'client' }, namespace: 'else' }))).toEqual(NOTHING)
  expect(
    told({ ...pod('bare', { labels: { app: 'client' } }), metadata: { namespace: 'shop', name: 'bare' } }),
  ).toEqual(NOTHING)
})

test('a pod that comes into a selector, moves, and leaves it', () => {
  const labels = { app: 'client' }
  expect(told(remote(3, { labels }))).toEqual(of(WEBS))
  expect(told(remote(3, { labels, address: '10.0.2.9' }))).toEqual(of(WEBS))
  expect(told(remote(3, { labels, address: '10.0.2.9', phase: 'Succeeded' }))).toEqual(of(WEBS))
  expect(told(remote(3))).toEqual(NOTHING)
})

test('a pod that goes from one peer of a rule to another', () => {
  expect(told(remote(3, { labels: { app: 'client' } }))).toEqual(of(WEBS))
  expect(told(remote(3, { labels: { app: 'other' } }))).toEqual(NOTHING)
})

test('two pods with one address: the address stays until both are gone', () => {
  const labels = { app: 'client' }
  expect(told(remote(3, { labels, address: '10.0.3.3' }))).toEqual(of(WEBS))
  expect(told(remote(4, { labels, address: '10.0.3.3' }))).toEqual(NOTHING)
  expect(told(remote(3))).toEqual(NOTHING)
  expect(told(remote(4))).toEqual(of(WEBS))
})

test('a named port of a peer, on egress', () => {
  const server = (ports: readonly object[]) => remote(3, { labels: { app: 'server' }, ports })
  expect(told(server([]))).toEqual(of(DBS))
  expect(told(server([{ name: 'web', containerPort: 80 }]))).toEqual(NOTHING)
  expect(told(server([{ name: 'api', containerPort: 80 }]))).toEqual(of(DBS))
  expect(told(server([{ name: 'api', containerPort: 81 }]))).toEqual(of(DBS))
})

test('labels of a namespace', () => {
  expect(told(remote(92, { namespace: 'lake' }))).toEqual(of(DBS))
  expect(told(namespace('lake', { team: 'data', tier: 'gold' }))).toEqual(NOTHING)
  expect(told(namespace('lake', { team: 'other' }))).toEqual(of(DBS))
  expect(told(namespace('empty', { team: 'data' }))).toEqual(NOTHING)
})

test('a namespace that asks for its drops to be logged', () => {
  const asks = { 'multi-networkpolicyd/log-drops': 'true' }
  expect(told(namespace('shop', {}, asks))).toEqual(of([...WEBS, ...DBS].sort()))
  expect(told(namespace('lake', { team: 'data' }, asks))).toEqual(NOTHING)
})

test('a network definition: of no type of ours, back, gone', () => {
  expect(told(network('blue', 'bridge'))).toEqual(NOTHING)
  expect(told(network('red', 'bridge'))).toEqual(of([...WEBS, ...DBS].sort()))
  expect(told(network('red', 'macvlan'))).toEqual(of([...WEBS, ...DBS].sort()))
  compiler.apply({ kind: 'deleted', of: 'NetworkAttachmentDefinition', key: 'shop/red' })
  expect(work().changed).toEqual([])
  expect(last.issues).toHaveLength(2)
})

test('a network of a policy that no longer counts: its peers there go, and come back', () => {
  told(policy('web', 'web', [byApp('client')], {}, 'red, blue'))
  expect(told(remote(90, { labels: { app: 'client' }, network: 'shop/blue' }))).toEqual(of(WEBS))
  expect(told(network('blue', 'bridge'))).toEqual(of(WEBS))
  expect(told(network('blue', 'macvlan'))).toEqual(of(WEBS))
})

test('sets of members are shared, and go with the last policy that governs a pod here', () => {
  const { memberSets } = compiler
  told(policy('again', 'web', [byApp('other'), byApp('client')]))
  expect(compiler.memberSets).toBe(memberSets)
  told(policy('more', 'web', [byApp('more')]), policy('nobody', 'nobody', [byApp('yet-more')]))
  expect(compiler.memberSets).toBe(memberSets + 1)
  for (const name of ['web', 'again', 'more', 'db', 'nobody']) {
    compiler.apply({ kind: 'deleted', of: 'MultiNetworkPolicy', key: `shop/${name}` })
  }
  work()
  expect(compiler.memberSets).toBe(0)
})

test('a policy that is edited: the pods that it selects or selected', () => {
  expect(told(policy('web', 'web', [byApp('app-3')]))).toEqual(of(WEBS))
  expect(told(policy('web', 'db', [byApp('app-3')]))).toEqual(of([...WEBS, ...DBS].sort()))
  compiler.apply({ kind: 'deleted', of: 'MultiNetworkPolicy', key: 'shop/web' })
  expect(work()).toEqual(of(DBS))
})

test('a policy of which only the resourceVersion is another: worked out, and the same', () => {
  const { metadata, ...rest } = WEB as { metadata: object }
  const touched = { ...rest, metadata: { ...metadata, resourceVersion: '77' } }
  expect(told(touched)).toEqual({ changed: [], recompiled: WEBS.length })
  expect(last.versionOf('shop/web')).toBe('77')
})

test('a policy of another namespace, and one that selects nobody', () => {
  const { metadata, ...rest } = WEB as { metadata: object }
  expect(told({ ...rest, metadata: { ...metadata, namespace: 'lake' } })).toEqual(NOTHING)
  expect(told(policy('nobody', 'nobody', [byApp('app-3')]))).toEqual(NOTHING)
})

test('a local pod: itself, and those to whom it is a peer', () => {
  expect(told(local(0, { labels: { app: 'web', version: '7' } }))).toEqual(of(['shop/local-0']))
  expect(told(local(1, { labels: { app: 'client' } }))).toEqual(of([...WEBS, 'shop/local-1'].sort()))
})

test('a local pod that goes', () => {
  compiler.apply({ kind: 'deleted', of: 'Pod', key: 'shop/local-0' })
  expect(work()).toEqual(NOTHING)
  expect(last.targets.has('shop/local-0')).toBe(false)
})

test('many pods at once: each target once', () => {
  const labels = { app: 'client' }
  expect(told(...[3, 4, 5, 6, 7].map((index) => remote(index, { labels })))).toEqual(of(WEBS))
})

test('a label that comes and goes before anything is compiled', () => {
  const before = last
  expect(told(remote(3, { labels: { app: 'client' } }), remote(3))).toEqual(NOTHING)
  expect(last).toBe(before)
})

test('rules that are asked for before a change is compiled are those of before it', () => {
  const { pod: asked } = last.targets.get('shop/local-0') ?? expect.fail('no local-0')
  const before = last.rulesetOf(asked)
  const object = parse(remote(3, { labels: { app: 'client' } })) ?? expect.fail('not parsed')
  compiler.apply({ kind: 'changed', object })
  expect(last.rulesetOf(asked)).toEqual(before)
  work()
  expect(last.rulesetOf(asked)).not.toEqual(before)
})
