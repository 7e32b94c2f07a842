/**
 * What one rule of a policy allows, as nft matches: named sets for peers, so that a packet's cost does not grow with
 * their number, and ports beside them. Pod addresses are in hash sets, and CIDRs apart from them, in an interval set if they
 * are many: adding one pod's address to a set of intervals costs a reading of the whole set.
 *
 *     ip saddr @policy-0-ingress-0-pods-v4 tcp dport { 80, 443 }
 *     ip daddr . meta l4proto . th dport @policy-0-egress-1-endpoints-v4
 *
 * Each rule can be read of a connection's replies too, which have its addresses and ports the other way round:
 *
 *     ip daddr @policy-0-ingress-0-pods-v4 tcp sport { 80, 443 }
 */
import {
  anonymousSet,
  concat,
  type Expression,
  match,
  meta,
  payload,
  prefix,
  range,
  type Statement,
  setRef,
  type TableHandle,
} from 'nftables-json'
import {
  type AddressRange,
  FAMILIES,
  type Family,
  familyOf,
  formatAddress,
  prefixesOfRange,
  wholeFamily,
} from '../address.ts'
import type { Direction } from '../model.ts'
import { isAllPorts, type PortRange, type Protocol, type ProtocolPorts } from '../port.ts'
import type { Allow, PeerSet, PortSet } from '../ruleset.ts'

type Matches = readonly Statement[]

/**
 * Up to that many ranges are rules of their own. In the microseconds after a commit the kernel (6.18) finds nothing in a
 * new set of intervals, and what it allows would be dropped.
 */
const MOST_PLAIN = 8

/** Which packets of a connection a rule is to match: those of who opened it, or the replies. */
export type Leg = 'original' | 'reply'

/** What makes one nft rule, as it reads on each leg. */
export type PrintedMatch = Readonly<Record<Leg, Matches>> & {
  /** Where only ports of one protocol match: from the first to the last, others in between too. */
  readonly span?: PortSpan
}

export interface PortSpan extends PortRange {
  readonly protocol: Protocol
}

/**
 * Adds the sets that the rule needs, named from `name`, to the table; both legs share them.
 *
 * @returns what makes each nft rule to write; none where the rule allows nothing
 */
export function printAllow(
  table: TableHandle,
  name: string,
  direction: Direction,
  allow: Allow,
): readonly PrintedMatch[] {
  const ports = printPorts(allow.ports)
  const peers = ports.length === 0 ? [] : printPeers(table, name, direction, allow.peers)
  const endpoints = printEndpoints(table, name, direction, allow)
  return [
    ...peers.flatMap((peer) =>
      ports.map(({ span, ...port }) => ({
        ...onBoth((leg) => [...peer[leg], ...port[leg]]),
        ...(span && { span }),
      })),
    ),
    ...endpoints,
  ]
}

function printPeers(
  table: TableHandle,
  name: string,
  direction: Direction,
  peers: PeerSet,
): readonly PrintedMatch[] {
  if (peers.kind === 'anyone') return [onBoth(() => [])]
  return FAMILIES.flatMap((family) => {
    const addresses = peers.addresses.filter((address) => familyOf(address) === family)
    const ranges = peers.ranges.filter((each) => each.family === family)
    const [first] = ranges
    if (first !== undefined && wholeFamily(first))
      return [onBoth(() => [match(meta('nfproto'), family === 4 ? 'ipv4' : 'ipv6')])]
    const blocks = ranges.map(printRange)
    return [
      ...printSet(table, `${name}-pods-v${family}`, family, [], addresses),
      ...(blocks.length <= MOST_PLAIN
        ? blocks
        : printSet(table, `${name}-blocks-v${family}`, family, ['interval'], blocks)),
    ].map((peer) => onBoth((leg) => [match(peerField(family, direction, leg), peer)]))
  })
}

