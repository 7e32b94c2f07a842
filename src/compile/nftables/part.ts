/**
 * Pieces of tables that are printed once for all tables that hold them, and kept for as long as what they were printed from:
 * a node's pods have most of their policies in common, and an edit leaves most of them as they were.
 */
import { createHash } from 'node:crypto'
import { type TableHandle, type TablePart, tablePart } from 'nftables-json'
import type { Leg } from './allow.ts'
import { TABLE } from './table.ts'

export interface PrintedPart {
  readonly part: TablePart
  readonly digest: string
}

/**
 * @param print what the part comes to follows from its arguments alone
 * @returns the same part for the same object, number and legs
 */
export function partsOf<From extends object>(
  print: (table: TableHandle, from: From, place: number, legs: readonly Leg[]) => void,
): (from: From, legs: readonly Leg[], place?: number) => PrintedPart {
  const printed = new WeakMap<From, Map<string, PrintedPart>>()
  return (from, legs, place = 0) => {
    const known = printed.get(from) ?? new Map<string, PrintedPart>()
    printed.set(from, known)
    const key = `${place} ${legs.join(' ')}`
    const before = known.get(key)
    if (before !== undefined) return before
    const part = tablePart(TABLE, (table) => print(table, from, place, legs))
    const made = { part, digest: digestOf([JSON.stringify(part.commands)]) }
    known.set(key, made)
    return made
  }
}

/** 32 hex digits of the SHA-256 of the texts, one a line. */
export function digestOf(texts: readonly string[]): string {
  return createHash('sha256').update(texts.join('\n')).digest('hex').slice(0, 32)
}
