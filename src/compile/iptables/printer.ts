/**
 * The iptables printer: a pod's ruleset as chains of the filter tables of both families, `MULTI-…`, with the sets that
 * their rules name, and as what iptables-restore reads to put them in the place of whatever stands of ours.
 *
 *     :MULTI-INGRESS - [0:0]
 *     :MULTI-INGRESS-COMMON - [0:0]
 *     :MULTI-0-INGRESS - [0:0]
 *     -I INPUT 1 -j MULTI-INGRESS
 *     -A MULTI-INGRESS -i net1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j RETURN
 *     …
 *
 * It means just what nftables.ts prints, but that what is allowed goes on to the application's own rules in the same table.
 * The chains are in interface.ts. The words of a rule stand as iptables-save prints them.
 */
import { FAMILIES, type Family } from '../address.ts'
import { digestOf } from '../digest.ts'
import { recordTexts } from '../governed-record.ts'
import { DIRECTIONS, type Direction } from '../model.ts'
import type { Ruleset } from '../ruleset.ts'
import { printDirection } from './interface.ts'
import { DIGEST_CHAIN, hookedChain } from './names.ts'
import { comment, type Words } from './rule.ts'
import type { AddressSet } from './set.ts'
import { ownerText } from './standing.ts'
import { FamilyTable, type PeerForm } from './table.ts'

export interface PrintedIptables {
  readonly filters: Readonly<Record<Family, PrintedFilter>>
  /** 32 hex digits of the SHA-256 of all else. */
  readonly digest: string
}

/** The filter table of one family, as far as it is ours. */
export interface PrintedFilter {
  readonly family: Family
  /** What the table's own chains are to begin with; without rules nothing of ours. */
  readonly hooks: Readonly<Record<Hook, readonly Words[]>>
  readonly chains: ReadonlyMap<string, readonly Words[]>
  readonly sets: readonly AddressSet[]
}

export type Hook = 'INPUT' | 'FORWARD' | 'OUTPUT'

/** Forwarded packets meet both directions. */
const HOOKED: Readonly<Record<Hook, readonly Direction[]>> = {
  INPUT: ['ingress'],
  FORWARD: ['ingress', 'egress'],
  OUTPUT: ['egress'],
}

export const HOOKS: readonly Hook[] = ['INPUT', 'FORWARD', 'OUTPUT']

/** @param ruleset undefined for a pod that no policy governs, whose netns holds nothing of ours */
export function printIptables(ruleset: Ruleset | undefined, form: PeerForm = 'sets'): PrintedIptables {
  const tables = FAMILIES.map((family) => printFamily(ruleset, family, form))
  const digest = digestOf(contentOf(tables))
  const [v4, v6] = tables.map((table) => finish(table, ruleset, digest)) as [PrintedFilter, PrintedFilter]
  return { filters: { 4: v4, 6: v6 }, digest }
}

function printFamily(ruleset: Ruleset | undefined, family: Family, form: PeerForm): FamilyTable {
  const table = new FamilyTable(family, form)
  if (ruleset === undefined) return table
  for (const direction of DIRECTIONS) {
    if (ruleset.interfaces.some(({ isolatedBy }) => isolatedBy[direction].length > 0))
      printDirection(table, ruleset, direction)
  }
  return table
}

function finish(table: FamilyTable, ruleset: Ruleset | undefined, digest: string): PrintedFilter {
  if (ruleset !== undefined) {
    table.addChain(DIGEST_CHAIN)
    const texts = [ownerText(ruleset.pod), `mnpd ${digest}`, ...ruleset.interfaces.flatMap(recordTexts)]
    for (const text of texts) table.addRule(DIGEST_CHAIN, comment(text), ['-j', 'RETURN'])
  }
  const jumps = (hook: Hook): readonly Words[] =>
    HOOKED[hook]
      .map(hookedChain)
      .filter((chain) => table.chains.has(chain))
      .map((chain) => ['-j', chain])
  return {
    family: table.family,
    hooks: { INPUT: jumps('INPUT'), FORWARD: jumps('FORWARD'), OUTPUT: jumps('OUTPUT') },
    chains: table.chains,
    sets: [...table.sets.values()],
  }
}

function contentOf(tables: readonly FamilyTable[]): string {
  return JSON.stringify(tables.map(({ family, chains, sets }) => [family, [...chains], [...sets]]))
}
