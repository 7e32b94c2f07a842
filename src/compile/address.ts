/**
 * Addresses, CIDRs and ranges: the arithmetic behind ipBlocks.
 *
 * An address travels as its canonical text (RFC 5952 for IPv6), branded once parsed, since text is what sets,
 * matches and people use; ranges are pairs of integers, since excepts are subtracted here rather than in rules.
 * IPv4-mapped and zone-scoped IPv6 spellings are refused: they mean other packets than they seem to.
 */

export type Family = 4 | 6

/** An IP address in canonical text. Only `parseAddress` and `formatAddress` make one. */
export type Address = string & { readonly __address: never }

/** All addresses of one family from `first` to `last`, both included. */
export interface AddressRange {
  readonly family: Family
  readonly first: bigint
  readonly last: bigint
}

/** A CIDR block: `length` leading bits of `first` are fixed, the others are zero. */
export interface Prefix {
  readonly family: Family
  readonly first: bigint
  readonly length: number
}

export const FAMILIES: readonly Family[] = [4, 6]

const BITS: Record<Family, number> = { 4: 32, 6: 128 }
const MAPPED_IPV4: AddressRange = { family: 6, first: 0xffff00000000n, last: 0xffffffffffffn }

export function familyOf(address: Address): Family {
  return address.includes(':') ? 6 : 4
}

/** Parses one address; undefined where the text is not one, or is IPv4-mapped or zone-scoped. */
export function parseAddress(text: string): Address | undefined {
  const number = parseNumber(text)
  if (number === undefined || isMapped(number.family, number.value)) return undefined
  return formatAddress(number.family, number.value)
}

/** The address as an integer of its family, 32 or 128 bits wide. */
export function addressValue(address: Address): bigint {
  const number = parseNumber(address)
  if (number === undefined) throw new Error(`not an address: ${address}`)
  return number.value
}

/** Parses `address/length`, clearing host bits; undefined where the text is not a CIDR of one family. */
export function parseCidr(text: string): Prefix | undefined {
  const match = /^([^/]+)\/(0|[1-9][0-9]{0,2})$/.exec(text)
  if (match === null) return undefined
  const number = parseNumber(match[1] ?? '')
  const length = Number(match[2])
  if (number === undefined || length > BITS[number.family]) return undefined
  if (length >= 96 && isMapped(number.family, number.value)) return undefined
  return {
    family: number.family,
    first: (number.value >> hostBits(number.family, length)) << hostBits(number.family, length),
    length,
  }
}

export function rangeOfPrefix({ family, first, length }: Prefix): AddressRange {
  return { family, first, last: first + (1n << hostBits(family, length)) - 1n }
}

export function formatPrefix({ family, first, length }: Prefix): string {
  return `${formatAddress(family, first)}/${length}`
}

export function wholeFamily({ family, first, last }: AddressRange): boolean {
  return first === 0n && last === (1n << BigInt(BITS[family])) - 1n
}

export function rangeContains(range: AddressRange, inner: AddressRange): boolean {
  return range.family === inner.family && range.first <= inner.first && inner.last <= range.last
}

export function rangesInclude(ranges: readonly AddressRange[], address: Address): boolean {
  const family = familyOf(address)
  const value = addressValue(address)
  return ranges.some((range) => range.family === family && range.first <= value && value <= range.last)
}

/** `range` without `holes`: what is left, ascending and disjoint. Holes of the other family take nothing. */
export function subtractRanges(range: AddressRange, holes: readonly AddressRange[]): readonly AddressRange[] {
  const left: AddressRange[] = []
  let next = range.first
  for (const hole of mergeRanges(holes.filter((each) => each.family === range.family))) {
    if (hole.last < next || hole.first > range.last) continue
    if (hole.first > next) left.push({ family: range.family, first: next, last: hole.first - 1n })
    next = hole.last + 1n
  }
  if (next <= range.last) left.push({ family: range.family, first: next, last: range.last })
  return left
}

