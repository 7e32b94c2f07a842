/**
 * What one rule of a policy allows, as iptables matches: a few peers are a rule each, many are a set.
 *
 *     -s 10.1.0.2/32 -p tcp -m multiport --dports 80,443
 *     -m set --match-set mnpd-1f0c2a… src -p udp -m udp --dport 53
 *     -m set --match-set mnpd-77e1b0… dst,dst
 *
 * Each rule can be read of a connection's replies too, which have its addresses and ports the other way round.
 */
import {
  type AddressRange,
  type Family,
  familyOf,
  formatPrefix,
  prefixesOfRange,
  wholeFamily,
} from '../address.ts'
import type { Direction } from '../model.ts'
import type { Leg } from '../nftables/allow.ts'
import { isAllPorts, type PortRange, type ProtocolPorts } from '../port.ts'
import type { Allow, PeerSet, PortSet } from '../ruleset.ts'
import type { Words } from './rule.ts'
import type { FamilyTable } from './table.ts'

/** multiport takes so many ports, a range being two of them. */
const MULTIPORT = 15

/** The matches of each rule to write; none where the rule allows nothing in this family. */
export function printAllow(
  table: FamilyTable,
  direction: Direction,
  allow: Allow,
  leg: Leg,
): readonly Words[] {
  const ports = printPorts(allow.ports, leg)
  const peers = ports.length === 0 ? [] : printPeers(table, direction, allow.peers, leg)
  return [
    ...peers.flatMap((peer) => ports.map((port) => [...peer, ...port])),
    ...printEndpoints(table, direction, allow, leg),
  ]
}

function printPeers(table: FamilyTable, direction: Direction, peers: PeerSet, leg: Leg): readonly Words[] {
  if (peers.kind === 'anyone') return [[]]
  const ranges = peers.ranges.filter(({ family }) => family === table.family)
  const [first] = ranges
  if (first !== undefined && wholeFamily(first)) return [[]]
  const addresses = peers.addresses.filter((address) => familyOf(address) === table.family)
  const end = peerEnd(direction, leg)
  const blocks = ranges.flatMap((range) => prefixesOfRange(range).map(formatPrefix))
  return [
    ...(printSet(table, 'hash:ip', addresses, end) ??
      addresses.map((address) => [end.option, hostBlock(table.family, address)])),
    ...(printSet(
      table,
      'hash:net',
      blocks.map((each) => asElement(table.family, each)),
      end,
    ) ?? blocks.map((block) => [end.option, block])),
  ]
}

/** One rule that names a set; undefined where it is to be none. */
function printSet(
  table: FamilyTable,
  type: 'hash:ip' | 'hash:net',
  elements: readonly string[],
  { side }: PeerEnd,
): readonly Words[] | undefined {
  const name = table.setOf(type, elements)
  return name === undefined ? undefined : [['-m', 'set', '--match-set', name, side]]
}

/** The addresses of prefixes as iptables-save prints them. */
export function printRange(range: AddressRange): readonly string[] {
  return prefixesOfRange(range).map(formatPrefix)
}

function hostBlock(family: Family, address: string): string {
  return `${address}/${family === 4 ? 32 : 128}`
}

/** ipset prints a block of one address without its length. */
function asElement(family: Family, block: string): string {
  return block.replace(family === 4 ? /\/32$/ : /\/128$/, '')
}

function printPorts(ports: PortSet, leg: Leg): readonly Words[] {
  return ports.kind === 'any' ? [[]] : ports.ports.flatMap((each) => printProtocol(each, leg))
}

function printProtocol({ protocol, ranges }: ProtocolPorts, leg: Leg): readonly Words[] {
  const name = protocol.toLowerCase()
  if (isAllPorts(ranges)) return [['-p', name]]
  const side = leg === 'original' ? 'd' : 's'
  return chunksOf(ranges).map((chunk) => {
    const text = chunk.map(({ first, last }) => (first === last ? `${first}` : `${first}:${last}`)).join(',')
    return chunk.length === 1
      ? ['-p', name, '-m', name, `--${side}port`, text]
      : ['-p', name, '-m', 'multiport', `--${side}ports`, text]
  })
}

function chunksOf(ranges: readonly PortRange[]): readonly (readonly PortRange[])[] {
  const chunks: PortRange[][] = []
  let room = 0
  for (const range of ranges) {
    const takes = range.first === range.last ? 1 : 2
    if (takes > room) {
      chunks.push([])
      room = MULTIPORT
    }
    chunks.at(-1)?.push(range)
    room -= takes
  }
  return chunks
}

function printEndpoints(
  table: FamilyTable,
  direction: Direction,
  { endpoints }: Allow,
  leg: Leg,
): readonly Words[] {
  const { option, side } = peerEnd(direction, leg)
  const mine = endpoints
    .filter(({ address }) => familyOf(address) === table.family)
    .map(({ address, protocol, port }) => ({ address, protocol: protocol.toLowerCase(), port }))
  const set = table.setOf(
    'hash:ip,port',
    mine.map(({ address, protocol, port }) => `${address},${protocol}:${port}`),
  )
  const ports = leg === 'original' ? 'dst' : 'src'
  if (set !== undefined) return [['-m', 'set', '--match-set', set, `${side},${ports}`]]
  return mine.map(({ address, protocol, port }) => [
    ...[option, hostBlock(table.family, address)],
    ...['-p', protocol, '-m', protocol, leg === 'original' ? '--dport' : '--sport', `${port}`],
  ])
}

interface PeerEnd {
  readonly option: '-s' | '-d'
  readonly side: 'src' | 'dst'
}

/** Who opens a connection to the pod is the source of it, and the destination of its replies. */
function peerEnd(direction: Direction, leg: Leg): PeerEnd {
  return (direction === 'ingress') === (leg === 'original')
    ? { option: '-s', side: 'src' }
    : { option: '-d', side: 'dst' }
}
