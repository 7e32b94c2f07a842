/**
 * What an event costs to compile, in a cluster of 1,000 pods and in one of 100,000, with 1,000 policies and the same
 * number of pods affected; and what compiling from scratch costs. The cluster's size should not be seen in it.
 */
import type { Address } from '../src/compile/address.ts'
import type { ClusterChange } from '../src/compile/cluster.ts'
import { compile } from '../src/compile/compile.ts'
import { NO_CUSTOM_RULES } from '../src/compile/custom/rules.ts'
import { IncrementalCompiler } from '../src/compile/incremental/compiler.ts'
import type { Namespace, Network, Pod, Policy } from '../src/compile/model.ts'
import { NO_EXEMPTIONS } from '../src/compile/ruleset.ts'
import type { Selector } from '../src/compile/selector.ts'
import type { Figure } from './figures.ts'

const SIZES = { few: 1_000, many: 100_000 } as const
const NAMESPACES = 50
const POLICIES = 1_000
/** Of this node. */
const LOCAL = 100
/** Values of `app` that policies speak of, in each namespace: two pods have each. */
const APPS = 5
const SAMPLES = 15
/** In one sample. */
const EVENTS = 50

const OPTIONS = {
  node: 'here',
  networkPlugins: new Set(['macvlan']),
  exemptions: NO_EXEMPTIONS,
  logDrops: false,
}
const INPUT = { custom: NO_CUSTOM_RULES }

/** A change and the one that takes it back, in turn. */
type Event = (turn: number) => ClusterChange

const EVENTS_BY_NAME: Readonly<Record<string, Event>> = {
  'a label that no selector mentions': (turn) => put(pod(500, { version: String(turn) })),
  'a remote pod on the network comes or goes': (turn) =>
    turn % 2 === 0 ? put(pod(9_999_950)) : { kind: 'deleted', of: 'Pod', key: 'ns-0/pod-9999950' },
  'a pod comes into a selector or leaves it': (turn) =>
    put(pod(500, { app: turn % 2 === 0 ? 'app-0' : 'other-0' })),
  'a policy is edited': (turn) => put(policy(0, turn % 2 === 0 ? 'app-1' : 'app-2')),
  'a namespace gets or loses a label': (turn) => put(namespace(NAMESPACES, { team: `t${turn % 2}` })),
}

/** Milliseconds for so many events: with many pods against few, and against from scratch. */
export async function compiling(): Promise<readonly Figure[]> {
  const few = compilerOf(SIZES.few)
  const many = compilerOf(SIZES.many)
  const figures = Object.entries(EVENTS_BY_NAME).map(([name, event]): Figure => {
    const samples = { few: [] as number[], many: [] as number[] }
    for (let sample = 0; sample <= SAMPLES; sample += 1) {
      const [a, b] = [time(few, event), time(many, event)]
      // The first is to warm up.
      if (sample === 0) continue
      samples.few.push(a)
      samples.many.push(b)
    }
    return {
      name: `compiling ${EVENTS} × ${name}, ${number(SIZES.many)} pods against ${number(SIZES.few)}`,
      unit: 'ms',
      samples: samples.many,
      yardstick: { name: `${number(SIZES.few)} pods`, samples: samples.few, times: 1 },
      goal: { kind: 'at most', p50: 1.5 },
    }
  })
  return [...figures, relist(many), fromScratch(few, SIZES.few), fromScratch(many, SIZES.many)]
}

function compilerOf(pods: number): IncrementalCompiler {
  const compiler = new IncrementalCompiler(OPTIONS)
  compiler.apply({ kind: 'replaced', of: 'NetworkAttachmentDefinition', objects: [NETWORK] })
  const all = Array.from({ length: NAMESPACES + 1 }, (_, index) => namespace(index, { team: 't0' }))
  compiler.apply({ kind: 'replaced', of: 'Namespace', objects: all })
  const policies = Array.from({ length: POLICIES }, (_, index) => policy(index, `app-${index % APPS}`))
  compiler.apply({ kind: 'replaced', of: 'MultiNetworkPolicy', objects: policies })
  compiler.apply({ kind: 'replaced', of: 'Pod', objects: podsOf(pods) })
  compiler.compile(INPUT)
  return compiler
}

