/**
 * The chain that stands between two transactions of one change, with a rule that nothing leads to. A transaction that adds a
 * rule always changes something, and so counts in the namespace's generation, whatever stands; sets and elements alone may be
 * there already. By that it is known that nobody else has changed anything meanwhile (see worker/replay.ts of nftables-json).
 */
import { return_, type TableHandle } from 'nftables-json'

const NEXT_CHAIN = 'next'

/** In the first of two. */
export function announce(table: TableHandle): void {
  if (!isAnnounced(table)) table.addChain({ name: NEXT_CHAIN })
  table.addRule(NEXT_CHAIN, [return_], 'more is to come')
}

/** In the second, where what is not wanted does not go by itself. */
export function arrive(table: TableHandle): void {
  if (!isAnnounced(table)) return
  table.flushChain(NEXT_CHAIN)
  table.delete('chain', NEXT_CHAIN)
}

function isAnnounced({ contents }: TableHandle): boolean {
  return contents.chains.some(({ name }) => name === NEXT_CHAIN)
}
