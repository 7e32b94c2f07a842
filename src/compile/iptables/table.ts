/** The chains of ours in the filter table of one family, while they are printed, and the sets that their rules name. */
import type { Family } from '../address.ts'
import type { Words } from './rule.ts'
import { type AddressSet, addressSet, type SetType } from './set.ts'

/**
 * How peers are said that are too many for a rule each: by sets, or, where the kernel has no ipset, by a rule each all the
 * same.
 */
export type PeerForm = 'sets' | 'inline'

/** So many peers are a rule each. */
const MOST_INLINE = 8

export class FamilyTable {
  readonly family: Family
  readonly chains: Map<string, Words[]> = new Map()
  readonly sets: Map<string, AddressSet> = new Map()
  readonly #form: PeerForm

  constructor(family: Family, form: PeerForm) {
    this.family = family
    this.#form = form
  }

  /** @throws where there is such a chain already: a mistake of ours */
  addChain(name: string): void {
    if (this.chains.has(name)) throw new Error(`a chain twice: ${name}`)
    this.chains.set(name, [])
  }

  /** @throws where there is no such chain: a mistake of ours */
  addRule(chain: string, ...words: readonly Words[]): void {
    const rules = this.chains.get(chain)
    if (rules === undefined) throw new Error(`a rule of no chain: ${chain}`)
    rules.push(words.flat())
  }

  /** The name of a set with the elements; undefined where they are to be a rule each. */
  setOf(type: SetType, elements: readonly string[]): string | undefined {
    if (this.#form === 'inline' || elements.length <= MOST_INLINE) return undefined
    const set = addressSet(type, this.family, elements)
    this.sets.set(set.name, set)
    return set.name
  }
}
