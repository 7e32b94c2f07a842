/**
 * One rule of a policy, resolved: peers to addresses and ranges, ports to numbers (semantics.md, P1 to P7, T1 to T5).
 */
import { type Address, type AddressRange, mergeRanges, sortAddresses } from './address.ts'
import { fairShare } from './fair-share.ts'
import { MOST_ADDRESSES_OF_A_RULE, MOST_ENDPOINTS_OF_A_RULE } from './limits.ts'
import { addressesOfMembers, type Member, type Members } from './members.ts'
import type {
  ContainerPort,
  Direction,
  Pod,
  Policy,
  PolicyPeers,
  PolicyPort,
  PolicyPorts,
  PolicyRule,
} from './model.ts'
import { mergePorts, type PortRange, PROTOCOLS, type Protocol } from './port.ts'
import type { Allow, Endpoint, PeerSet, PortSet } from './ruleset.ts'

export type NamedPort = Extract<PolicyPort, { kind: 'named' }>

/**
 * @param governed the pod whose interfaces the policy governs: on ingress it is the one that named ports are
 *   looked up on. On egress they are looked up on the peers, and `governed` does not matter.
 */
export function resolveRule(
  members: Members,
  policy: Policy,
  direction: Direction,
  rule: number,
  { peers, ports }: PolicyRule,
  governed: Pod,
): Allow {
  const names = namedPorts(ports)
  return {
    rule,
    peers: resolvePeers(members, policy, peers),
    ports: resolvePorts(ports, direction === 'ingress' ? governed.ports : []),
    endpoints:
      direction === 'egress' && names.length > 0
        ? resolveEndpoints(endpointMembers(members.ofPeers(policy, peers)), wantedPorts(names)).endpoints
        : [],
  }
}

/** Whether the rule reads differently on each governed pod. */
export function dependsOnGovernedPod(direction: Direction, rule: PolicyRule): boolean {
  return direction === 'ingress' && namedPorts(rule.ports).length > 0
}

function resolvePeers(members: Members, policy: Policy, peers: PolicyPeers): PeerSet {
  if (peers.kind === 'anyone') return { kind: 'anyone' }
  return {
    kind: 'only',
    addresses: fewAddresses(selectedMembers(members, policy, peers)),
    ranges: rangesOfBlocks(peers),
  }
}

/** Each pod that the selecting peers stand for, once. */
export function selectedMembers(members: Members, policy: Policy, peers: PolicyPeers): readonly Member[] {
  const selecting = peers.kind === 'anyone' ? [] : peers.peers.filter((peer) => peer.kind === 'pods')
  const all = selecting.flatMap((peer) => members.ofPeer(policy, peer))
  return [...new Map(all.map((member) => [member.pod, member])).values()]
}

/** @param sorted those of all, where they are known. @returns sorted, no duplicates, and of a fair share where they are too many */
export function fewAddresses(
  members: readonly Member[],
  sorted: readonly Address[] = addressesOfMembers(members),
): readonly Address[] {
  if (sorted.length <= MOST_ADDRESSES_OF_A_RULE) return sorted
  return addressesOfMembers(fairShare(members, ({ addresses }) => addresses.length, MOST_ADDRESSES_OF_A_RULE))
}

/** What the ipBlocks among them cover, merged. */
export function rangesOfBlocks(peers: PolicyPeers): readonly AddressRange[] {
  const all = peers.kind === 'anyone' ? [] : peers.peers
  return mergeRanges(all.flatMap((peer) => (peer.kind === 'block' ? peer.ranges : [])))
}

/** @param named the container ports on which names are looked up */
export function resolvePorts(ports: PolicyPorts, named: readonly ContainerPort[]): PortSet {
  if (ports.kind === 'any') return { kind: 'any' }
  const wanted = wantedPorts(namedPorts(ports))
  const found = named.filter((port) => wanted.has(portKey(port)))
  const all = [
    ...ports.ports.filter((port) => port.kind === 'numbered'),
    ...found.map(({ protocol, port }) => ({ protocol, range: { first: port, last: port } })),
  ]
  const rangesOf = (protocol: Protocol): readonly PortRange[] =>
    mergePorts(all.filter((port) => port.protocol === protocol).map(({ range }) => range))
  return {
    kind: 'only',
    ports: PROTOCOLS.map((protocol) => ({ protocol, ranges: rangesOf(protocol) })).filter(
      ({ ranges }) => ranges.length > 0,
    ),
  }
}

/** Each pod once, with all the addresses that any of the peers has of it. */
export function endpointMembers(members: Iterable<Member>): readonly Member[] {
  const all = new Map<Pod, Set<Address>>()
  for (const { pod, addresses } of members) {
    const known = all.get(pod) ?? new Set()
    all.set(pod, known)
    for (const address of addresses) known.add(address)
  }
  return [...all].map(([pod, addresses]) => ({ pod, addresses: [...addresses] }))
}

export interface Endpoints {
  readonly endpoints: readonly Endpoint[]
  /** How many there would be, pod by pod: more than there are where they are too many. */
  readonly wanted: number
}

/**
 * The named ports of those members that have them, each once, by address, protocol and number.
 * @param members each once, with no address twice
 * @param wanted see `wantedPorts`
 */
export function resolveEndpoints(members: readonly Member[], wanted: ReadonlySet<string>): Endpoints {
  const having = members.map(({ pod, addresses }) => ({ pod, addresses, ports: portsOf(pod, wanted) }))
  const sizeOf = ({ addresses, ports }: (typeof having)[number]): number => addresses.length * ports.length
  const found = new Map<string, Endpoint>()
  for (const { addresses, ports } of fairShare(having, sizeOf, MOST_ENDPOINTS_OF_A_RULE)) {
    for (const { protocol, port } of ports) {
      for (const address of addresses)
        found.set(`${address} ${protocol} ${port}`, { address, protocol, port })
    }
  }
  return {
    endpoints: sorted([...found.values()]),
    wanted: having.reduce((sum, each) => sum + sizeOf(each), 0),
  }
}

/** Numbers that have one of the names, each once. */
function portsOf(pod: Pod, wanted: ReadonlySet<string>): readonly ContainerPort[] {
  const ports = pod.ports.filter((port) => wanted.has(portKey(port)))
  return [...new Map(ports.map((port) => [`${port.protocol} ${port.port}`, port])).values()]
}

function sorted(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const order = new Map(sortAddresses(endpoints.map(({ address }) => address)).map((each, at) => [each, at]))
  const place = ({ address }: Endpoint): number => order.get(address) ?? 0
  return endpoints.toSorted(
    (a, b) =>
      place(a) - place(b) || PROTOCOLS.indexOf(a.protocol) - PROTOCOLS.indexOf(b.protocol) || a.port - b.port,
  )
}

export function namedPorts(ports: PolicyPorts): readonly NamedPort[] {
  return ports.kind === 'any' ? [] : ports.ports.filter((port) => port.kind === 'named')
}

/** What `portKey` says of the container ports that have one of the names. */
export function wantedPorts(names: readonly NamedPort[]): ReadonlySet<string> {
  return new Set(names.map(portKey))
}

export function portKey({ protocol, name }: Pick<ContainerPort, 'protocol' | 'name'>): string {
  return `${protocol} ${name}`
}
