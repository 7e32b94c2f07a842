/**
 * Addresses and CIDRs as strings of zeros and ones, so that "is within" is "starts with" and there is no
 * arithmetic to get wrong: `10.0.0.0/8` is the prefix `00001010`.
 */
import { isIP } from 'node:net'

export interface Address {
  readonly text: string
  readonly family: 4 | 6
  /** 32 or 128 characters. */
  readonly bits: string
}

export interface Block {
  readonly family: 4 | 6
  /** As many characters as the prefix is long: host bits that the CIDR had set are not in it. */
  readonly prefix: string
}

/**
 * IPv4-mapped addresses (::ffff:10.0.0.1) and those with a zone (fe80::1%net1) are refused.
 * Reading: what `node:net` refuses is refused: leading zeros in IPv4, blanks, a prefix length.
 */
export function parseAddress(text: string): Address | undefined {
  const version = isIP(text)
  if (version === 4) return { text, family: 4, bits: bitsOfIPv4(text) }
  if (version !== 6 || text.includes('%')) return undefined
  const bits = bitsOfIPv6(text)
  const mapped = '0'.repeat(80) + '1'.repeat(16)
  return bits.startsWith(mapped) ? undefined : { text, family: 6, bits }
}

/**
 * Reading: the length is decimal digits without a leading zero or sign; a bare address is no CIDR; an
 * IPv4-mapped one is bad however short its prefix is.
 */
export function parseBlock(text: string): Block | undefined {
  const [addressText, lengthText, ...more] = text.split('/')
  if (addressText === undefined || lengthText === undefined || more.length > 0) return undefined
  const address = parseAddress(addressText)
  if (address === undefined || !/^(0|[1-9][0-9]{0,2})$/.test(lengthText)) return undefined
  const length = Number(lengthText)
  if (length > address.bits.length) return undefined
  return { family: address.family, prefix: address.bits.slice(0, length) }
}

export function isSameAddress(one: Address, other: Address): boolean {
  return one.bits === other.bits
}

export function isAddressIn(address: Address, block: Block): boolean {
  return address.family === block.family && address.bits.startsWith(block.prefix)
}

export function isBlockIn(inner: Block, outer: Block): boolean {
  return inner.family === outer.family && inner.prefix.startsWith(outer.prefix)
}

function bitsOfIPv4(text: string): string {
  return text
    .split('.')
    .map((octet) => Number(octet).toString(2).padStart(8, '0'))
    .join('')
}

function bitsOfIPv6(text: string): string {
  const [head = '', tail] = text.split('::')
  const left = groupsOf(head)
  const right = groupsOf(tail ?? '')
  const gap = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0'.repeat(16))
  return [...left, ...gap, ...right].join('')
}

/** Each 16 bits; a dotted quad at the end makes two groups. */
function groupsOf(part: string): readonly string[] {
  if (part === '') return []
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16).toString(2).padStart(16, '0')]
    const bits = bitsOfIPv4(group)
    return [bits.slice(0, 16), bits.slice(16)]
  })
}
