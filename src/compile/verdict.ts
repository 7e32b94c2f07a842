/**
 * What a ruleset says of one packet, and why: the same ruleset that is printed for the kernel, read instead of run.
 * Of the first packet of a connection, that is; replies and neighbour discovery pass whatever the policies say.
 */
import { type Address, familyOf, rangesInclude } from './address.ts'
import type { Direction, NamespacedName } from './model.ts'
import { mergePorts, PROTOCOLS, type Protocol } from './port.ts'
import type {
  Allow,
  Exemptions,
  GovernedInterface,
  PeerSet,
  PolicyRules,
  PortSet,
  Ruleset,
} from './ruleset.ts'

/** A packet as one end of it sees it. */
export interface Packet {
  /** The pod's own address. */
  readonly own: Address
  /** The address of the other end. */
  readonly peer: Address
  readonly protocol: Protocol | 'ICMP' | 'OTHER'
  /** Destination port; not looked at where the protocol has none. */
  readonly port: number
}

export type Decision =
  /** No policy isolates the interface in that direction. */
  | { readonly kind: 'not-isolated' }
  /** A flag lets it pass on every governed interface. */
  | { readonly kind: 'exempt'; readonly flag: string }
  | { readonly kind: 'allowed'; readonly policy: NamespacedName; readonly rule: number }
  | {
      readonly kind: 'denied'
      readonly isolatedBy: readonly NamespacedName[]
      readonly nearest: readonly Near[]
    }

/** A rule that does not allow the packet, and what it would take. */
export interface Near {
  readonly policy: NamespacedName
  readonly rule: number
  /** `network`: the policy is not for all the networks that the interface is told to be on, so none of its rules counts. */
  readonly lacks: readonly ('network' | 'peer' | 'protocol' | 'port')[]
}

/** @param ruleset of the pod at that end; undefined where no policy governs it. */
export function decide(
  ruleset: Ruleset | undefined,
  name: string,
  direction: Direction,
  packet: Packet,
): Decision {
  const policies = isolating(ruleset, name, direction)
  if (ruleset === undefined || policies.length === 0) return { kind: 'not-isolated' }
  const counting = new Set(allowing(ruleset, name, direction))
  const flag = exemption(ruleset.exemptions, direction, packet)
  if (flag !== undefined) return { kind: 'exempt', flag }
  const nearest: Near[] = []
  for (const rules of policies) {
    const { policy, allows } = rules
    const network = counting.has(rules) ? [] : (['network'] as const)
    for (const allow of allows[direction] ?? []) {
      const lacks = [...network, ...lacking(allow, packet)]
      if (lacks.length === 0) return { kind: 'allowed', policy, rule: allow.rule }
      nearest.push({ policy, rule: allow.rule, lacks })
    }
  }
  // A rule that is for this peer says more about why than one for the right port and somebody else.
  const distance = ({ lacks }: Near): number => lacks.length + (lacks.includes('peer') ? 2 : 0)
  return {
    kind: 'denied',
    isolatedBy: policies.map(({ policy }) => policy),
    nearest: nearest.sort((a, b) => distance(a) - distance(b)),
  }
}

/** Which ports of the other end's, or for ingress of its own, the interface may be talked to on. */
export function allowedPorts(
  ruleset: Ruleset | undefined,
  name: string,
  direction: Direction,
  ends: Pick<Packet, 'own' | 'peer'>,
): PortSet {
  if (isolating(ruleset, name, direction).length === 0) return { kind: 'any' }
  const matching = allowing(ruleset, name, direction)
    .flatMap(({ allows }) => allows[direction] ?? [])
    .map((allow) => portsFor(allow, ends, direction))
  if (matching.some(({ kind }) => kind === 'any')) return { kind: 'any' }
  return unite(matching)
}

export function intersectPorts(a: PortSet, b: PortSet): PortSet {
  if (a.kind === 'any') return b
  if (b.kind === 'any') return a
  return only((protocol) =>
    rangesOf(a, protocol).flatMap((left) =>
      rangesOf(b, protocol)
        .map((right) => ({ first: Math.max(left.first, right.first), last: Math.min(left.last, right.last) }))
        .filter(({ first, last }) => first <= last),
    ),
  )
}

