/**
 * Where rules change: chains that differ are emptied and filled, in one transaction with the sets that hash and differ. A
 * packet that is on its way keeps the old rules and the old sets; the next one has the new rules and the new sets.
 *
 * A set of intervals must stand before the rules that ask it, so it has a transaction of its own; so have chains whose
 * rules have a set of intervals in them, with all that they refer to, and no rule leads there yet. If one of these stands
 * already with other contents, its name is taken. Then the rules are switched twice: to the same table with other names in
 * place of these, which stand first, and from there to the one that is wanted, whose names are free by then.
 */
import {
  type Json,
  type ListedChain,
  type ListedTable,
  type NamedSet,
  type TableHandle,
  Transaction,
} from 'nftables-json'
import { EMPTY, isSlowChain, isSlowSet, type Kept, keptOf, referencesIn } from './change-forms.ts'
import { announce } from './change-next.ts'
import { TABLE } from './table.ts'

/** @param standing undefined: there is no table yet. @returns one to four transactions */
export function switchRules(standing: ListedTable | undefined, wanted: ListedTable): readonly Transaction[] {
  const before = standing ?? EMPTY
  const early = [...earlyOf(before, wanted, keptOf(before, wanted))]
  if (!early.some((name) => isNamed(before, name))) return twoSteps(standing, wanted).transactions
  const detour = twoSteps(standing, renamed(wanted, freeNames(before, early)))
  return [...detour.transactions, ...twoSteps(detour.table, wanted).transactions]
}

interface Steps {
  readonly transactions: readonly Transaction[]
  /** What stands then. */
  readonly table: ListedTable
}

/** For tables where no name that has to be there early is taken. */
function twoSteps(standing: ListedTable | undefined, wanted: ListedTable): Steps {
  const kept = keptOf(standing ?? EMPTY, wanted)
  const early = earlyOf(standing ?? EMPTY, wanted, kept)
  if (early.size === 0) return step(standing, (table) => exchange(table, wanted, kept))
  const first = step(standing, (table) => {
    const has = ({ name }: NamedSet | ListedChain): boolean => early.has(name)
    add(table, wanted.sets.filter(has), wanted.chains.filter(has))
    announce(table)
  })
  const second = step(first.table, (table) => exchange(table, wanted, keptOf(first.table, wanted)))
  return { transactions: [...first.transactions, ...second.transactions], table: second.table }
}

function step(standing: ListedTable | undefined, build: (table: TableHandle) => void): Steps {
  const transaction = new Transaction()
  const table =
    standing === undefined
      ? transaction.addTable(TABLE)
      : transaction.table(TABLE, { tables: [standing], unknown: [] })
  build(table)
  return { transactions: [transaction], table: table.contents }
}

/** Takes away all that is not kept, and writes what is wanted in its place. */
function exchange(table: TableHandle, wanted: ListedTable, kept: Kept): void {
  const names = new Set(wanted.chains.map(({ name }) => name))
  const { chains, sets } = table.contents
  for (const { name, rules } of chains) {
    if (!kept.chains.has(name) && rules.length > 0) table.flushChain(name)
  }
  for (const { name } of chains) if (!names.has(name)) table.delete('chain', name)
  for (const { name } of sets) if (!kept.sets.has(name)) table.delete('set', name)
  add(
    table,
    wanted.sets.filter(({ name }) => !kept.sets.has(name)),
    wanted.chains.filter(({ name }) => !kept.chains.has(name)),
  )
}

/** Chains come before the rules that lead to them; those that stand are empty by now. */
function add(table: TableHandle, sets: readonly NamedSet[], chains: readonly ListedChain[]): void {
  const there = new Set(table.contents.chains.map(({ name }) => name))
  for (const set of sets) table.addSet(set)
  for (const { rules: _, ...chain } of chains) if (!there.has(chain.name)) table.addChain(chain)
  for (const { name, rules } of chains)
    for (const { expr, comment } of rules) table.addRule(name, expr, comment)
}

/** Names of the sets and chains that must be there before the rules lead to them, and are not. */
function earlyOf(standing: ListedTable, wanted: ListedTable, kept: Kept): ReadonlySet<string> {
  const early = new Set(wanted.sets.filter((set) => isSlowSet(set) && !kept.sets.has(set.name)).map(nameOf))
  const chains = new Map(wanted.chains.map((chain) => [chain.name, chain]))
  const stand = new Set(standing.chains.map(nameOf))
  const visit = (chain: ListedChain): void => {
    if (early.has(chain.name)) return
    early.add(chain.name)
    for (const { kind, name } of referencesIn(chain)) {
      const next = chains.get(name)
      if (kind !== 'chain') {
        if (!kept.sets.has(name)) early.add(name)
      } else if (next !== undefined && !stand.has(name)) visit(next)
    }
  }
  for (const chain of wanted.chains) if (isSlowChain(chain) && !kept.chains.has(chain.name)) visit(chain)
  return early
}

function nameOf({ name }: NamedSet | ListedChain): string {
  return name
}

function isNamed({ sets, chains }: ListedTable, name: string): boolean {
  return [...sets, ...chains].some((each) => each.name === name)
}

/** Printed names never end so; an earlier process may have left one that does. */
function freeNames(standing: ListedTable, names: readonly string[]): ReadonlyMap<string, string> {
  let suffix = '.next'
  while (names.some((name) => isNamed(standing, `${name}${suffix}`))) suffix += '.next'
  return new Map(names.map((name) => [name, `${name}${suffix}`]))
}

/** The table with other names for sets and chains, wherever they stand. */
function renamed(table: ListedTable, names: ReadonlyMap<string, string>): ListedTable {
  const nameFor = (name: string): string => names.get(name) ?? name
  const chains = table.chains.map((chain) => ({
    ...chain,
    name: nameFor(chain.name),
    rules: chain.rules.map((rule) => ({ ...rule, expr: rename(rule.expr, nameFor) })),
  }))
  return { ...table, chains, sets: table.sets.map((set) => ({ ...set, name: nameFor(set.name) })) }
}

/** `{ ref: name }` is a set's, `{ target: name }` a chain's. */
function rename<T>(part: T, nameFor: (name: string) => string): T {
  const walk = (json: Json): Json => {
    if (typeof json !== 'object' || json === null) return json
    if (Array.isArray(json)) return json.map(walk)
    const entries = Object.entries(json).map(([key, value]) => [
      key,
      (key === 'ref' || key === 'target') && typeof value === 'string' ? nameFor(value) : walk(value ?? null),
    ])
    return Object.fromEntries(entries)
  }
  return walk(part as unknown as Json) as unknown as T
}
