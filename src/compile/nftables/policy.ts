/** A policy's chains, one for each direction that it isolates, and the sets that their rules look into. */
import { accept, counter, type TableHandle } from 'nftables-json'
import { DIRECTIONS, type Direction } from '../model.ts'
import type { PolicyRules } from '../ruleset.ts'
import { type Leg, printAllow } from './allow.ts'
import { fitComment } from './comment.ts'
import { policyChain } from './interface.ts'
import { type PrintedPart, partsOf } from './part.ts'

/** By the policy's place in the ruleset. */
export const policyPart: (policy: PolicyRules, legs: readonly Leg[], place?: number) => PrintedPart = partsOf(
  (table, policy: PolicyRules, place, legs) => {
    for (const direction of DIRECTIONS) printPolicy(table, place, policy, direction, legs)
  },
)

function printPolicy(
  table: TableHandle,
  place: number,
  { policy, allows }: PolicyRules,
  direction: Direction,
  legs: readonly Leg[],
): void {
  const printed = allows[direction]?.map((allow) => ({
    rules: printAllow(table, `policy-${place}-${direction}-${allow.rule}`, direction, allow),
    comment: fitComment(policy, ` ${direction}[${allow.rule}]`),
  }))
  if (printed === undefined) return
  for (const leg of legs) {
    const chain = policyChain(place, direction, leg)
    table.addChain({ name: chain })
    for (const { rules, comment } of printed) {
      for (const matches of rules[leg]) table.addRule(chain, [...matches, counter(), accept], comment)
    }
  }
}