/** The union as ascending, disjoint, non-adjacent ranges, IPv4 first: the one spelling of a set of addresses. */
export function mergeRanges(ranges: readonly AddressRange[]): readonly AddressRange[] {
  const merged: AddressRange[] = []
  for (const range of ranges.toSorted(byStart)) {
    const last = merged.at(-1)
    if (last !== undefined && last.family === range.family && range.first <= last.last + 1n) {
      if (range.last > last.last) merged[merged.length - 1] = { ...last, last: range.last }
    } else {
      merged.push(range)
    }
  }
  return merged
}

/** The fewest CIDR blocks that make up the range, ascending: at most 62 for IPv4 and 254 for IPv6. */
export function prefixesOfRange({ family, first, last }: AddressRange): readonly Prefix[] {
  const prefixes: Prefix[] = []
  let next = first
  while (next <= last) {
    let size = next === 0n ? BITS[family] : trailingZeros(next)
    while (next + (1n << BigInt(size)) - 1n > last) size -= 1
    prefixes.push({ family, first: next, length: BITS[family] - size })
    next += 1n << BigInt(size)
  }
  return prefixes
}

/** The addresses without duplicates, IPv4 first, each family by value: the order in which they are printed. */
export function sortAddresses(addresses: Iterable<Address>): readonly Address[] {
  return [...new Set(addresses)]
    .map((address) => ({ address, family: familyOf(address), value: addressValue(address) }))
    .sort((a, b) => a.family - b.family || compareValues(a.value, b.value))
    .map(({ address }) => address)
}

export function formatAddress(family: Family, value: bigint): Address {
  return (family === 4 ? formatIpv4(value) : formatIpv6(value)) as Address
}

function byStart(a: AddressRange, b: AddressRange): number {
  return a.family - b.family || compareValues(a.first, b.first)
}

function compareValues(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function hostBits(family: Family, length: number): bigint {
  return BigInt(BITS[family] - length)
}

function isMapped(family: Family, value: bigint): boolean {
  return family === 6 && MAPPED_IPV4.first <= value && value <= MAPPED_IPV4.last
}

function trailingZeros(value: bigint): number {
  let zeros = 0
  for (let rest = value; (rest & 1n) === 0n; rest >>= 1n) zeros += 1
  return zeros
}

function parseNumber(text: string): { readonly family: Family; readonly value: bigint } | undefined {
  if (text.includes(':')) {
    const value = parseIpv6(text)
    return value === undefined ? undefined : { family: 6, value }
  }
  const value = parseIpv4(text)
  return value === undefined ? undefined : { family: 4, value }
}

/** Dotted quad, no leading zeros (which some readers take for octal). */
function parseIpv4(text: string): bigint | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  let value = 0n
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined
    value = (value << 8n) | BigInt(part)
  }
  return value
}

/** RFC 4291 2.2: eight groups, `::` once, an IPv4 tail allowed. */
function parseIpv6(text: string): bigint | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const groups = [...head, ...Array<number>(missing).fill(0), ...tail]
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n)
}

function parseGroups(text: string, mayEndInIpv4: boolean): readonly number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16))
      continue
    }
    const quad = mayEndInIpv4 && index === parts.length - 1 ? parseIpv4(part) : undefined
    if (quad === undefined) return undefined
    groups.push(Number(quad >> 16n), Number(quad & 0xffffn))
  }
  return groups
}

function formatIpv4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 0xffn).toString()).join('.')
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first such) as `::`. */
function formatIpv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    Number((value >> BigInt(112 - 16 * index)) & 0xffffn),
  )
  let best = { start: -1, length: 1 }
  for (let start = 0; start < 8; start += 1) {
    let length = 0
    while (groups[start + length] === 0) length += 1
    if (length > best.length) best = { start, length }
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  if (best.start < 0) return text(groups)
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`
}