function printSet(
  table: TableHandle,
  name: string,
  family: Family,
  flags: readonly 'interval'[],
  elem: readonly Expression[],
): readonly Expression[] {
  if (elem.length === 0) return []
  table.addSet({ name, type: addressType(family), ...(flags.length > 0 ? { flags } : {}), elem })
  return [setRef(name)]
}

/** One address, a CIDR block, or a range. */
export function printRange(addresses: AddressRange): Expression {
  const { family, first, last } = addresses
  if (first === last) return formatAddress(family, first)
  const [block, ...others] = prefixesOfRange(addresses)
  return block !== undefined && others.length === 0
    ? prefix(formatAddress(family, block.first), block.length)
    : range(formatAddress(family, first), formatAddress(family, last))
}

function printPorts(ports: PortSet): readonly PrintedMatch[] {
  return ports.kind === 'any' ? [onBoth(() => [])] : ports.ports.flatMap(printProtocol)
}

function printProtocol({ protocol, ranges }: ProtocolPorts): readonly PrintedMatch[] {
  const name = protocol.toLowerCase() as 'tcp' | 'udp' | 'sctp'
  if (isAllPorts(ranges)) return [onBoth(() => [match(meta('l4proto'), name)])]
  const single = ranges.filter(({ first, last }) => first === last)
  const wide = ranges.filter((each) => !single.includes(each))
  const separate = wide.length <= MOST_PLAIN ? [single, ...wide.map((each) => [each])] : [ranges]
  return separate
    .filter((some) => some.length > 0)
    .map((some) => ({
      ...onBoth((leg) => [printPort(name, some, leg)]),
      span: { protocol, first: some[0]?.first ?? 0, last: some.at(-1)?.last ?? 0 },
    }))
}

function printPort(protocol: 'tcp' | 'udp' | 'sctp', ranges: readonly PortRange[], leg: Leg): Statement {
  const [first, ...others] = ranges.map(printPortRange)
  const port = others.length === 0 && first !== undefined ? first : anonymousSet(ranges.map(printPortRange))
  return match(payload(protocol, portField(leg)), port)
}

function printPortRange({ first, last }: PortRange): Expression {
  return first === last ? first : range(first, last)
}

function printEndpoints(
  table: TableHandle,
  name: string,
  direction: Direction,
  { endpoints }: Allow,
): readonly PrintedMatch[] {
  return FAMILIES.flatMap((family) => {
    const elem = endpoints
      .filter(({ address }) => familyOf(address) === family)
      .map(({ address, protocol, port }) => concat(address, protocol.toLowerCase(), port))
    if (elem.length === 0) return []
    const set = `${name}-endpoints-v${family}`
    table.addSet({ name: set, type: [addressType(family), 'inet_proto', 'inet_service'], elem })
    const key = (leg: Leg): Expression =>
      concat(peerField(family, direction, leg), meta('l4proto'), payload('th', portField(leg)))
    return [onBoth((leg) => [match(key(leg), setRef(set))])]
  })
}

function onBoth(matches: (leg: Leg) => Matches): PrintedMatch {
  return { original: matches('original'), reply: matches('reply') }
}

/** Who opens a connection to the pod is the source of it, and the destination of its replies. */
function peerField(family: Family, direction: Direction, leg: Leg): Expression {
  const isSource = (direction === 'ingress') === (leg === 'original')
  return payload(family === 4 ? 'ip' : 'ip6', isSource ? 'saddr' : 'daddr')
}

/** Whether the packet's port is within the span. */
export function printSpan({ protocol, first, last }: PortSpan, leg: Leg): Statement {
  const name = protocol.toLowerCase() as 'tcp' | 'udp' | 'sctp'
  return printPort(name, [{ first, last }], leg)
}

function portField(leg: Leg): 'dport' | 'sport' {
  return leg === 'original' ? 'dport' : 'sport'
}

function addressType(family: Family): 'ipv4_addr' | 'ipv6_addr' {
  return family === 4 ? 'ipv4_addr' : 'ipv6_addr'
}
