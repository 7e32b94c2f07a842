/**
 * From the table that stands to the one that is to stand, as transactions to be run one after the other, so that at no
 * moment a packet is lost that both allow, or passes that neither allows. Whatever stood, the same table stands then.
 *
 * What the kernel does to packets that are on their way while it commits (measured with Linux 6.18):
 *
 * - Such a packet goes on by the old rules, in every chain that it comes to. But it looks into sets as they are by then: a
 *   set that both the old and the new rules use is a set whose new elements old rules see.
 * - A set that is deleted keeps its elements for whoever is on the way; a new one of the same name is another set.
 * - A new set of intervals is empty for some microseconds after the commit. Sets that hash, and those that stood before, are not.
 *
 * So there are three ways:
 *
 * 1. `nftables-change-elements`: the rules stay, and elements come and go. Rules that count go on counting.
 * 2. `nftables-change-switch`: rules change. Chains that differ are written anew in one transaction, and so is each set that
 *    differs, as another set of its name. Sets of intervals are there before, by a transaction of their own.
 * 3. The whole table in one transaction, where what stands is not such a table at all.
 */
import { type ListedChain, type ListedTable, type Transaction, TransactionError } from 'nftables-json'
import { once } from '../once.ts'
import { changeElements } from './change-elements.ts'
import { headOfChain, isSlowChain, isSlowSet } from './change-forms.ts'
import { changeShared } from './change-shared.ts'
import { switchRules } from './change-switch.ts'
import type { Printed, PrintedTable } from './printer.ts'
import { DIGEST_CHAIN } from './table.ts'

/**
 * @param standing what the kernel lists, or what was printed and surely stands; undefined: no such table
 * @returns at least one transaction; each is to be run when the one before is done. Where one is refused, what stood was
 *   another table: list it, and begin anew.
 */
export function changeTable(
  standing: ListedTable | Printed | undefined,
  printed: Printed,
): readonly Transaction[] {
  if (standing !== undefined && !('says' in standing)) return changeListed(standing, printed)
  const change = (): readonly Transaction[] => changeListed(standing?.table, printed)
  const isShared = isTable(printed) && (standing === undefined || isTable(standing))
  return isShared ? changeShared(standing, printed, change) : change()
}

function isTable(printed: Printed): printed is PrintedTable {
  return printed.body !== undefined
}

function changeListed(standing: ListedTable | undefined, printed: Printed): readonly Transaction[] {
  const { table, transaction } = printed
  if (table === undefined || !canStay(standing, table)) return [transaction]
  if (standing === undefined) return hasSlow(table) ? switchRules(undefined, table) : [transaction]
  try {
    return changeElements(standing, table) ?? switchRules(standing, table)
  } catch (error) {
    // What somebody else put into the table cannot always be said by this builder, and then not be taken away by name.
    if (error instanceof TransactionError) return [transaction]
    throw error
  }
}

/** Whether a table that stands is one of ours, of whatever version, with nothing in it that only replacing takes away. */
function canStay(standing: ListedTable | undefined, table: ListedTable): boolean {
  if (standing === undefined) return true
  const { maps, counters, unknown, other, chains } = standing
  if (maps.length > 0 || counters.length > 0 || unknown.length > 0 || other !== undefined) return false
  if (chains.some(hasVerdictMap)) return false
  const digest = chains.find(({ name }) => name === DIGEST_CHAIN)
  if (!digest?.rules.some(({ comment }) => comment !== undefined && DIGEST.test(comment))) return false
  const heads = new Map(table.chains.map((chain) => [chain.name, headOfChain(chain)]))
  return chains.every((chain) => (heads.get(chain.name) ?? headOfChain(chain)) === headOfChain(chain))
}

const DIGEST = /^mnpd [0-9a-f]{32}$/

/** An older version's rules had some; they are replaced with all that they lead to. */
const hasVerdictMap: (chain: ListedChain) => boolean = once(({ rules }) =>
  rules.some(({ expr }) => expr.some((statement) => 'vmap' in statement)),
)

function hasSlow({ sets, chains }: ListedTable): boolean {
  return sets.some(isSlowSet) || chains.some(isSlowChain)
}
