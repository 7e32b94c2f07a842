/**
 * Where the rules stay as they are and only what is in their sets changes: elements are added and deleted in place. The
 * rule that says which ruleset stands is written anew with them; no packet comes to it.
 *
 * A packet that is on its way while the kernel commits may look into one set before and into another one after. If its
 * address leaves the second and enters the first, it is found in neither. Where that could be, or where a set of intervals
 * is filled a little later than a commit, all is added in one transaction and deleted in the next. What passes in between
 * passes by a rule that stands before and after, and by an element that is in its set before or after.
 */
import {
  canonicalElement,
  type Expression,
  type ListedTable,
  type NamedSet,
  Transaction,
} from 'nftables-json'
import { isSlowSet, sameButElements, sameChain } from './change-forms.ts'
import { announce, arrive } from './change-next.ts'
import { DIGEST_CHAIN, TABLE } from './table.ts'

interface ElementChange {
  readonly set: NamedSet
  readonly gained: readonly Expression[]
  readonly lost: readonly Expression[]
}

/** One transaction, or two; undefined where it takes more than elements. @throws TransactionError for odd elements */
export function changeElements(
  standing: ListedTable,
  wanted: ListedTable,
): readonly Transaction[] | undefined {
  if (!sameRules(standing, wanted)) return undefined
  const changes = elementChanges(standing, wanted)
  if (changes.some(({ set, gained, lost }) => isSlowSet(set) && gained.length > 0 && lost.length > 0))
    return undefined
  if (canBeOne(changes)) return [change(standing, wanted, changes)]
  const added = new Transaction()
  const table = added.table(TABLE, { tables: [standing], unknown: [] })
  for (const { set, gained } of changes) table.addElements(set.name, gained)
  announce(table)
  const losses = changes.map((each) => ({ ...each, gained: [] }))
  return [added, change(table.contents, wanted, losses)]
}

function change(standing: ListedTable, wanted: ListedTable, changes: readonly ElementChange[]): Transaction {
  const transaction = new Transaction()
  const table = transaction.table(TABLE, { tables: [standing], unknown: [] })
  for (const { set, gained, lost } of changes) {
    table.deleteElements(set.name, lost)
    table.addElements(set.name, gained)
  }
  arrive(table)
  table.flushChain(DIGEST_CHAIN)
  const digest = wanted.chains.find(({ name }) => name === DIGEST_CHAIN)
  for (const { expr, comment } of digest?.rules ?? []) table.addRule(DIGEST_CHAIN, expr, comment)
  return transaction
}

function sameRules(standing: ListedTable, wanted: ListedTable): boolean {
  const chains = new Map(standing.chains.map((chain) => [chain.name, chain]))
  const sets = new Map(standing.sets.map((set) => [set.name, set]))
  return (
    chains.size === wanted.chains.length &&
    sets.size === wanted.sets.length &&
    wanted.chains.every((chain) => {
      const before = chains.get(chain.name)
      return before !== undefined && (chain.name === DIGEST_CHAIN || sameChain(before, chain))
    }) &&
    wanted.sets.every((set) => {
      const before = sets.get(set.name)
      return before !== undefined && sameButElements(before, set)
    })
  )
}

function elementChanges(standing: ListedTable, wanted: ListedTable): readonly ElementChange[] {
  const before = new Map(standing.sets.map((set) => [set.name, set]))
  return wanted.sets
    .filter((set) => before.get(set.name) !== set)
    .map((set) => elementChange(set, before.get(set.name)?.elem ?? []))
    .filter(({ gained, lost }) => gained.length + lost.length > 0)
}

/** The few that are not spelled alike are compared in one spelling. */
function elementChange(set: NamedSet, before: readonly Expression[]): ElementChange {
  const spelled = without(before, set.elem ?? [], (element) => JSON.stringify(element))
  const form = (element: Expression): string => canonicalElement(element, set.type)
  const [gained, lost] = without(spelled[1], spelled[0], form)
  return { set, gained, lost }
}

/** Those of `b` that are not among `a`, and those of `a` that are not among `b`. */
function without(
  a: readonly Expression[],
  b: readonly Expression[],
  spell: (element: Expression) => string,
): readonly [readonly Expression[], readonly Expression[]] {
  const [old, now] = [
    new Map(a.map((each) => [spell(each), each])),
    new Map(b.map((each) => [spell(each), each])),
  ]
  const only = (
    some: ReadonlyMap<string, Expression>,
    others: ReadonlyMap<string, Expression>,
  ): Expression[] => [...some].filter(([key]) => !others.has(key)).map(([, element]) => element)
  return [only(now, old), only(old, now)]
}

/** Whether nothing leaves one set and enters another one. */
function canBeOne(changes: readonly ElementChange[]): boolean {
  if (changes.every(({ lost }) => lost.length === 0)) return true
  if (changes.every(({ gained }) => gained.length === 0)) return true
  if (changes.some(({ set }) => isSlowSet(set))) return false
  const entered = new Map<string, Set<string>>()
  for (const { set, gained } of changes) {
    for (const address of gained.map((element) => addressOf(set, element)))
      entered.set(address, (entered.get(address) ?? new Set()).add(set.name))
  }
  return changes.every(({ set, lost }) =>
    lost.every((element) =>
      [...(entered.get(addressOf(set, element)) ?? [])].every((name) => name === set.name),
    ),
  )
}

/** What an element says of the address, without protocol and port. */
function addressOf({ type }: NamedSet, element: Expression): string {
  return canonicalElement(element, type).split(' . ')[0] ?? ''
}
