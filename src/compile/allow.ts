/**
 * One rule of a policy, resolved: peers to addresses and ranges, ports to numbers (semantics.md, P1 to P7, T1 to T5).
 */
import { type AddressRange, mergeRanges, sortAddresses } from './address.ts'
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
        ? resolveEndpoints(members.ofPeers(policy, peers), names)
        : [],
  }
}

/** Whether the rule reads differently on each governed pod. */
export function dependsOnGovernedPod(direction: Direction, rule: PolicyRule): boolean {
  return direction === 'ingress' && namedPorts(rule.ports).length > 0
}

function resolvePeers(members: Members, policy: Policy, peers: PolicyPeers): PeerSet {
  if (peers.kind === 'anyone') return { kind: 'anyone' }
  const selecting = peers.peers.filter((peer) => peer.kind === 'pods')
  return {
    kind: 'only',
    addresses: addressesOfMembers(selecting.flatMap((peer) => members.ofPeer(policy, peer))),
    ranges: rangesOfBlocks(peers),
  }
}

/** What the ipBlocks among them cover, merged. */
export function rangesOfBlocks(peers: PolicyPeers): readonly AddressRange[] {
  const all = peers.kind === 'anyone' ? [] : peers.peers
  return mergeRanges(all.flatMap((peer) => (peer.kind === 'block' ? peer.ranges : [])))
}

/** @param named the container ports on which names are looked up */
export function resolvePorts(ports: PolicyPorts, named: readonly ContainerPort[]): PortSet {
  if (ports.kind === 'any') return { kind: 'any' }
  const rangesOf = (protocol: Protocol): readonly PortRange[] =>
    mergePorts(
      ports.ports.filter((port) => port.protocol === protocol).flatMap((port) => numbers(port, named)),
    )
  return {
    kind: 'only',
    ports: PROTOCOLS.map((protocol) => ({ protocol, ranges: rangesOf(protocol) })).filter(
      ({ ranges }) => ranges.length > 0,
    ),
  }
}

function numbers(port: PolicyPort, named: readonly ContainerPort[]): readonly PortRange[] {
  return port.kind === 'numbered'
    ? [port.range]
    : named.filter((each) => sameName(each, port)).map((each) => ({ first: each.port, last: each.port }))
}

/** The named ports of those members that have them, each once, by address, protocol and number. */
export function resolveEndpoints(
  members: Iterable<Member>,
  names: readonly NamedPort[],
): readonly Endpoint[] {
  const found = new Map<string, Endpoint>()
  for (const { pod, addresses } of members) {
    for (const { protocol, port } of pod.ports.filter((each) => names.some((name) => sameName(each, name)))) {
      for (const address of addresses)
        found.set(`${address} ${protocol} ${port}`, { address, protocol, port })
    }
  }
  const order = new Map(
    sortAddresses([...found.values()].map(({ address }) => address)).map((each, at) => [each, at]),
  )
  const place = ({ address }: Endpoint): number => order.get(address) ?? 0
  return [...found.values()].sort(
    (a, b) =>
      place(a) - place(b) || PROTOCOLS.indexOf(a.protocol) - PROTOCOLS.indexOf(b.protocol) || a.port - b.port,
  )
}

export function namedPorts(ports: PolicyPorts): readonly NamedPort[] {
  return ports.kind === 'any' ? [] : ports.ports.filter((port) => port.kind === 'named')
}

export function sameName(container: ContainerPort, port: NamedPort): boolean {
  return container.name === port.name && container.protocol === port.protocol
}
