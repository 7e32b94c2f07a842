/**
 * What iptables-restore reads to go from what stands of ours in a filter table, or of the existing daemon's, to what
 * should, in one commit: whoever looks meets the old rules or the new ones.
 *
 *     *filter
 *     :MULTI-INGRESS - [0:0]                    made, or emptied
 *     -D INPUT -i net1 -j MULTI-INGRESS         the existing daemon's
 *     -I INPUT 1 -j MULTI-INGRESS
 *     -A MULTI-INGRESS …
 *     -X MULTI-0-INGRESS-0-PORTS
 *     COMMIT
 *
 * The application's own rules are not touched. To be read with `--noflush`.
 */

import type { FilterTable } from './listing.ts'
import { isOurChain } from './names.ts'
import { HOOKS, type Hook, type PrintedFilter } from './printer.ts'
import { ruleText, type Words } from './rule.ts'
import { leadsToOurs, sameRules } from './standing.ts'

/** @returns undefined where nothing stands of ours and nothing should */
export function swapText(standing: FilterTable, desired: PrintedFilter): string | undefined {
  const stale = [...standing.keys()].filter((name) => isOurChain(name) && !desired.chains.has(name))
  const all = [...desired.chains.keys(), ...stale]
  if (all.length === 0) return undefined
  return tableText('filter', [
    ...all.map((name) => `:${name} - [0:0]`),
    ...jumps(standing, desired),
    ...[...desired.chains].flatMap(([name, rules]) => rules.map((words) => `-A ${name} ${ruleText(words)}`)),
    ...stale.map((name) => `-X ${name}`),
  ])
}

export function tableText(table: string, lines: readonly string[]): string {
  return [`*${table}`, ...lines, 'COMMIT', ''].join('\n')
}

/** Those that stand as they should stay, and go on counting; else all of a chain are taken out and put first again. */
function jumps(standing: FilterTable, { hooks }: PrintedFilter): readonly string[] {
  const chains = new Set<string>([...HOOKS, ...standing.keys()])
  return [...chains]
    .filter((name) => !isOurChain(name))
    .flatMap((name) => {
      const rules = standing.get(name) ?? []
      const desired = hooks[name as Hook] ?? []
      const found = rules.filter(leadsToOurs)
      if (sameRules(found, desired) && sameRules(rules.slice(0, desired.length), desired)) return []
      return [
        ...found.map((words) => `-D ${name} ${ruleText(words)}`),
        ...desired.map((words, index) => `-I ${name} ${index + 1} ${ruleText(words)}`),
      ]
    })
}

/** Interfaces that the existing daemon has a jump for, `-A INPUT -i net1 -j MULTI-INGRESS`. */
export function foreignInterfaces(filter: FilterTable): ReadonlySet<string> {
  return new Set(
    (filter.get('INPUT') ?? []).flatMap((words) => {
      const [option, name = ''] = words
      return option === '-i' && words.length === 4 && leadsToOurs(words) ? [name] : []
    }),
  )
}

/** Its rules in the nat table, one for each of those: that they are its own follows from the jumps. */
export function foreignNatRules(interfaces: ReadonlySet<string>, nat: FilterTable): readonly Words[] {
  return (nat.get('PREROUTING') ?? []).filter(([option, name = '', ...rest]) => {
    return option === '-i' && interfaces.has(name) && rest.join(' ') === '-j RETURN'
  })
}
