/**
 * The reference model: what MultiNetworkPolicy means, stated a second time and independently of the daemon,
 * so that tests can hold every backend against it. It is naive on purpose. No sets, no intervals, no thought
 * of nftables: each question walks all policies, their rules and their peers again.
 *
 * It speaks of the first packet of a connection only. Replies, related errors, neighbour discovery and what
 * command line options let through (D3, D4) are outside of it.
 *
 * Where the semantics leave something open, a comment that starts with `Reading:` says what was chosen;
 * `grep -rn Reading: test/model` lists them.
 */
import { type Address, parseAddress } from './address.ts'
import { attachmentsOf } from './attachment.ts'
import { type Cluster, type Direction, type ModelOptions, namespaceOf } from './cluster.ts'
import { type End, podAt, policiesAllowing, policiesGoverning, specOf } from './governance.ts'
import { asObject, at, isAbsentOrEmpty, items, type JsonObject } from './json.ts'
import { networksOf } from './network.ts'
import { type Choice, isPeer, podsBehind, type Scope } from './peer.ts'
import { numbersOf, type Protocol, parsePortEntry } from './port.ts'

export type { Cluster, Direction, ModelOptions } from './cluster.ts'
export type { End } from './governance.ts'
export type { JsonObject } from './json.ts'
export type { Protocol } from './port.ts'

export interface Packet {
  /** Addresses as text, both of one family. */
  readonly source: string
  readonly destination: string
  readonly protocol: Protocol
  /** The destination's, for TCP, UDP and SCTP. */
  readonly port?: number
}

export type Verdict = 'allow' | 'deny'

/**
 * The first packet of a new connection (no replies, no neighbour discovery), leaving or entering one
 * interface of one pod.
 *
 * Reading: D4's "a pod reaches its own address" is not asked here. Such a packet goes over `lo` and never
 * meets the interface; one that does meet it with the pod's own address is forged, and judged as any other.
 */
export function judge(
  cluster: Cluster,
  options: ModelOptions,
  end: End,
  direction: Direction,
  packet: Packet,
): Verdict {
  const governing = policiesGoverning(cluster, options, end, direction)
  if (governing.length === 0) return 'allow'
  const policies = policiesAllowing(cluster, end, governing)
  const pod = podAt(cluster, end.namespace, end.pod)
  const crossing = { cluster, options, pod, direction, packet, address: otherEnd(direction, packet) }
  return policies.some((policy) => policyAllows(crossing, policy)) ? 'allow' : 'deny'
}

/** The interfaces of a pod that some policy governs, and the directions in which it does. */
export function isolated(
  cluster: Cluster,
  options: ModelOptions,
  namespace: string,
  pod: string,
): ReadonlyMap<string, { readonly ingress: boolean; readonly egress: boolean }> {
  const object = podAt(cluster, namespace, pod)
  const names = (object === undefined ? [] : attachmentsOf(object)).map((attachment) => attachment.interface)
  const governed = new Map<string, { readonly ingress: boolean; readonly egress: boolean }>()
  for (const name of names) {
    if (name === undefined) continue
    const end = { namespace, pod, interface: name }
    const ingress = policiesGoverning(cluster, options, end, 'ingress').length > 0
    const egress = policiesGoverning(cluster, options, end, 'egress').length > 0
    if (ingress || egress) governed.set(name, { ingress, egress })
  }
  return governed
}

/**
 * Egress of the one end and ingress of the other. The addresses are the first of that family that
 * network-status gives to each interface; asking about a family that an end lacks is a bug and throws.
 * Between two interfaces of one pod the packet goes over `lo`: always allowed (D4).
 */
export function reaches(
  cluster: Cluster,
  options: ModelOptions,
  from: End,
  to: End,
  family: 4 | 6,
  protocol: Protocol,
  port?: number,
): Verdict {
  if (from.namespace === to.namespace && from.pod === to.pod) return 'allow'
  const source = addressAt(cluster, from, family)
  const destination = addressAt(cluster, to, family)
  const packet: Packet = { source, destination, protocol, ...(port === undefined ? {} : { port }) }
  const leaves = judge(cluster, options, from, 'egress', packet) === 'allow'
  const enters = judge(cluster, options, to, 'ingress', packet) === 'allow'
  return leaves && enters ? 'allow' : 'deny'
}

/** A packet on its way through an interface of `pod`; `address` is the peer's. */
interface Crossing {
  readonly cluster: Cluster
  readonly options: ModelOptions
  readonly pod: JsonObject | undefined
  readonly direction: Direction
  readonly packet: Packet
  readonly address: Address
}

function policyAllows(crossing: Crossing, policy: JsonObject): boolean {
  const scope: Scope = {
    cluster: crossing.cluster,
    namespace: namespaceOf(policy),
    networks: networksOf(crossing.cluster, crossing.options, policy),
  }
  return items(specOf(policy)[crossing.direction]).some((rule) => ruleAllows(crossing, scope, rule))
}

/** Every peer with every entry of `ports`: one pair that fits is enough. */
function ruleAllows(crossing: Crossing, scope: Scope, rule: unknown): boolean {
  if (asObject(rule) === undefined) return false
  const peers = choices(at(rule, crossing.direction === 'ingress' ? 'from' : 'to'))
  const ports = choices(at(rule, 'ports'))
  return peers.some((peer) => ports.some((port) => pairAllows(crossing, scope, peer, port)))
}

/** A list of the wrong type has no entries and stands for nothing, unlike one that is missing. */
function choices(list: unknown): readonly Choice[] {
  if (isAbsentOrEmpty(list)) return [{ kind: 'everything' }]
  return items(list).map((value) => ({ kind: 'entry', value }))
}

function pairAllows(crossing: Crossing, scope: Scope, peer: Choice, port: Choice): boolean {
  const { address, packet, direction, pod } = crossing
  if (port.kind === 'everything') return isPeer(scope, peer, address)
  const entry = parsePortEntry(port.value)
  if (entry.kind === 'nothing' || entry.protocol !== packet.protocol) return false
  const number = packet.port ?? 0
  switch (entry.kind) {
    case 'protocol':
      return isPeer(scope, peer, address)
    case 'range':
      return isPeer(scope, peer, address) && number >= entry.first && number <= entry.last
    case 'name': {
      const named = (owner: JsonObject) => numbersOf(owner, entry.name, entry.protocol).includes(number)
      if (direction === 'egress') return podsBehind(scope, peer, address).some(named)
      return isPeer(scope, peer, address) && pod !== undefined && named(pod)
    }
  }
}

function otherEnd(direction: Direction, packet: Packet): Address {
  const text = direction === 'ingress' ? packet.source : packet.destination
  const address = parseAddress(text)
  if (address === undefined) throw new Error(`a packet cannot have the address ${JSON.stringify(text)}`)
  return address
}

function addressAt(cluster: Cluster, end: End, family: 4 | 6): string {
  const pod = podAt(cluster, end.namespace, end.pod)
  const address = (pod === undefined ? [] : attachmentsOf(pod))
    .filter((attachment) => attachment.interface === end.interface)
    .flatMap((attachment) => attachment.addresses)
    .find((candidate) => candidate.family === family)
  if (address === undefined) {
    throw new Error(`${end.namespace}/${end.pod} has no IPv${family} address on ${end.interface}`)
  }
  return address.text
}
