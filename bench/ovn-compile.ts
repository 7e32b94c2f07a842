/**
 * What an event costs the writer of an OVN database, with 1,000 policies and 10,000 pods on one network of ovn-kubernetes:
 * rows made and held against those that stand, ready to be sent. The yardstick is the same from scratch.
 */
import type { Uuid } from 'ovsdb'
import { difference, type SeenRows } from '../src/apply/ovn/difference.ts'
import type { NorthboundRows } from '../src/apply/ovn/northbound.ts'
import type { Address } from '../src/compile/address.ts'
import { Cluster, type ClusterChange } from '../src/compile/cluster.ts'
import type { Namespace, NamespaceScope, Network, Pod, Policy, PolicyRule } from '../src/compile/model.ts'
import { compileOvn } from '../src/compile/ovn/compile.ts'
import { OvnCompiler } from '../src/compile/ovn/compiler.ts'
import { OVN_CNI_TYPE, type OvnPort, portName } from '../src/compile/ovn/ports.ts'
import type { OvnRows } from '../src/compile/ovn/rows.ts'
import { NO_EXEMPTIONS } from '../src/compile/ruleset.ts'
import type { Selector } from '../src/compile/selector.ts'
import type { Figure } from './figures.ts'

const PODS = 10_000
const POLICIES = 1_000
const NAMESPACES = 50
const APPS = 5
const EVENTS = 50
const FROM_SCRATCH = 3

const NETWORK = 'default/blue'
const OPTIONS = {
  node: undefined,
  networkPlugins: new Set<string>(),
  exemptions: NO_EXEMPTIONS,
  track: true,
}
const KINDS = ['NetworkAttachmentDefinition', 'Namespace', 'MultiNetworkPolicy', 'Pod'] as const
const NOBODY: ReadonlySet<string> = new Set()

interface Event {
  readonly change?: ClusterChange
  readonly port?: OvnPort
}

/** A change and the one that takes it back, in turn. */
const EVENTS_BY_NAME: Readonly<Record<string, (turn: number) => Event>> = {
  'a label that no selector mentions': (turn) => put(pod(500, { version: String(turn) })),
  'a pod comes into a selector or leaves it': (turn) =>
    put(pod(500, { app: turn % 2 === 0 ? 'app-0' : 'other' })),
  'a pod that every policy selects comes or goes': (turn) =>
    put(pod(500, { role: turn % 2 === 0 ? 'everywhere' : 'here' })),
  'a policy is edited': (turn) => put(policy(0, turn % 2 === 0 ? 'app-1' : 'app-2')),
  'a port is made anew': (turn) => ({ port: port(500, turn) }),
}

export async function ovnCompiling(): Promise<readonly Figure[]> {
  const cluster = clusterOf()
  const ports = new Map(
    Array.from({ length: PODS }, (_, index) => port(index)).map((each) => [each.id, each]),
  )
  const compiler = new OvnCompiler(OPTIONS)
  for (const kind of KINDS)
    compiler.apply({ kind: 'replaced', of: kind, objects: [...cluster.objects(kind).values()] })
  compiler.replacePorts(ports)
  const first = timed(() => compiler.compile(NOBODY))
  const stands = standing(first.result.rows)
  const seen: SeenRows = new WeakMap()
  compare(first.result.rows, stands, seen)
  const scratch = Array.from({ length: FROM_SCRATCH }, () => {
    const options = { ...OPTIONS, leftToOvnKubernetes: NOBODY }
    return timed(() => compare(compileOvn(cluster, ports.values(), options).rows, stands)).ms
  })
  const yardstick = { name: 'from scratch', samples: scratch, times: 1 }
  const figures = Object.entries(EVENTS_BY_NAME).map(([name, event]): Figure => {
    const samples = Array.from({ length: EVENTS }, (_, turn) => {
      const { change, port } = event(turn)
      return timed(() => {
        if (change !== undefined) compiler.apply(change)
        if (port !== undefined) compiler.setPort(port.id, port)
        compare(compiler.compile(NOBODY).rows, stands, seen)
      }).ms
    })
    return {
      name: `OVN rows for ${POLICIES} policies and ${PODS} pods: ${name}`,
      unit: 'ms',
      samples,
      yardstick,
    }
  })
  return [...figures, { name: 'OVN rows of all, once', unit: 'ms', samples: [first.ms], yardstick }]
}

function compare(rows: OvnRows, stands: NorthboundRows, seen?: SeenRows): number {
  return difference(rows, stands, { absent: new Set(), removals: true, reclaim: false, seen }).length
}

