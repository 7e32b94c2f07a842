/**
 * From any table to any other: the same stands in the end as if it had been written afresh, and in no moment is a packet
 * lost that both allow, or passed that neither does. The kernel's part in it is `nftables-change-commit.ts`.
 */
import fc from 'fast-check'
import type { ListedTable } from 'nftables-json'
import { describe, expect, test } from 'vitest'
import { type Printed, printNftables } from '../../../src/compile/nftables.ts'
import { changeTable } from '../../../src/compile/nftables-change.ts'
import type { Ruleset } from '../../../src/compile/ruleset.ts'
import { seed } from '../../seed.ts'
import { commit, listed, NOTHING, type State, verdict, verdictsMeanwhile } from './nftables-change-commit.ts'
import { arbitraryRuleset, otherMembers, PACKETS } from './nftables-change-rulesets.ts'

const PAIRS = 400

const fresh = (printed: Printed): State => commit(NOTHING, printed.transaction)

/** Changes one into the other, and holds every moment of it against both. */
function holds(before: Ruleset | undefined, after: Ruleset | undefined): void {
  const [old, wanted] = [printNftables(before), printNftables(after)]
  let state = fresh(old)
  const verdicts = PACKETS.map((packet) => [verdict(state, packet), verdict(fresh(wanted), packet)] as const)
  const transactions = changeTable(old.table, wanted)
  for (const [number, transaction] of transactions.entries()) {
    const next = commit(state, transaction)
    for (const [index, packet] of PACKETS.entries()) {
      const allowed = new Set(verdicts[index])
      const seen = [...verdictsMeanwhile(state, next, packet), verdict(next, packet)]
      if (seen.some((each) => !allowed.has(each)))
        expect.fail(`transaction ${number + 1} of ${transactions.length}: ${JSON.stringify(packet)} ${seen}`)
    }
    state = next
  }
  expect(listed(state)).toEqual(listed(fresh(wanted)))
}

describe('at no moment a gap, and in the end the same table', () => {
  test('from any ruleset to any other', () => {
    fc.assert(fc.property(arbitraryRuleset, arbitraryRuleset, holds), { seed, numRuns: PAIRS })
  })

  test('from any ruleset to the same with other members', () => {
    const pair = arbitraryRuleset.chain((one) => fc.tuple(fc.constant(one), otherMembers(one)))
    fc.assert(
      fc.property(pair, ([before, after]) => holds(before, after)),
      { seed, numRuns: PAIRS },
    )
  })

  test('from nothing, and to nothing', () => {
    fc.assert(
      fc.property(arbitraryRuleset, (one) => {
        holds(undefined, one)
        holds(one, undefined)
      }),
      { seed, numRuns: PAIRS / 4 },
    )
  })
})
