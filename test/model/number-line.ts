/**
 * Addresses as points on a line, for whoever makes up questions and blocks: the neighbours of a block are
 * where an off-by-one shows. The model itself never counts; it compares bits.
 */
import { SocketAddress } from 'node:net'
import { type Address, parseAddress, parseBlock } from './address.ts'

export type Family = 4 | 6

export function widthOf(family: Family): number {
  return family === 4 ? 32 : 128
}

export function numberOf(address: Address): bigint {
  return BigInt(`0b${address.bits}`)
}

/** `undefined` past either end of the line. IPv6 in its canonical spelling. */
export function addressText(family: Family, number: bigint): string | undefined {
  if (number < 0n || number >= 1n << BigInt(widthOf(family))) return undefined
  const digits = number.toString(16).padStart(widthOf(family) / 4, '0')
  if (family === 4) return (digits.match(/../g) ?? []).map((octet) => Number.parseInt(octet, 16)).join('.')
  const groups = (digits.match(/..../g) ?? []).join(':')
  return new SocketAddress({ address: groups, family: 'ipv6' }).address
}

/** The last address before a block, its first, its last, and the first after it; none of a bad CIDR. */
export function boundariesOf(cidr: string): readonly string[] {
  const block = parseBlock(cidr)
  if (block === undefined) return []
  const width = widthOf(block.family)
  const first = BigInt(`0b${block.prefix.padEnd(width, '0')}`)
  const last = BigInt(`0b${block.prefix.padEnd(width, '1')}`)
  return [first - 1n, first, last, last + 1n]
    .map((number) => addressText(block.family, number))
    .filter((text) => text !== undefined && parseAddress(text) !== undefined) as readonly string[]
}
