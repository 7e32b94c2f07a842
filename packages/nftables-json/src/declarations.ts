/** Whether nft would take the properties that a chain, a set, a map or a counter is declared with. */
import { InvalidValue } from './errors.ts'
import type { BaseChainHook, Counter, NamedMap, NamedSet } from './types.ts'
import { safeLeaf } from './values.ts'

/** Throws InvalidValue. */
export function checkHook(where: string, { type, hook, prio, policy, dev }: BaseChainHook): void {
  for (const word of [type, hook, policy]) checkWord(where, word, /^[a-z]+$/)
  if (!Number.isInteger(prio) || Math.abs(prio) > 0x7fffffff) {
    throw new InvalidValue(where, prio, 'is no priority')
  }
  if (dev !== undefined) safeLeaf(where, dev, 'ifname', true)
}

/** Throws InvalidValue. Elements are checked elsewhere. */
export function checkHolder(where: string, holder: NamedSet | NamedMap): void {
  const { type, map = [], flags = [], policy = 'memory', timeout, size } = holder
  for (const part of [type, map].flat()) checkWord(where, part, /^[a-z0-9_]+$/)
  for (const word of [...flags, policy]) checkWord(where, word, /^[a-z]+$/)
  for (const number of [timeout, size, holder['gc-interval']]) checkNatural(where, number)
}

/** Throws InvalidValue. */
export function checkCounts(where: string, { packets, bytes }: Partial<Counter>): void {
  for (const number of [packets, bytes]) checkNatural(where, number)
}

/** Throws InvalidValue unless the number, if there is one, is whole and not below zero: nft takes -1 for 1. */
export function checkNatural(where: string, number: number | undefined): void {
  if (number === undefined || (Number.isSafeInteger(number) && number >= 0)) return
  throw new InvalidValue(where, number, 'is no natural number')
}

function checkWord(where: string, word: string, words: RegExp): void {
  if (!words.test(word)) throw new InvalidValue(where, word, 'is no word of nft')
}
