/** nftables: one table a pod, replaced whole in one transaction. */
import { type ListedTable, sameTable, Transaction } from 'nftables-json'
import { listTable, run } from 'nftables-json/run'
import { printNftables, TABLE } from '../compile/nftables.ts'
import { governedBy, isOwnedBy } from '../compile/nftables-standing.ts'
import type { Backend, Cleared, Found, Printed } from './backend.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import type { Outcome } from './reconciler.ts'

export const nftablesBackend: Backend<ListedTable> = {
  name: 'nftables',
  print(ruleset): Printed<ListedTable> {
    const { transaction, table, digest } = printNftables(ruleset)
    return {
      digest,
      governed: governedBy(table),
      isThere: (found) =>
        table === undefined
          ? found.kind === 'absent'
          : found.kind === 'listed' && sameTable(found.listed, table),
      write: (netns, signal) => write(netns, transaction, signal),
    }
  },
  read,
  isOwnedBy,
  governedBy,
  async clear(netns, signal): Promise<Cleared> {
    const found = await read(netns, signal)
    if (found.kind === 'absent') return { kind: 'cleared', what: [] }
    const transaction = new Transaction()
    transaction.deleteTable(TABLE)
    const outcome = await write(netns, transaction, signal)
    return outcome.kind === 'done'
      ? { kind: 'cleared', what: [`table ${TABLE.family} ${TABLE.name}`] }
      : outcome
  },
}

async function read(netns: OpenNetns, signal: AbortSignal): Promise<Found<ListedTable>> {
  const found = await listTable(TABLE, { netns: netns.path, signal })
  if (found.kind === 'absent') return found
  if (found.kind !== 'listed') return { kind: 'failed', reason: found.reason }
  const [listed] = found.listing.tables
  return listed === undefined ? { kind: 'absent' } : { kind: 'listed', listed }
}

async function write(netns: OpenNetns, transaction: Transaction, signal: AbortSignal): Promise<Outcome> {
  const result = await run(transaction, { netns: netns.path, signal })
  return result.kind === 'done' ? { kind: 'done' } : { kind: 'failed', reason: result.reason }
}
