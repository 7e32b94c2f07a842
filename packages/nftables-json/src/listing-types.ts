/** What a listing holds: the kernel's tables as nested, readonly objects. */
import type { Json, Unknown } from './expression-types.ts'
import type { Chain, Counter, NamedMap, NamedSet, Rule, TableKey } from './types.ts'

/** All of `nft -j list …`: the tables, and whatever this package has no type for. */
export type Listing = {
  readonly tables: readonly ListedTable[]
  /** Objects of no known kind, or of a table that is not in the listing. */
  readonly unknown: readonly Unknown[]
}

/** `other` holds the properties that this package has no type for, such as a table's `flags` (dormant). */
export type Listed<T> = T & {
  readonly handle?: number
  readonly other?: { readonly [property: string]: Json }
}

export type ListedRule = Listed<Rule>

/** A chain with its rules in the order in which packets meet them. */
export type ListedChain = Listed<Chain> & { readonly rules: readonly ListedRule[] }

export type ListedTable = Listed<TableKey> & {
  readonly comment?: string
  readonly chains: readonly ListedChain[]
  readonly sets: readonly Listed<NamedSet>[]
  readonly maps: readonly Listed<NamedMap>[]
  readonly counters: readonly Listed<Counter>[]
  /** Objects of this table that have no type here: flow tables, quotas … */
  readonly unknown: readonly Unknown[]
}
