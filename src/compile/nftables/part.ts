/**
 * Pieces of tables that are printed once for all tables that hold them: a node's pods have most of their policies in common,
 * and an edit leaves most of them as they were. How much is kept has a bound, since tenants decide how much there is: what
 * is large is printed each time, and what was not asked for lately goes first.
 */
import { LRUCache } from 'lru-cache'
import { type TableHandle, type TablePart, tablePart } from 'nftables-json'
import { digestOf } from '../digest.ts'
import { once } from '../once.ts'
import type { Leg } from './allow.ts'
import { TABLE } from './table.ts'

export interface PrintedPart {
  readonly part: TablePart
  readonly digest: string
  /** Of its commands as JSON, in characters: its objects take some four times as many bytes. */
  readonly size: number
}

/** In characters of JSON: of all that is kept, and of a part that is. */
const [MOST, LARGE] = [4_000_000, 250_000]

const kept = new LRUCache<string, PrintedPart>({
  maxSize: MOST,
  maxEntrySize: LARGE,
  sizeCalculation: ({ size }, key) => size + key.length,
})

/** @param key says all that the part follows from */
export function keptPart(key: string, print: () => PrintedPart): PrintedPart {
  const known = kept.get(key)
  if (known !== undefined) return known
  const made = print()
  kept.set(key, made)
  return made
}

/**
 * @param print what the part comes to follows from its arguments alone
 * @returns the same part for the same object, number and legs, for as long as it is kept
 */
export function partsOf<From extends object>(
  print: (table: TableHandle, from: From, place: number, legs: readonly Leg[]) => void,
): (from: From, legs: readonly Leg[], place?: number) => PrintedPart {
  return (from, legs, place = 0) =>
    keptPart(`${numberOf(from)} ${place} ${legs.join(' ')}`, () => {
      const part = tablePart(TABLE, (table) => print(table, from, place, legs))
      const text = JSON.stringify(part.commands)
      return { part, digest: digestOf(text), size: text.length }
    })
}

let lastNumber = 0

/** One that no other object has or will have. */
export const numberOf: (from: object) => number = once(() => {
  lastNumber += 1
  return lastNumber
})
