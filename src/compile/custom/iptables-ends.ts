/** A packet's two ends, addresses and ports, as iptables' matches. */
import type { Expression } from 'nftables-json'
import { formatAddress, parseCidr, rangeOfPrefix } from '../address.ts'
import type { Alternatives, Compared, Place } from './iptables-match.ts'
import { membersOf } from './statements.ts'

/** `-s BLOCK` once a rule; `iprange` may stand several times. */
export function addressWords({ op, right }: Compared, place: Place, name: string): Alternatives | undefined {
  const [option, ranges] = name.endsWith('saddr') ? ['-s', '--src-range'] : ['-d', '--dst-range']
  const members = membersOf(right)
  const free = !place.used.has(option) && (isEqual(op) || members.length === 1)
  const not = op === '!=' ? ['!'] : []
  const words = members.map((value) => {
    const block = typeof value === 'string' ? value : prefixText(value)
    const range = rangeText(value)
    if (range === undefined) return undefined
    return free && block !== undefined ? [...not, option, block] : ['-m', 'iprange', ...not, ranges, range]
  })
  place.used.add(option)
  return words.every((each) => each !== undefined) ? either(op, words) : undefined
}

function prefixText(value: Expression): string | undefined {
  return typeof value === 'object' && 'prefix' in value
    ? `${String(value.prefix.addr)}/${value.prefix.len}`
    : undefined
}

function rangeText(value: Expression): string | undefined {
  if (typeof value === 'string') return `${value}-${value}`
  if (typeof value === 'object' && 'range' in value) return value.range.map(String).join('-')
  const cidr = parseCidr(prefixText(value) ?? '')
  if (cidr === undefined) return undefined
  const { family, first, last } = rangeOfPrefix(cidr)
  return `${formatAddress(family, first)}-${formatAddress(family, last)}`
}

/** multiport takes 15 ports, a range counting for two; it may stand several times. */
const MOST_PORTS = 15

export function portWords({ op, right }: Compared, place: Place, name: string): Alternatives | undefined {
  const option = name.endsWith('sport') ? '--sports' : '--dports'
  const ranges = membersOf(right).map((value) => portText(op, value))
  if (!['tcp', 'udp', 'sctp', 'dccp', 'udplite'].includes(place.protocol ?? '')) return undefined
  if (!ranges.every((text) => text !== undefined)) return undefined
  const not = op === '!=' ? ['!'] : []
  const [only, more] = ranges
  const single = option.slice(0, -1)
  if (only !== undefined && more === undefined && place.protocol !== 'udplite' && !place.used.has(single)) {
    place.used.add(single)
    return [['-m', place.protocol ?? '', ...not, single, only]]
  }
  const chunks = inChunks(ranges, (text) => (text.includes(':') ? 2 : 1), MOST_PORTS)
  return either(
    not.length > 0 ? '!=' : '==',
    chunks.map((chunk) => ['-m', 'multiport', ...not, option, chunk.join()]),
  )
}

function portText(op: string, value: Expression): string | undefined {
  if (typeof value === 'object')
    return 'range' in value && (isEqual(op) || op === '!=') ? value.range.map(String).join(':') : undefined
  const port = Number(value)
  switch (op) {
    case '<':
      return port > 0 ? `0:${port - 1}` : undefined
    case '<=':
      return `0:${port}`
    case '>':
      return port < 65535 ? `${port + 1}:65535` : undefined
    case '>=':
      return `${port}:65535`
    default:
      return String(port)
  }
}

function inChunks<T>(
  items: readonly T[],
  sizeOf: (item: T) => number,
  most: number,
): readonly (readonly T[])[] {
  const chunks: T[][] = []
  let room = 0
  for (const item of items) {
    if (sizeOf(item) > room) {
      chunks.push([])
      room = most
    }
    chunks.at(-1)?.push(item)
    room -= sizeOf(item)
  }
  return chunks
}

export const isEqual = (op: string): boolean => op === '==' || op === 'in'

/** With `==` any of them; with `!=` all of them, each negated by itself. */
export function either(op: string, members: Alternatives): Alternatives | undefined {
  if (isEqual(op)) return members
  return op === '!=' ? [members.flat()] : undefined
}