function isolating(ruleset: Ruleset | undefined, name: string, direction: Direction): readonly PolicyRules[] {
  return policiesIn(ruleset, name, ({ isolatedBy }) => isolatedBy[direction])
}

/** Those of them whose rules count. */
function allowing(ruleset: Ruleset | undefined, name: string, direction: Direction): readonly PolicyRules[] {
  return policiesIn(ruleset, name, ({ allowedBy }) => allowedBy[direction])
}

function policiesIn(
  ruleset: Ruleset | undefined,
  name: string,
  places: (governed: GovernedInterface) => readonly number[],
): readonly PolicyRules[] {
  const governed = ruleset?.interfaces.find((each) => each.name === name)
  return governed === undefined ? [] : places(governed).flatMap((place) => ruleset?.policies[place] ?? [])
}

function exemption(
  exemptions: Exemptions,
  direction: Direction,
  { own, peer, protocol }: Packet,
): string | undefined {
  const [source, destination] = direction === 'ingress' ? [peer, own] : [own, peer]
  if (protocol === 'ICMP' && familyOf(peer) === 4 && exemptions.icmp) return '--accept-icmp'
  if (protocol === 'ICMP' && familyOf(peer) === 6 && exemptions.icmpv6) return '--accept-icmpv6'
  if (rangesInclude(exemptions.ipv6Sources, source)) return '--allow-ipv6-src-prefix'
  if (rangesInclude(exemptions.ipv6Destinations, destination)) return '--allow-ipv6-dst-prefix'
  return undefined
}

function lacking(allow: Allow, { peer, protocol, port }: Packet): Near['lacks'] {
  if (
    allow.endpoints.some((each) => each.address === peer && each.protocol === protocol && each.port === port)
  )
    return []
  const peers = includesPeer(allow.peers, peer) ? [] : (['peer'] as const)
  return [...peers, ...lackingPort(allow, peer, protocol, port)]
}

function lackingPort(
  { ports, endpoints }: Allow,
  peer: Address,
  protocol: Packet['protocol'],
  port: number,
): Near['lacks'] {
  if (ports.kind === 'any') return []
  const named = endpoints.filter((each) => each.address === peer)
  const known =
    ports.ports.some((each) => each.protocol === protocol) || named.some((each) => each.protocol === protocol)
  if (!known) return ['protocol']
  const open = ports.ports.some(
    (each) =>
      each.protocol === protocol && each.ranges.some(({ first, last }) => first <= port && port <= last),
  )
  return open ? [] : ['port']
}

function includesPeer(peers: PeerSet, peer: Address): boolean {
  return peers.kind === 'anyone' || peers.addresses.includes(peer) || rangesInclude(peers.ranges, peer)
}

function portsFor(allow: Allow, { peer }: Pick<Packet, 'peer'>, direction: Direction): PortSet {
  const listed: PortSet = includesPeer(allow.peers, peer) ? allow.ports : { kind: 'only', ports: [] }
  if (listed.kind === 'any' || direction === 'ingress') return listed
  const named = allow.endpoints.filter(({ address }) => address === peer)
  return unite([
    listed,
    only((protocol) =>
      named.filter((each) => each.protocol === protocol).map(({ port }) => ({ first: port, last: port })),
    ),
  ])
}

function unite(sets: readonly PortSet[]): PortSet {
  return only((protocol) => sets.flatMap((set) => rangesOf(set, protocol)))
}

function only(ranges: (protocol: Protocol) => Parameters<typeof mergePorts>[0]): PortSet {
  const ports = PROTOCOLS.map((protocol) => ({ protocol, ranges: mergePorts(ranges(protocol)) }))
  return { kind: 'only', ports: ports.filter((each) => each.ranges.length > 0) }
}

function rangesOf(set: PortSet, protocol: Protocol): Parameters<typeof mergePorts>[0] {
  return set.kind === 'any' ? [] : (set.ports.find((each) => each.protocol === protocol)?.ranges ?? [])
}
