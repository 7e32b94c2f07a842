/** Addresses as numbers and back, so that two spellings of one address, and a prefix and a range, compare equal. */
import { isIPv4, isIPv6 } from 'node:net'

/** The number of an IPv4 or IPv6 address, or undefined for what is neither. */
export function addressNumber(text: string): bigint | undefined {
  if (isIPv4(text)) return join(text.split('.').map(Number), 8n)
  if (!isIPv6(text) || text.includes('%')) return undefined
  const [head = '', tail] = text.split('::')
  const before = groups(head)
  if (tail === undefined) return join(before, 16n)
  const after = groups(tail)
  const zeros = new Array<number>(8 - before.length - after.length).fill(0)
  return join([...before, ...zeros, ...after], 16n)
}

/** The usual spelling (RFC 5952), without dots in IPv6: nft's text does not know all places where they may be. */
export function addressText(number: bigint, bits: 32 | 128): string {
  const width = bits === 32 ? 8n : 16n
  const parts = Array.from({ length: bits / Number(width) }, (_, n) => {
    const part = (number >> (BigInt(bits) - width * BigInt(n + 1))) & ((1n << width) - 1n)
    return part.toString(bits === 32 ? 10 : 16)
  })
  return bits === 32 ? parts.join('.') : shortened(parts.join(':'))
}

/** The first of the longest runs of zeros as `::`. */
function shortened(groups: string): string {
  const runs = [...groups.matchAll(/\b0(?::0)+\b/g)].map(([run]) => run)
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '')
  if (longest === '') return groups
  const at = groups.search(new RegExp(`\\b${longest}\\b`))
  return `${groups.slice(0, at).replace(/:$/, '')}::${groups.slice(at + longest.length).replace(/^:/, '')}`
}

/** The 16-bit groups of a part of an IPv6 address; its end may be written like an IPv4 address. */
function groups(text: string): readonly number[] {
  return text
    .split(':')
    .filter((group) => group !== '')
    .flatMap((group) => {
      if (!group.includes('.')) return [Number.parseInt(group, 16)]
      const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
      return [a * 256 + b, c * 256 + d]
    })
}

function join(parts: readonly number[], width: bigint): bigint {
  return parts.reduce((number, part) => (number << width) | BigInt(part), 0n)
}