function time(compiler: IncrementalCompiler, event: Event): number {
  const changes = Array.from({ length: EVENTS }, (_, turn) => event(turn))
  const began = performance.now()
  for (const change of changes) {
    compiler.apply(change)
    compiler.compile(INPUT)
  }
  return performance.now() - began
}

function relist(compiler: IncrementalCompiler): Figure {
  const samples = Array.from({ length: 5 }, () => {
    const objects = podsOf(SIZES.many)
    const began = performance.now()
    compiler.apply({ kind: 'replaced', of: 'Pod', objects })
    compiler.compile(INPUT)
    return performance.now() - began
  })
  return { name: `taking in a list of ${number(SIZES.many)} pods as they were`, unit: 'ms', samples }
}

/** Once: it takes long. */
function fromScratch({ cluster }: IncrementalCompiler, pods: number): Figure {
  const began = performance.now()
  compile(cluster, { ...OPTIONS, ...INPUT })
  return {
    name: `compiling ${number(POLICIES)} policies and ${number(pods)} pods from scratch, once`,
    unit: 'ms',
    samples: [performance.now() - began],
  }
}

const NETWORK: Network = {
  kind: 'NetworkAttachmentDefinition',
  namespace: 'default',
  name: 'red',
  cniType: 'macvlan',
  issues: [],
}

function podsOf(count: number): readonly Pod[] {
  const inTheEmptyOne = Array.from({ length: 10 }, (_, index) => ({
    ...pod(8_000_000 + index),
    namespace: `ns-${NAMESPACES}`,
  }))
  return [...Array.from({ length: count }, (_, index) => pod(index)), ...inTheEmptyOne]
}

/** The first are of this node; the next have the labels that policies speak of; the rest have others. */
function pod(index: number, labels: Readonly<Record<string, string>> = {}): Pod {
  const place = Math.floor(index / NAMESPACES)
  const app = place < LOCAL / NAMESPACES + 2 * APPS ? `app-${place % APPS}` : `other-${index % 100}`
  const address = `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}` as Address
  return {
    kind: 'Pod',
    namespace: `ns-${index % NAMESPACES}`,
    name: `pod-${index}`,
    uid: `uid-${index}`,
    runtimeUid: `uid-${index}`,
    node: index < LOCAL ? 'here' : 'elsewhere',
    labels: new Map(Object.entries({ app, tier: `tier-${index % 7}`, ...labels })),
    alive: true,
    hostNetwork: false,
    guest: undefined,
    createdAt: index,
    attachments: [
      {
        network: 'default/red',
        interface: 'net1',
        addresses: [address],
        mac: '02:00:00:00:00:01',
        userspace: undefined,
      },
    ],
    defaultInterfaces: ['eth0'],
    ports: [],
    netns: undefined,
    issues: [],
  }
}

/** Spread over the namespaces; each governs the local pods of its own. */
function policy(index: number, app: string): Policy {
  return {
    kind: 'MultiNetworkPolicy',
    namespace: `ns-${index % NAMESPACES}`,
    name: `policy-${index}`,
    uid: `policy-${index}`,
    version: undefined,
    networks: ['default/red'],
    podSelector: { kind: 'labels', requirements: [] },
    isolates: { ingress: true, egress: false },
    rules: {
      ingress: [
        {
          peers: {
            kind: 'only',
            peers: [{ kind: 'pods', namespaces: { kind: 'own' }, pods: having('app', app) }],
          },
          ports: { kind: 'any' },
        },
        {
          peers: {
            kind: 'only',
            peers: [
              {
                kind: 'pods',
                namespaces: { kind: 'matching', selector: having('team', 't1') },
                pods: having('app', 'other-0'),
              },
            ],
          },
          ports: { kind: 'any' },
        },
      ],
      egress: [],
    },
    issues: [],
  }
}

function having(key: string, value: string): Selector {
  return { kind: 'labels', requirements: [{ kind: 'in', key, values: new Set([value]) }] }
}

function namespace(index: number, labels: Readonly<Record<string, string>>): Namespace {
  return {
    kind: 'Namespace',
    name: `ns-${index}`,
    labels: new Map(Object.entries(labels)),
    logDrops: false,
    issues: [],
  }
}

function put(object: Pod | Policy | Namespace): ClusterChange {
  return { kind: 'changed', object }
}

function number(value: number): string {
  return value.toLocaleString('en')
}
