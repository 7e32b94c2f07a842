/**
 * The operator's own rules in a pod's table: a chain for each direction that has any, which each governed interface goes
 * through before the policies' chains; and, for replies that are judged, the same rules with the ends exchanged.
 *
 * A rule whose replies cannot be told by their headers must not break them: where it accepts, all replies of its family
 * pass from there on.
 */
import { accept, match, meta, type TableHandle } from 'nftables-json'
import { mirrored } from '../custom/mirror.ts'
import { customRuleComment, printCustomRules } from '../custom/print.ts'
import type { CustomRule, CustomRules } from '../custom/rules.ts'
import { DIRECTIONS, type Direction } from '../model.ts'
import type { Leg } from './allow.ts'
import { type PrintedPart, partsOf } from './part.ts'

/** The chain of a direction's custom rules; undefined where there are none. */
export function customChain(custom: CustomRules, direction: Direction, leg: Leg): string | undefined {
  if (custom[direction].length === 0) return undefined
  return leg === 'original' ? `custom-${direction}` : `custom-${direction}-replies`
}

export const customPart: (custom: CustomRules, legs: readonly Leg[]) => PrintedPart = partsOf(
  (table, custom: CustomRules, _, legs) => {
    for (const direction of DIRECTIONS) for (const leg of legs) printDirection(table, custom, direction, leg)
  },
)

function printDirection(table: TableHandle, custom: CustomRules, direction: Direction, leg: Leg): void {
  const chain = customChain(custom, direction, leg)
  if (chain === undefined) return
  table.addChain({ name: chain })
  if (leg === 'original') printCustomRules(table, chain, custom[direction])
  else for (const rule of custom[direction]) printReplies(table, chain, rule)
}

function printReplies(table: TableHandle, chain: string, rule: CustomRule): void {
  const accepts = rule.statements.some((statement) => 'accept' in statement)
  const turned = mirrored(rule)
  if (turned !== undefined && (accepts || appliesToOpen(turned.states))) {
    table.addRule(chain, turned.statements, customRuleComment(rule))
  } else if (turned === undefined && accepts) {
    const family = match(meta('nfproto'), rule.family === 4 ? 'ipv4' : 'ipv6')
    table.addRule(chain, [family, accept], customRuleComment(rule))
  }
}

/** Whether a rule that takes packets out does so to those of a connection that is open. */
function appliesToOpen(states: readonly string[] | undefined): boolean {
  return states === undefined || states.includes('established')
}
