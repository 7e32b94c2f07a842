/**
 * Values in one spelling. A number, an address, a prefix and a range are all intervals with both ends written
 * out; names of numbers are numbers; members are sorted. So `10.0.1.0/29`, `10.0.1.0-10.0.1.7` and the eight
 * addresses in any order are the same text.
 */
import { addressNumber, addressText } from './addresses.ts'
import { type Datatype, isList, isText, partOf, single } from './datatypes.ts'
import type { Expression, Immediate } from './expression-types.ts'
import { BIT_TYPES, SYMBOLS } from './symbols.ts'

/** One element of a named set, with comment and life time. Named sets keep neighbours apart, so these do too. */
export function canonicalElement(element: Expression, datatype: Datatype): string {
  if (typeof element !== 'object' || isList(element) || !('elem' in element)) {
    return canonicalMember(element, datatype)
  }
  const { val, timeout, comment, counter } = element.elem
  return [
    canonicalMember(val, datatype),
    ...(timeout === undefined ? [] : [`timeout ${timeout}`]),
    ...(comment === undefined ? [] : [`comment ${JSON.stringify(comment)}`]),
    ...(counter === undefined ? [] : ['counter']),
  ].join(' ')
}

/** The right side of a match: the values that it compares with, neighbouring ones as one interval. */
export function canonicalValues(value: Expression, datatype: Datatype): string {
  if (typeof value !== 'object') return `{ ${canonicalMember(value, datatype)} }`
  if (isList(value) || '|' in value) return `{ ${canonicalMember(value, datatype)} }`
  if ('ref' in value) return `@${value.ref}`
  if (!('set' in value)) return `{ ${canonicalMember(value, datatype)} }`
  const members = isList(value.set) ? value.set : [value.set]
  const intervals = members.map((member) => intervalOf(member, datatype))
  const joined = intervals.every((interval) => interval !== undefined)
    ? join(intervals).map((interval) => show(interval, single(datatype)))
    : members.map((member) => canonicalElement(member, datatype))
  return `{ ${[...new Set(joined)].sort().join(', ')} }`
}

/** One value: an interval, a concatenation of them, a name, or any expression as its JSON. */
export function canonicalMember(value: Expression, datatype: Datatype): string {
  if (typeof value === 'object' && !isList(value) && 'concat' in value) {
    return value.concat.map((part, n) => canonicalMember(part, partOf(datatype, n))).join(' . ')
  }
  const interval = intervalOf(value, datatype)
  if (interval !== undefined) return show(interval, single(datatype))
  if (typeof value === 'object' && !isList(value) && 'wildcard' in value) {
    return `${JSON.stringify(value.wildcard)}*`
  }
  return JSON.stringify(value)
}

type Interval = { readonly first: bigint; readonly last: bigint }

function intervalOf(value: Expression, datatype: Datatype): Interval | undefined {
  const type = single(datatype)
  if (typeof value !== 'object') return point(numberOf(value, type))
  if (isList(value)) return point(bitsOf(value, type))
  if ('|' in value) return point(bitsOf(value['|'], type))
  if ('range' in value) {
    const first = leafNumber(value.range[0], type)
    const last = leafNumber(value.range[1], type)
    return first === undefined || last === undefined ? undefined : { first, last }
  }
  if (!('prefix' in value)) return undefined
  const address = leafNumber(value.prefix.addr, type)
  const free = BigInt((type === 'ipv4_addr' ? 32 : 128) - value.prefix.len)
  if (address === undefined || free < 0n) return undefined
  const first = (address >> free) << free
  return { first, last: first + (1n << free) - 1n }
}

const point = (number: bigint | undefined): Interval | undefined =>
  number === undefined ? undefined : { first: number, last: number }

function leafNumber(value: Expression, type: string): bigint | undefined {
  return typeof value === 'object' ? undefined : numberOf(value, type)
}

/** Several bits, which may be nested (`a | (b | c)`), as one number. */
function bitsOf(bits: readonly Expression[], type: string): bigint | undefined {
  if (!BIT_TYPES.has(type)) return undefined
  const numbers = bits.map((bit) => intervalOf(bit, type)?.first)
  return numbers.every((number) => number !== undefined)
    ? numbers.reduce((all, number) => all | number, 0n)
    : undefined
}

function numberOf(value: Immediate, type: string): bigint | undefined {
  if (typeof value === 'boolean') return undefined
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : undefined
  // No link has the index 0, so nft lists it as it does a name.
  if (type === 'iface_index' && value === '0') return 0n
  if (isText(type)) return undefined
  if (type === 'ipv4_addr' || type === 'ipv6_addr') return addressNumber(value)
  if (type === 'ether_addr') return BigInt(`0x${value.replaceAll(':', '')}`)
  const symbol = SYMBOLS[type]
  if (symbol !== undefined && Object.hasOwn(symbol, value)) return BigInt(symbol[value] ?? 0)
  return /^[0-9]+$/.test(value) ? BigInt(value) : undefined
}

/** Overlapping and neighbouring intervals as one, which is what nft makes of those in a set without a name. */
function join(intervals: readonly Interval[]): readonly Interval[] {
  const joined: Interval[] = []
  const sorted = intervals.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))
  for (const next of sorted) {
    const before = joined.at(-1)
    if (before === undefined || next.first > before.last + 1n) joined.push(next)
    else if (next.last > before.last) joined.splice(-1, 1, { first: before.first, last: next.last })
  }
  return joined
}

function show({ first, last }: Interval, type: string): string {
  return first === last ? showNumber(first, type) : `${showNumber(first, type)}-${showNumber(last, type)}`
}

function showNumber(number: bigint, type: string): string {
  if (type === 'ipv4_addr') return addressText(number, 32)
  return type === 'ipv6_addr' ? addressText(number, 128) : String(number)
}
