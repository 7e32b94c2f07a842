/** A policy's chains, one for each direction that it isolates, and the sets that their rules look into. */
import { accept, counter, jump, type TableHandle } from 'nftables-json'
import { DIRECTIONS, type Direction } from '../model.ts'
import type { PolicyRules } from '../ruleset.ts'
import { type Leg, printAllow, printSpan } from './allow.ts'
import { fitComment } from './comment.ts'
import { policyChain } from './interface.ts'
import { type PrintedPart, partsOf } from './part.ts'
import { groupByPort } from './port-groups.ts'

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
  const rules = allows[direction]?.flatMap((allow) => {
    const comment = fitComment(policy, ` ${direction}[${allow.rule}]`)
    const name = `policy-${place}-${direction}-${allow.rule}`
    return printAllow(table, name, direction, allow).map((match) => ({ ...match, comment }))
  })
  if (rules === undefined) return
  const { alone, groups } = groupByPort(rules)
  for (const leg of legs) {
    const chain = policyChain(place, direction, leg)
    const addRules = (to: string, some: readonly (typeof rules)[number][]): void => {
      for (const { comment, ...match } of some) table.addRule(to, [...match[leg], counter(), accept], comment)
    }
    table.addChain({ name: chain })
    for (const [at, { span, members }] of groups.entries()) {
      const group = `${chain}-${at}`
      table.addChain({ name: group })
      addRules(group, members)
      table.addRule(chain, [printSpan(span, leg), jump(group)], fitComment(policy, ''))
    }
    addRules(chain, alone)
  }
}
