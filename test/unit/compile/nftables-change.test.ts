/**
 * From any table to any other: the same stands in the end as if it had been written afresh, and in no moment is a packet
 * lost that both allow, or passed that neither does. The kernel's part in it is `nftables-change-commit.ts`.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Printed, printNftables } from '../../../src/compile/nftables.ts'
import { changeTable } from '../../../src/compile/nftables-change.ts'
import type { Ruleset } from '../../../src/compile/ruleset.ts'
import { arbitraryHistory, edited, generatedOptions } from '../../model/generate.ts'
import type { InterpretedPacket } from '../../nft-interpreter.ts'
import { clusterOf, compileAll } from '../../product.ts'
import { seed } from '../../seed.ts'
import { commit, listed, NOTHING, type State, verdict, verdictsMeanwhile } from './nftables-change-commit.ts'
import { arbitraryRuleset, otherMembers, PACKETS } from './nftables-change-rulesets.ts'

const PAIRS = 60
const HISTORIES = 25
const TIMEOUT_MS = 120_000

const packets = fc.shuffledSubarray([...PACKETS], { minLength: 20, maxLength: 20 })

const { networkPlugins } = generatedOptions

const fresh = (printed: Printed): State => commit(NOTHING, printed.transaction)

/** Changes one into the other, and holds every moment of it against both. */
function holds(
  before: Ruleset | undefined,
  after: Ruleset | undefined,
  some: readonly InterpretedPacket[],
): void {
  const [old, wanted] = [printNftables(before), printNftables(after)]
  let state = fresh(old)
  const end = fresh(wanted)
  const alike = some.filter((packet) => verdict(state, packet) === verdict(end, packet))
  const transactions = changeTable(old.table, wanted)
  for (const [number, transaction] of transactions.entries()) {
    const next = commit(state, transaction)
    for (const packet of alike) {
      const expected = verdict(end, packet)
      const seen = [...verdictsMeanwhile(state, next, packet), verdict(next, packet)]
      if (seen.some((each) => each !== expected))
        expect.fail(`transaction ${number + 1} of ${transactions.length}: ${JSON.stringify(packet)} ${seen}`)
    }
    state = next
  }
  expect(listed(state)).toEqual(listed(end))
}

describe('at no moment a gap, and in the end the same table', { timeout: TIMEOUT_MS }, () => {
  test('from any ruleset to any other', () => {
    fc.assert(fc.property(arbitraryRuleset, arbitraryRuleset, packets, holds), { seed, numRuns: PAIRS })
  })

  test('from any ruleset to the same with other members', () => {
    const pair = arbitraryRuleset.chain((one) => fc.tuple(fc.constant(one), otherMembers(one)))
    const property = fc.property(pair, packets, ([before, after], some) => holds(before, after, some))
    fc.assert(property, { seed, numRuns: PAIRS })
  })

  test('from each state of a cluster to the next', () => {
    const property = fc.property(arbitraryHistory({ length: 6 }), packets, ({ start, edits }, some) => {
      const states = [start]
      for (const edit of edits) states.push(edited(states.at(-1) ?? start, edit))
      const targets = states.map(
        (state) => compileAll(clusterOf(Object.values(state).flat()), networkPlugins).targets,
      )
      for (const [number, next] of targets.slice(1).entries()) {
        for (const [pod, { ruleset }] of next) holds(targets[number]?.get(pod)?.ruleset, ruleset, some)
      }
    })
    fc.assert(property, { seed, numRuns: HISTORIES })
  })

  test('from nothing, and to nothing', () => {
    const property = fc.property(arbitraryRuleset, packets, (one, some) => {
      holds(undefined, one, some)
      holds(one, undefined, some)
    })
    fc.assert(property, { seed, numRuns: PAIRS / 3 })
  })
})
