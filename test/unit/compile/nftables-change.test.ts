/**
 * From any table to any other: the same stands in the end as if it had been written afresh, and in no moment is a packet
 * lost that both allow, or passed that neither does. The kernel's part in it is `nftables-change-commit.ts`.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Address, AddressRange } from '../../../src/compile/address.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { changeTable } from '../../../src/compile/nftables/change.ts'
import { type Printed, printNftables } from '../../../src/compile/nftables/printer.ts'
import { type Allow, NO_EXEMPTIONS, type Ruleset } from '../../../src/compile/ruleset.ts'
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

describe('in as few transactions as can be', () => {
  const blocks = (...numbers: readonly number[]): AddressRange[] =>
    numbers.map((number) => ({ family: 4, first: BigInt(number) << 8n, last: (BigInt(number) << 8n) + 255n }))
  /** 0.0.0.0/24 and every other one up to 0.0.22.0/24: more than are rules of their own. */
  const many = Array.from({ length: 12 }, (_, number) => 2 * number)

  const CASES: Readonly<Record<string, readonly [before: Rule[], after: Rule[], transactions: number]>> = {
    'an address that comes': [[[['0.0.0.1'], []]], [[['0.0.0.1', '0.0.2.1'], []]], 1],
    'one that comes as another goes': [[[['0.0.0.1'], []]], [[['0.0.2.1'], []]], 1],
    'one that goes from a set to one that is asked before': [
      [
        [['0.0.2.1'], []],
        [['0.0.0.1'], []],
      ],
      [
        [['0.0.0.1'], []],
        [['0.0.2.1'], []],
      ],
      2,
    ],
    'one that goes from a set into a block': [
      [
        [['0.0.0.1', '0.0.2.1'], []],
        [[], many.slice(1)],
      ],
      [
        [['0.0.2.1'], []],
        [[], many],
      ],
      2,
    ],
    'blocks that are new': [[[['0.0.0.1'], []]], [[[], many]], 2],
    'blocks that come': [[[[], many.slice(1)]], [[[], many]], 1],
    'blocks that come as others go': [[[[], many.slice(1)]], [[[], many.slice(0, -1)]], 4],
    'addresses in place of anybody': [[[[], [0]]], [[['0.0.0.1'], []]], 1],
  }

  test.each(Object.entries(CASES))('%s', (_, [before, after, transactions]) => {
    const [old, wanted] = [rulesetOf(before), rulesetOf(after)]
    const sources = ['0.0.0.1', '0.0.2.1', '0.0.6.1', '0.0.22.1', '0.0.23.1']
    holds(
      old,
      wanted,
      sources.map((source) => ({
        hook: 'input',
        interface: 'net1',
        source,
        destination: '10.0.0.9',
        protocol: 'TCP',
        port: 80,
      })),
    )
    expect(changeTable(printNftables(old).table, printNftables(wanted))).toHaveLength(transactions)
  })

  type Rule = readonly [addresses: readonly string[], blocks: readonly number[]]

  function rulesetOf(rules: readonly Rule[]): Ruleset {
    const ingress = rules.map(
      ([addresses, numbers], rule): Allow => ({
        rule,
        peers: { kind: 'only', addresses: addresses as readonly Address[], ranges: blocks(...numbers) },
        ports: { kind: 'any' },
        endpoints: [],
      }),
    )
    const ingress0 = { ingress: [0], egress: [] }
    return {
      pod: 'x/a',
      exemptions: NO_EXEMPTIONS,
      custom: NO_CUSTOM_RULES,
      policies: [{ policy: 'x/p', allows: { ingress, egress: undefined } }],
      interfaces: [{ name: 'net1', networks: ['x/red'], isolatedBy: ingress0, allowedBy: ingress0 }],
      ungoverned: [],
      logDrops: false,
    }
  }
})
