/**
 * From one printed table to another: what pods of a kind have in common is worked out, and printed, once for all that go the
 * same way; a pod's own are the few rules that say whose the table is. An edit, or a peer that joins, has a node's pods
 * go few ways. How much is kept has a bound in characters, since tenants decide how much there is.
 */
import { LRUCache } from 'lru-cache'
import { type Command, return_, Transaction } from 'nftables-json'
import { EMPTY } from './change-forms.ts'
import { numberOf } from './part.ts'
import type { PrintedTable } from './printer.ts'
import { DIGEST_CHAIN, TABLE } from './table.ts'

/** One transaction of a change. */
interface Step {
  /** But for those on the digest chain. */
  readonly commands: readonly Command[]
  /** The digest chain is written anew. */
  readonly says: boolean
}

/** In characters of JSON: of all that is kept, and of a change that is. */
const [MOST, LARGE] = [1_000_000, 100_000]

const kept = new LRUCache<string, readonly Step[]>({ maxSize: MOST, maxEntrySize: LARGE })

/**
 * @param stands what was printed for the pod before, and stands; undefined: no such table
 * @param change how one gets from there to what is wanted, for this pod; that it is another one's way as well follows from
 *   the bodies
 */
export function changeShared(
  stands: PrintedTable | undefined,
  wanted: PrintedTable,
  change: () => readonly Transaction[],
): readonly Transaction[] {
  const key = `${stands === undefined ? 'nothing' : numberOf(stands.body)} ${numberOf(wanted.body)}`
  const transactions = keptChange(key, wanted, change)
  return transactions.map((transaction, step) => transaction.alike(`${key} ${step}`))
}

function keptChange(
  key: string,
  wanted: PrintedTable,
  change: () => readonly Transaction[],
): readonly Transaction[] {
  const known = kept.get(key)
  if (known !== undefined) return known.map((step) => transactionOf(step, wanted.says))
  const transactions = change()
  // The whole table is no change, and kept elsewhere.
  if (transactions.includes(wanted.transaction)) return transactions
  const steps = transactions.map(({ commands }): Step => {
    const shared = commands.filter((command) => !isOfDigestChain(command))
    return { commands: shared, says: shared.length < commands.length }
  })
  kept.set(key, steps, { size: 1 + JSON.stringify(steps).length })
  return steps.map((step) => transactionOf(step, wanted.says))
}

function transactionOf({ commands, says: writes }: Step, says: readonly string[]): Transaction {
  const transaction = new Transaction()
  transaction.share(commands)
  if (!writes) return transaction
  const table = transaction.table(TABLE, DIGEST_CHAIN_ALONE)
  table.flushChain(DIGEST_CHAIN)
  for (const text of says) table.addRule(DIGEST_CHAIN, [return_], text)
  return transaction
}

const DIGEST_CHAIN_ALONE = {
  tables: [{ ...EMPTY, ...TABLE, chains: [{ name: DIGEST_CHAIN, rules: [] }] }],
  unknown: [],
}

function isOfDigestChain(command: Command): boolean {
  if ('add' in command) return 'rule' in command.add && command.add.rule.chain === DIGEST_CHAIN
  return 'flush' in command && 'chain' in command.flush && command.flush.chain.name === DIGEST_CHAIN
}
