/** Two tables compared piece by piece: which of the sets and chains that are to stand are there already. */
import {
  type Json,
  type ListedChain,
  type ListedTable,
  type NamedSet,
  type Reference,
  referencesOf,
  sameTable,
} from 'nftables-json'
import { once } from '../once.ts'

/** What needs not be touched, by name. */
export interface Kept {
  readonly sets: ReadonlySet<string>
  /** Their rules are the same, and so are the sets that these refer to. */
  readonly chains: ReadonlySet<string>
}

export function keptOf(standing: ListedTable, wanted: ListedTable): Kept {
  const sets = sameByName(standing.sets, wanted.sets, sameSet)
  const chains = sameByName(standing.chains, wanted.chains, sameChain)
  for (const chain of wanted.chains) {
    if (referencesIn(chain).some(({ kind, name }) => kind !== 'chain' && !sets.has(name)))
      chains.delete(chain.name)
  }
  return { sets, chains }
}

function sameByName<T extends { readonly name: string }>(
  before: readonly T[],
  after: readonly T[],
  same: (a: T, b: T) => boolean,
): Set<string> {
  const byName = new Map(before.map((each) => [each.name, each]))
  const alike = after.filter((each) => {
    const old = byName.get(each.name)
    return old !== undefined && same(old, each)
  })
  return new Set(alike.map(({ name }) => name))
}

/** Whether the two chains hang and do the same, however they are spelled. */
export function sameChain(a: ListedChain, b: ListedChain): boolean {
  return a === b || othersLike(a)(b)
}

/** Worked out once for each two: an edit has many tables go from the one to the other. */
const othersLike: (chain: ListedChain) => (other: ListedChain) => boolean = once((chain) =>
  once((other) => spelledAlike(chain, other) || sameTable(holding(chain), holding(other))),
)

function holding(chain: ListedChain): ListedTable {
  return { ...EMPTY, chains: [chain] }
}

export function sameSet(a: NamedSet, b: NamedSet): boolean {
  return spelledAlike(a, b) || sameTable({ ...EMPTY, sets: [a] }, { ...EMPTY, sets: [b] })
}

/** But for what is in them. */
export function sameButElements(a: NamedSet, b: NamedSet): boolean {
  return a === b || sameSet(withoutElements(a), withoutElements(b))
}

function withoutElements({ elem: _, ...set }: NamedSet): NamedSet {
  return set
}

/** What was printed by the same printer is, mostly; the comparison of any spelling takes a hundred times as long. */
function spelledAlike(a: object, b: object): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

/** What cannot change while a chain stands: where it hangs. */
export const headOfChain: (chain: ListedChain) => string = once(({ hook, other }) =>
  JSON.stringify([hook?.type, hook?.hook, hook?.prio, hook?.policy, other]),
)

export const EMPTY: ListedTable = {
  family: 'inet',
  name: 'empty',
  chains: [],
  sets: [],
  maps: [],
  counters: [],
  unknown: [],
}

/** The sets and chains that a chain's rules name. */
export const referencesIn: (chain: ListedChain) => readonly Reference[] = once(({ rules }) =>
  rules.flatMap(({ expr }) => expr.flatMap(referencesOf)),
)

/** Whether the set is empty for a moment when it is new. */
export function isSlowSet({ flags = [] }: NamedSet): boolean {
  return flags.includes('interval')
}

/** Whether a rule of the chain has a set of its own that is empty for a moment when it is new. */
export const isSlowChain: (chain: ListedChain) => boolean = once(
  ({ hook, rules }) =>
    hook === undefined && rules.some(({ expr }) => holdsIntervals(expr as unknown as Json, false)),
)

/** Within `{ set: [...] }` a range, a prefix or a wildcard makes the kernel's set one of intervals. */
function holdsIntervals(json: Json, inSet: boolean): boolean {
  if (typeof json !== 'object' || json === null) return false
  if (Array.isArray(json)) return (json as readonly Json[]).some((each) => holdsIntervals(each, inSet))
  return Object.entries(json).some(
    ([key, value]) => (inSet && INTERVALS.has(key)) || holdsIntervals(value ?? null, inSet || key === 'set'),
  )
}

const INTERVALS: ReadonlySet<string> = new Set(['range', 'prefix', 'wildcard'])
