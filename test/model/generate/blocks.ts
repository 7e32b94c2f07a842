/**
 * ipBlocks around the pods' addresses: prefixes from everything down to one address, host bits set or not,
 * and excepts that lie apart, within each other, or side by side until nothing is left.
 */
import fc from 'fast-check'
import type { JsonObject } from '../json.ts'
import { addressText, type Family, widthOf } from '../number-line.ts'
import { type ClusterShape, hostNumber, printed, weighted } from './alphabet.ts'

/** IPv4 prefixes and the IPv6 ones that cut the pods' addresses in the same way. */
const lengths: readonly (readonly [number, number])[] = [
  ...[[24, 120] as const, [0, 0] as const, [16, 32] as const, [23, 63] as const, [27, 123] as const],
  ...[[28, 124] as const, [29, 125] as const, [30, 126] as const, [31, 127] as const, [32, 128] as const],
]

/** A prefix on the number line, its host bits still set. */
interface Prefix {
  readonly number: bigint
  readonly length: number
}

export function ipBlock(shape: ClusterShape): fc.Arbitrary<JsonObject> {
  const place = fc.record({ subnet: weighted([4, 0], [1, 1]), host: fc.nat(35) })
  return fc
    .record({
      family: fc.constantFrom(...shape.families),
      place,
      length: fc.nat(lengths.length - 1),
      hostBits: weighted([3, false], [1, true]),
      excepts: fc.array(fc.record({ place, longer: fc.integer({ min: 1, max: 9 }) }), { maxLength: 3 }),
      relation: weighted([3, 'apart'], [2, 'nested'], [2, 'adjacent']),
    })
    .map(({ family, place, length, hostBits, excepts, relation }) => {
      const block = { number: numberAt(family, place), length: lengths[length]?.[family === 4 ? 0 : 1] ?? 0 }
      const prefixes = excepts.map((except) =>
        within(family, block, numberAt(family, except.place), except.longer),
      )
      const inside = block.length === widthOf(family) ? [] : related(family, relation, prefixes)
      const cidrs = inside.map((prefix) => cidrOf(family, prefix, hostBits))
      return printed({ cidr: cidrOf(family, block, hostBits), except: cidrs.length > 0 ? cidrs : undefined })
    })
}

function numberAt(family: Family, place: { readonly subnet: number; readonly host: number }): bigint {
  return hostNumber(family, place.subnet, place.host)
}

/** A part of a block that is longer than it by so many steps of the table, near some address. */
function within(family: Family, block: Prefix, near: bigint, longer: number): Prefix {
  const width = widthOf(family)
  const known = lengths.map(([four, six]) => (family === 4 ? four : six))
  const finer = known.filter((length) => length > block.length)
  const length = longer === 9 ? block.length + 1 : (finer[(longer - 1) % finer.length] ?? width)
  const hostBits = BigInt(width - block.length)
  const number = ((block.number >> hostBits) << hostBits) | (near & ((1n << hostBits) - 1n))
  return { number, length: Math.min(length, width) }
}

/** Besides the first except, one inside it or the one next to it. */
function related(family: Family, relation: string, prefixes: readonly Prefix[]): readonly Prefix[] {
  const [first] = prefixes
  const width = widthOf(family)
  if (first === undefined) return []
  if (relation === 'adjacent') {
    return [...prefixes, { ...first, number: first.number ^ (1n << BigInt(width - first.length)) }]
  }
  if (relation === 'nested' && first.length < width)
    return [...prefixes, within(family, first, first.number, 1)]
  return prefixes
}

function cidrOf(family: Family, prefix: Prefix, hostBits: boolean): string {
  const zeros = BigInt(widthOf(family) - prefix.length)
  const number = hostBits ? prefix.number : (prefix.number >> zeros) << zeros
  return `${addressText(family, number)}/${prefix.length}`
}
