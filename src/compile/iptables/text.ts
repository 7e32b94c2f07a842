/**
 * A pod's rules as text: one for iptables-restore and ip6tables-restore both, and one a family for people to read.
 *
 *     -A MULTI-INGRESS -i net1 -g MULTI-INGRESS-COMMON
 *     -4 -A MULTI-IF0-INGRESS -s 10.1.0.2/32 -g MULTI-0-INGRESS         ip6tables-restore passes over it
 *     -6 -A MULTI-IF0-INGRESS -s fd00:1::2/128 -g MULTI-0-INGRESS       and iptables-restore over this
 */
import type { Family } from '../address.ts'
import type { Ruleset } from '../ruleset.ts'
import { HOOKS, type PrintedIptables, printIptables } from './printer.ts'
import { ruleText, type Words } from './rule.ts'
import { setsText } from './set.ts'
import { sameRules } from './standing.ts'
import { swapText, tableText } from './swap.ts'

/**
 * Loads as it is where nothing of ours stands, so peers are a rule each however many they are: a text cannot bring sets.
 * Empty for a pod that no policy governs.
 */
export function bothFamiliesText(ruleset: Ruleset | undefined): string {
  const { 4: v4, 6: v6 } = printIptables(ruleset, 'inline').filters
  if (v4.chains.size === 0) return ''
  const names = [...v4.chains.keys()]
  return tableText('filter', [
    ...names.map((name) => `:${name} - [0:0]`),
    ...HOOKS.flatMap((hook) => v4.hooks[hook].map((words, at) => `-I ${hook} ${at + 1} ${ruleText(words)}`)),
    ...names.flatMap((name) => chainText(name, v4.chains.get(name) ?? [], v6.chains.get(name) ?? [])),
  ])
}

function chainText(name: string, v4: readonly Words[], v6: readonly Words[]): readonly string[] {
  const lines = (rules: readonly Words[], only: string): readonly string[] =>
    rules.map((words) => `${only}-A ${name} ${ruleText(words)}`)
  return sameRules(v4, v6) ? lines(v4, '') : [...lines(v4, '-4 '), ...lines(v6, '-6 ')]
}

/** What ipset and iptables-restore are given where nothing of ours stands. */
export function familyText({ filters }: PrintedIptables, family: Family): string {
  const sets = setsText(filters[family].sets)
  const heading = sets === '' ? '' : `# ipset restore\n${sets}# iptables-restore\n`
  return `${heading}${swapText(new Map(), filters[family]) ?? ''}`
}

/** All that is printed as JSON: the words of each rule by chain, what the hooks begin with, and the sets. */
export function printedJson({ filters, digest }: PrintedIptables): object {
  const familyJson = (family: Family): object => {
    const { hooks, chains, sets } = filters[family]
    return { hooks, chains: Object.fromEntries(chains), sets }
  }
  return { digest, iptables: familyJson(4), ip6tables: familyJson(6) }
}
