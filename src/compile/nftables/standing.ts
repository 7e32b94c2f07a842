/** What a table that stands says of itself: whose it is, and which interfaces it governs, on which networks. */
import type { ListedTable, Statement } from 'nftables-json'
import { parseNetworks, parseRecords, type StandingNetworks } from '../governed-record.ts'
import type { NamespacedName } from '../model.ts'
import { COMMON, interfaceOf } from './interface.ts'
import { ownerText } from './printer.ts'
import { DIGEST_CHAIN } from './table.ts'

/** Whether the table says that it is the pod's; undefined where it says nothing of that. */
export function isOwnedBy(table: ListedTable, pod: NamespacedName): boolean | undefined {
  const chain = table.chains.find(({ name }) => name === DIGEST_CHAIN)
  const owner = chain?.rules.find(({ comment }) => comment?.startsWith('pod '))?.comment
  return owner === undefined ? undefined : owner === ownerText(pod)
}

/**
 * The interfaces that a table of ours governs, and the networks that each was told to be on. They stand at the interface's
 * own rules, for people too, and where they do not fit there, in the digest chain.
 */
export function governedBy(table: ListedTable | undefined): ReadonlyMap<string, StandingNetworks> {
  const governed = new Map<string, StandingNetworks>()
  const chains = table?.chains ?? []
  for (const { name, rules } of chains) {
    const governs = interfaceOf(name)
    const common = rules.find(({ expr }) => expr.some(isJumpToCommon))
    if (governs !== undefined) governed.set(governs, parseNetworks(common?.comment))
  }
  const digest = chains.find(({ name }) => name === DIGEST_CHAIN)
  const records = parseRecords((digest?.rules ?? []).map(({ comment = '' }) => comment))
  for (const [name, networks] of records) if (governed.has(name)) governed.set(name, networks)
  return governed
}

function isJumpToCommon(statement: Statement): boolean {
  return 'jump' in statement && statement.jump.target === COMMON.original
}