/** The rows as a database would hold them. */
function standing({ portGroups, addressSets }: OvnRows): NorthboundRows {
  let rows = 0
  const uuid = (): Uuid => {
    rows += 1
    return `00000000-0000-4000-8000-${String(rows).padStart(12, '0')}` as Uuid
  }
  const acls: NorthboundRows['ACL'] extends ReadonlyMap<Uuid, infer R> ? Map<Uuid, R> : never = new Map()
  const groups = [...portGroups.values()].map((group) => {
    const own = group.acls.map(({ externalIds, ...acl }) => {
      const row = { ...acl, _uuid: uuid(), external_ids: externalIds, tier: 2, label: 0 }
      acls.set(row._uuid, row)
      return row._uuid
    })
    const ports = group.ports as ReadonlySet<Uuid>
    return { _uuid: uuid(), name: group.name, ports, acls: new Set(own), external_ids: group.externalIds }
  })
  const sets = [...addressSets.values()].map(({ name, addresses, externalIds }) => ({
    ...{ _uuid: uuid(), name, addresses },
    external_ids: externalIds,
  }))
  return {
    Logical_Switch: new Map(),
    Logical_Switch_Port: new Map(),
    Port_Group: new Map(groups.map((row) => [row._uuid, row])),
    Address_Set: new Map(sets.map((row) => [row._uuid, row])),
    ACL: acls,
  }
}

function timed<T>(work: () => T): { readonly result: T; readonly ms: number } {
  const began = performance.now()
  const result = work()
  return { result, ms: performance.now() - began }
}

function clusterOf(): Cluster {
  const cluster = new Cluster()
  const network: Network = {
    ...{ kind: 'NetworkAttachmentDefinition', namespace: 'default', name: 'blue' },
    cniType: OVN_CNI_TYPE,
    issues: [],
  }
  cluster.apply({ kind: 'changed', object: network })
  for (let index = 0; index < NAMESPACES; index += 1)
    cluster.apply({ kind: 'changed', object: namespace(index) })
  for (let index = 0; index < PODS; index += 1) cluster.apply({ kind: 'changed', object: pod(index) })
  for (let index = 0; index < POLICIES; index += 1)
    cluster.apply({ kind: 'changed', object: policy(index, `app-${index % APPS}`) })
  return cluster
}

function pod(index: number, labels: Readonly<Record<string, string>> = {}): Pod {
  const place = Math.floor(index / NAMESPACES)
  return {
    ...{ kind: 'Pod', namespace: `ns-${index % NAMESPACES}`, name: `pod-${index}` },
    ...{ uid: `uid-${index}`, runtimeUid: `uid-${index}`, node: `node-${index % 100}` },
    labels: new Map(Object.entries({ app: `app-${place % (2 * APPS)}`, role: 'here', ...labels })),
    ...{ alive: true, hostNetwork: false, guest: undefined, createdAt: index },
    attachments: [
      {
        ...{ network: NETWORK, interface: 'net1', addresses: [address(index)] },
        ...{ mac: undefined, userspace: undefined },
      },
    ],
    ...{ defaultInterfaces: ['eth0'], ports: [], netns: undefined, issues: [] },
  }
}

function address(index: number): Address {
  return `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}` as Address
}

/** @param made how often it was made anew, each time with another UUID */
function port(index: number, made = 0): OvnPort {
  const namespace = `ns-${index % NAMESPACES}`
  return {
    id: `port-${index}`,
    name: portName(NETWORK, namespace, `pod-${index}`),
    namespace,
    network: NETWORK,
    ovnNetwork: 'blue',
    podUid: `uid-${index}`,
    addresses: [made % 2 === 0 ? address(index) : address(index + PODS)],
  }
}

/** Governs all pods of its namespace: twenty policies a pod, two hundred pods a policy. */
function policy(index: number, app: string): Policy {
  const own: NamespaceScope = { kind: 'own' }
  const all: NamespaceScope = { kind: 'matching', selector: { kind: 'labels', requirements: [] } }
  const rule = (namespaces: NamespaceScope, pods: Selector): PolicyRule => ({
    peers: { kind: 'only', peers: [{ kind: 'pods', namespaces, pods }] },
    ports: { kind: 'any' },
  })
  return {
    ...{ kind: 'MultiNetworkPolicy', namespace: `ns-${index % NAMESPACES}`, name: `policy-${index}` },
    ...{ uid: `policy-${index}`, version: undefined, networks: [NETWORK] },
    podSelector: { kind: 'labels', requirements: [] },
    isolates: { ingress: true, egress: false },
    rules: {
      ingress: [rule(own, having('app', app)), rule(all, having('role', 'everywhere'))],
      egress: [],
    },
    issues: [],
  }
}

function having(key: string, value: string): Selector {
  return { kind: 'labels', requirements: [{ kind: 'in', key, values: new Set([value]) }] }
}

function namespace(index: number): Namespace {
  return { kind: 'Namespace', name: `ns-${index}`, labels: new Map(), logDrops: false, issues: [] }
}

function put(object: Pod | Policy): Event {
  return { change: { kind: 'changed', object } }
}
