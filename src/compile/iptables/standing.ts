/**
 * What stands in a filter table, as iptables-save prints it, against what should; and what it says of itself in the
 * comments of the chain `MULTI-MNPD`: whose it is, and which interfaces it governs, on which networks.
 *
 *     -A MULTI-MNPD -m comment --comment "pod shop/web" -j RETURN
 *     -A MULTI-MNPD -m comment --comment "mnpd 729d510e3bc4ff3cb6fd6fc03d876a0d" -j RETURN
 *     -A MULTI-MNPD -m comment --comment "interface net1 on shop/blue" -j RETURN
 */

import { parseRecords, type StandingNetworks } from '../governed-record.ts'
import type { NamespacedName } from '../model.ts'
import { fitComment } from '../nftables/comment.ts'
import type { FilterTable } from './listing.ts'
import { DIGEST_CHAIN, isCustomChain, isOurChain } from './names.ts'
import type { PrintedFilter } from './printer.ts'
import { canonicalRule, comment, commentOf, targetOf, type Words } from './rule.ts'
import { isOurSet } from './set.ts'

/** Whether anything in the table is ours, or the existing daemon's. */
export function holdsOurs(table: FilterTable): boolean {
  return [...table.keys()].some(isOurChain)
}

/** Whether any rule of ours needs a set of ours to say what it does. */
export function namesSets(table: FilterTable): boolean {
  return [...table].some(
    ([name, rules]) =>
      isOurChain(name) && rules.some((words) => isOurSet(words[words.indexOf('--match-set') + 1] ?? '')),
  )
}

/** Whether just what is printed stands, and comes first; what else the application has there is not looked at. */
export function standsAs(table: FilterTable, printed: PrintedFilter): boolean {
  const desired = asTable(printed)
  const names = new Set([...table.keys(), ...desired.keys()])
  return [...names].every((name) => {
    const [rules, wanted] = [table.get(name), desired.get(name)]
    if (isOurChain(name)) {
      return (
        rules !== undefined &&
        wanted !== undefined &&
        sameRules(comparable(name, rules), comparable(name, wanted))
      )
    }
    const first = (rules ?? []).slice(0, wanted?.length ?? 0)
    return sameRules(first, wanted ?? []) && !(rules ?? []).slice(first.length).some(leadsToOurs)
  })
}

/** What is ours in the table as text, a line each: the same for two tables where `standsAs` says so. */
export function* linesOf(command: string, table: FilterTable): Generator<string> {
  for (const [name, rules] of [...table].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (isOurChain(name)) {
      yield `${command} -N ${name}`
      for (const words of comparable(name, rules)) yield `${command} -A ${name} ${canonicalRule(words)}`
    } else {
      for (const [index, words] of rules.entries())
        if (leadsToOurs(words)) yield `${command} -I ${name} ${index + 1} ${canonicalRule(words)}`
    }
  }
}

/** The table as it should stand where the application has no rules of its own. */
export function asTable({ hooks, chains }: PrintedFilter): FilterTable {
  return new Map([...Object.entries(hooks), ...chains])
}

/**
 * An operator's rules are told by where they are from and what they lead to: iptables-save has other words for their
 * matches than the operator. That they are those of the last version follows from the digest.
 */
function comparable(chain: string, rules: readonly Words[]): readonly Words[] {
  if (!isCustomChain(chain)) return rules
  return rules.map((words) => [...comment(commentOf(words) ?? ''), '-j', targetOf(words) ?? ''])
}

export function leadsToOurs(words: Words): boolean {
  return isOurChain(targetOf(words) ?? '')
}

export function sameRules(a: readonly Words[], b: readonly Words[]): boolean {
  return (
    a.length === b.length &&
    a.every((words, index) => canonicalRule(words) === canonicalRule(b[index] as Words))
  )
}

/** The comment that says whose rules they are. */
export function ownerText(pod: NamespacedName): string {
  return fitComment(`pod ${pod}`, '')
}

/** Whether the table says that it is the pod's; undefined where it says nothing of that. */
export function isOwnedBy(table: FilterTable, pod: NamespacedName): boolean | undefined {
  const owner = textsOf(table).find((text) => text.startsWith('pod '))
  return owner === undefined ? undefined : owner === ownerText(pod)
}

/** The interfaces that the table governs, and the networks that each was told to be on. */
export function governedBy(table: FilterTable): ReadonlyMap<string, StandingNetworks> {
  return parseRecords(textsOf(table))
}

function textsOf(table: FilterTable): readonly string[] {
  return (table.get(DIGEST_CHAIN) ?? []).map((words) => commentOf(words) ?? '')
}
