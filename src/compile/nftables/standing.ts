/** What a table that stands says of itself: whose it is, and which interfaces it governs, on which networks. */
import type { ListedTable, Statement } from 'nftables-json'
import type { NamespacedName } from '../model.ts'
import { COMMON, interfaceOf } from './interface.ts'
import { DIGEST_CHAIN, ownerText } from './printer.ts'

/** Whether the table says that it is the pod's; undefined where it says nothing of that. */
export function isOwnedBy(table: ListedTable, pod: NamespacedName): boolean | undefined {
  const chain = table.chains.find(({ name }) => name === DIGEST_CHAIN)
  const owner = chain?.rules.find(({ comment }) => comment?.startsWith('pod '))?.comment
  return owner === undefined ? undefined : owner === ownerText(pod)
}

/** Networks as a table holds them; `unknown` where the comment had to be shortened, or is none of ours. */
export type StandingNetworks = readonly NamespacedName[] | 'unknown'

/** The interfaces that a table of ours governs, and the networks that each was told to be on. */
export function governedBy(table: ListedTable | undefined): ReadonlyMap<string, StandingNetworks> {
  const governed = new Map<string, StandingNetworks>()
  for (const { name, rules } of table?.chains ?? []) {
    const governs = interfaceOf(name)
    const common = rules.find(({ expr }) => expr.some(isJumpToCommon))
    if (governs !== undefined) governed.set(governs, parseNetworks(common?.comment))
  }
  return governed
}

function isJumpToCommon(statement: Statement): boolean {
  return 'jump' in statement && statement.jump.target === COMMON.original
}

/** The comment of a governed interface: its networks. */
export function parseNetworks(comment: string | undefined): StandingNetworks {
  const networks = (comment ?? '').split(',')
  const whole = networks.every((network) => /^[a-z0-9-]+\/[a-z0-9.-]+$/.test(network))
  return whole ? (networks as NamespacedName[]) : 'unknown'
}
