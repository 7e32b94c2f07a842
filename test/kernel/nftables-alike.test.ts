/**
 * Pods that go the same way: the first two by libnftables, the others as it was sent for these. Whatever they go from and to,
 * each pod's table is its own, as if it had been written afresh.
 */
import { execa } from 'execa'
import fc from 'fast-check'
import { sameTable, tableLines } from 'nftables-json'
import { openNetnsAccess } from 'nftables-json/netns'
import { listTable } from 'nftables-json/run'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Expected, WriteOutcome } from '../../src/apply/backend.ts'
import type { OpenNetns } from '../../src/apply/netns/open-netns.ts'
import { nftablesBackendBy } from '../../src/apply/nftables-backend.ts'
import { openLibrary } from '../../src/apply/nftables-library.ts'
import type { RunTransaction } from '../../src/apply/nftables-write.ts'
import { printNftables } from '../../src/compile/nftables/printer.ts'
import { TABLE } from '../../src/compile/nftables/table.ts'
import type { Ruleset } from '../../src/compile/ruleset.ts'
import { seed } from '../seed.ts'
import { arbitraryRuleset, otherMembers } from '../unit/compile/nftables-change-rulesets.ts'

const PODS = ['a', 'another-with-a-longer-name', 'c', 'd']
const { signal } = new AbortController()
const access = (await openNetnsAccess()) ?? expect.fail('no access')
const library = openLibrary((reason) => expect.fail(reason))

/** How each transaction was done; one that is large is made anew each time. */
let done: ('replayed' | 'large' | 'made')[] = []
const LARGE = 30_000
const run: RunTransaction = async (transaction, place) => {
  const result = await library.run(transaction, place)
  const otherwise = transaction.toJSONText().length > LARGE ? 'large' : 'made'
  if (result.kind === 'done') done.push(result.isReplayed === true ? 'replayed' : otherwise)
  return result
}
const backend = nftablesBackendBy(run)

const places = PODS.map((pod): OpenNetns => {
  const name = `mnpd-alike-${pod}-${process.pid}`
  return { path: `/run/netns/${name}`, id: name, [Symbol.asyncDispose]: async () => {} }
})

beforeAll(async () => {
  for (const { id } of places) await execa('ip', ['netns', 'add', id])
})
afterAll(async () => {
  await library[Symbol.asyncDispose]()
  for (const { id } of places) await execa('ip', ['netns', 'delete', id])
})

function expected({ path }: OpenNetns): Expected {
  const [cookie, generation] = [access.cookie(path), access.generation(path)]
  if (cookie === undefined || generation === undefined) return expect.fail(`${path} cannot be looked at`)
  return { cookie, generation, isAssumed: true }
}

const of = (ruleset: Ruleset, pod: string): Ruleset => ({ ...ruleset, pod: `x/${pod}` as never })

async function write(from: Ruleset | undefined, to: Ruleset, pod: number): Promise<WriteOutcome> {
  const [name = '', netns] = [PODS[pod], places[pod] ?? expect.fail('no place')]
  const stands =
    from === undefined ? { found: { kind: 'absent' as const } } : { stands: backend.print(of(from, name)) }
  return await backend
    .print(of(to, name))
    .write(netns, signal, { ...stands, alone: true, expected: expected(netns) })
}

async function expectStands(ruleset: Ruleset, pod: number): Promise<void> {
  const found = await listTable(TABLE, { netns: places[pod]?.path ?? '' })
  const standing = found.kind === 'listed' ? found.listing.tables[0] : undefined
  const { table } = printNftables(of(ruleset, PODS[pod] ?? ''))
  if (standing === undefined || table === undefined) return expect(standing).toBe(table)
  if (!sameTable(standing, table)) expect(tableLines(standing)).toEqual(tableLines(table))
}

async function clear(): Promise<void> {
  for (const { path } of places) await execa('nsenter', [`--net=${path}`, 'nft', 'flush', 'ruleset'])
}

test.each([
  ['any other ruleset', () => arbitraryRuleset],
  ['the same with other members', otherMembers],
] as const)('to %s', { timeout: 300_000 }, async (_, other) => {
  const pair = arbitraryRuleset.chain((before) => fc.tuple(fc.constant(before), other(before)))
  const property = fc.asyncProperty(pair, async ([before, after]) => {
    await clear()
    for (const [from, to] of [
      [undefined, before],
      [before, after],
      [after, before],
    ] as const) {
      for (const pod of PODS.keys()) {
        done = []
        expect(await write(from, to, pod)).toMatchObject({ kind: 'done' })
        if (pod >= 2) expect(done).not.toContain('made')
        await expectStands(to, pod)
      }
    }
  })
  await fc.assert(property, { seed, numRuns: 25, endOnFailure: true })
})

test('one that is not as it was thought does not get it, and the others do', async () => {
  await clear()
  const [before, after] = fc.sample(arbitraryRuleset, { seed, numRuns: 2 }) as [Ruleset, Ruleset]
  for (const pod of PODS.keys()) await write(undefined, before, pod)
  for (const pod of [0, 1]) await write(before, after, pod)
  const [, , third] = places
  const looked = expected(third ?? expect.fail())
  const root = ['flush', 'chain', TABLE.family, TABLE.name, 'input']
  await execa('nsenter', [`--net=${third?.path}`, 'nft', ...root])
  const outcome = await backend.print(of(after, 'c')).write(third ?? expect.fail(), signal, {
    ...{ stands: backend.print(of(before, 'c')), alone: true, expected: looked },
  })
  expect(outcome).toEqual({ kind: 'moved', commits: 0 })
  done = []
  expect(await write(before, after, 3)).toMatchObject({ kind: 'done' })
  expect(done).toContain('replayed')
  await expectStands(after, 3)
})
