/**
 * A pod's table written over what stands, in the real kernel: whatever stood, the same table stands in the end, and what did
 * not have to be touched goes on counting.
 */
import { execa } from 'execa'
import fc from 'fast-check'
import { type ListedTable, sameTable, type Transaction, tableLines } from 'nftables-json'
import { openNetnsAccess } from 'nftables-json/netns'
import { listTable, run } from 'nftables-json/run'
import { NftWorker } from 'nftables-json/worker'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { nftablesBackend, nftablesBackendBy } from '../../src/apply/nftables-backend.ts'
import { openLibrary } from '../../src/apply/nftables-library.ts'
import { type Place, type RunTransaction, runByProcess } from '../../src/apply/nftables-write.ts'
import { changeTable } from '../../src/compile/nftables/change.ts'
import { printNftables } from '../../src/compile/nftables/printer.ts'
import { TABLE } from '../../src/compile/nftables/table.ts'
import type { Ruleset } from '../../src/compile/ruleset.ts'
import { seed } from '../seed.ts'
import { arbitraryRuleset, otherMembers } from '../unit/compile/nftables-change-rulesets.ts'

const PAIRS = 120
const NAME = `mnpd-write-${process.pid}`
const netns = { path: `/run/netns/${NAME}`, id: NAME, [Symbol.asyncDispose]: async () => {} }
const { signal } = new AbortController()
const place: Place = { netns, signal, alone: true }

beforeAll(async () => {
  await execa('ip', ['netns', 'add', NAME])
})
afterAll(async () => {
  await execa('ip', ['netns', 'delete', NAME])
})
beforeEach(async () => {
  await nft('flush ruleset')
})

async function nft(script: string): Promise<string> {
  return (await execa('nsenter', [`--net=${netns.path}`, 'nft', '-f', '-'], { input: script })).stdout
}

async function standing(): Promise<ListedTable | undefined> {
  const listed = await listTable(TABLE, { netns: netns.path })
  return listed.kind === 'listed' ? listed.listing.tables[0] : undefined
}

async function expectStands(ruleset: Ruleset | undefined): Promise<void> {
  const found = await standing()
  const { table } = printNftables(ruleset)
  if (found === undefined || table === undefined) return expect(found).toBe(table)
  expect(tableLines(found)).toEqual(tableLines(table))
}

const [one, two, three] = fc.sample(arbitraryRuleset, { seed, numRuns: 3 }) as [Ruleset, Ruleset, Ruleset]

/** `ok` may send to port 80, and so may the other address; the second rule never changes. */
function allowing(...addresses: readonly string[]): Ruleset {
  const ports = {
    kind: 'only' as const,
    ports: [{ protocol: 'TCP' as const, ranges: [{ first: 80, last: 80 }] }],
  }
  const rule = (number: number, some: readonly string[]) => ({
    rule: number,
    peers: { kind: 'only' as const, addresses: some as never, ranges: [] },
    ports,
    endpoints: [],
  })
  const places = { ingress: [0, 1], egress: [] }
  return {
    ...one,
    custom: { ingress: [], egress: [] },
    policies: [
      { policy: 'x/p' as never, allows: { ingress: [rule(0, addresses)], egress: undefined } },
      { policy: 'x/q' as never, allows: { ingress: [rule(0, ['10.0.0.9'])], egress: undefined } },
    ],
    interfaces: [{ name: 'net1', networks: ['x/red' as never], isolatedBy: places, allowedBy: places }],
  }
}

describe('from any table to any other', { timeout: 300_000 }, () => {
  test.each([
    ['any other ruleset', () => arbitraryRuleset],
    ['the same with other members', otherMembers],
  ] as const)('%s stands as if it had been written afresh', async (_, other) => {
    await using library = await openWorker()
    const commit = async (transactions: readonly Transaction[]): Promise<void> => {
      for (const transaction of transactions)
        expect(await library.run(transaction, { netns: netns.path })).toEqual({ kind: 'done' })
    }
    const listing = async (): Promise<ListedTable> => {
      const listed = await library.listTable(TABLE, { netns: netns.path })
      return listed.kind === 'listed'
        ? (listed.listing.tables[0] ?? expect.fail('no table'))
        : expect.fail(listed.kind)
    }
    const pair = arbitraryRuleset.chain((before) =>
      fc.tuple(fc.constant(before), other(before), fc.boolean()),
    )
    const property = fc.asyncProperty(pair, async ([before, after, byListing]) => {
      const [old, wanted] = [printNftables(before), printNftables(after)]
      await commit(changeTable(undefined, old))
      await commit(changeTable(byListing ? await listing() : old.table, wanted))
      const found = await listing()
      if (wanted.table === undefined || !sameTable(found, wanted.table))
        expect(tableLines(found)).toEqual(wanted.table && tableLines(wanted.table))
      await commit([printNftables(undefined).transaction])
    })
    await fc.assert(property, { seed, numRuns: PAIRS })
  })

  async function openWorker(): Promise<NftWorker> {
    const opened = await NftWorker.open()
    return opened.kind === 'opened' ? opened.nft : expect.fail(opened.reason)
  }
})

describe('what stands is changed', () => {
  test('elements come and go, and no rule that counts is touched', async () => {
    await nftablesBackend.print(allowing('10.0.0.1')).write(netns, signal)
    const handles = await rulesOf('policy-0-ingress')
    await nftablesBackend.print(allowing('10.0.0.2', '10.0.0.3')).write(netns, signal)
    await expectStands(allowing('10.0.0.2', '10.0.0.3'))
    expect(await rulesOf('policy-0-ingress')).toEqual(handles)
    expect(handles).toHaveLength(1)
  })

  test('the rules of a policy that did not change keep their counts while another one changes', async () => {
    const before = nftablesBackend.print(allowing('10.0.0.1'))
    await before.write(netns, signal)
    const handles = await rulesOf('policy-1-ingress')
    const after = { ...allowing('10.0.0.1'), interfaces: allowing().interfaces }
    const [first, second] = after.policies
    const changed: Ruleset = {
      ...after,
      policies: [
        {
          ...first,
          allows: { ingress: [{ ...first?.allows.ingress?.[0], ports: { kind: 'any' } }], egress: undefined },
        },
        second,
      ] as never,
    }
    await nftablesBackend.print(changed).write(netns, signal, { stands: before })
    await expectStands(changed)
    expect(await rulesOf('policy-1-ingress')).toEqual(handles)
  })

  test('what is not as it was thought is listed, and changed from there', async () => {
    const thought = nftablesBackend.print(allowing('10.0.0.1'))
    await nftablesBackend.print(allowing('10.0.0.3')).write(netns, signal)
    const outcome = await nftablesBackend
      .print(allowing('10.0.0.2'))
      .write(netns, signal, { stands: thought })
    expect(outcome).toEqual({ kind: 'done', commits: 1 })
    await expectStands(allowing('10.0.0.2'))
  })

  test.each([
    ['that is not there, though it was thought to be', ''],
    [
      'of somebody else',
      'table inet multi_networkpolicy { map m { type ifname : verdict; }; chain c { iifname vmap @m; }; }',
    ],
    ['with objects of other kinds in ours', 'table inet multi_networkpolicy { quota q { over 1 mbytes; }; }'],
    [
      'in which somebody put a chain with a hook',
      'table inet multi_networkpolicy { chain h { type filter hook input priority -5; accept; }; }',
    ],
    ['in which somebody changed rules', 'insert rule inet multi_networkpolicy policy-0-ingress accept'],
    ['that the pod made dormant', 'table inet multi_networkpolicy { flags dormant; }'],
  ])('a table %s is made right', async (what, script) => {
    if (!what.startsWith('that is not') && !what.startsWith('of some'))
      await nftablesBackend.print(two).write(netns, signal)
    await nft(script)
    await nftablesBackend
      .print(three)
      .write(netns, signal, what.startsWith('that is not') ? { stands: nftablesBackend.print(two) } : {})
    await expectStands(three)
    await nftablesBackend.print(undefined).write(netns, signal)
    await expectStands(undefined)
  })

  test('an interrupted change is finished from where it stopped', async () => {
    const { table } = printNftables(two)
    for (const stop of [0, 1, 2, 3]) {
      await nftablesBackend.print(two).write(netns, signal)
      for (const transaction of changeTable(table, printNftables(three)).slice(0, stop))
        await run(transaction, { netns: netns.path })
      await nftablesBackend.print(three).write(netns, signal)
      await expectStands(three)
    }
  })

  test('as many commits are told of as the generation has grown by', async () => {
    const access = (await openNetnsAccess()) ?? expect.fail('no access')
    for (const ruleset of [one, two, three, undefined, three]) {
      const before = access.generation(netns.path) ?? 0
      const outcome = await nftablesBackend.print(ruleset).write(netns, signal)
      expect(outcome).toEqual({ kind: 'done', commits: (access.generation(netns.path) ?? 0) - before })
    }
  })
})

describe('by libnftables', () => {
  test('it writes where nobody else has written, and a process does elsewhere', async () => {
    await using library = openLibrary((reason) => expect.fail(reason))
    const backend = nftablesBackendBy(library.run)
    for (const alone of [true, false]) {
      await withoutPrograms(async () => {
        const outcome = await backend.print(one).write(netns, signal, { found: { kind: 'absent' }, alone })
        expect(outcome.kind).toBe(alone ? 'done' : 'failed')
      })
    }
    await backend.print(two).write(netns, signal, { stands: backend.print(one), alone: true })
    await expectStands(two)
  })

  test('what it fails at, a process does', async () => {
    const fails: RunTransaction = async () => ({ kind: 'failed', reason: 'made up' })
    const commitsAndFails: RunTransaction = async (transaction) => {
      await runByProcess(transaction, place)
      return { kind: 'failed', reason: 'made up' }
    }
    for (const run of [fails, commitsAndFails]) {
      await nftablesBackend.print(one).write(netns, signal)
      const known = { stands: nftablesBackend.print(one), alone: true }
      const outcome = await nftablesBackendBy(run).print(two).write(netns, signal, known)
      expect(outcome).toEqual({ kind: 'done', commits: undefined })
      await expectStands(two)
    }
  })

  test('where it hangs, a process does it from then on, and elsewhere it is used as before', async () => {
    const told: string[] = []
    await using library = openLibrary((reason) => void told.push(reason), 0)
    const backend = nftablesBackendBy(library.run)
    for (const ruleset of [one, two, three]) {
      expect((await backend.print(ruleset).write(netns, signal, { alone: true })).kind).toBe('done')
      await expectStands(ruleset)
    }
    expect(told).toEqual([expect.stringContaining('ran longer than 0 ms')])
    await backend.print(one).write({ ...netns, id: 'another' }, signal, { alone: true })
    expect(told).toHaveLength(2)
  })
})

/** While no program can be started. */
async function withoutPrograms(work: () => Promise<void>): Promise<void> {
  const { PATH } = process.env
  process.env['PATH'] = '/nowhere'
  try {
    await work()
  } finally {
    process.env['PATH'] = PATH
  }
}

async function rulesOf(chain: string): Promise<readonly unknown[]> {
  const table = await standing()
  return table?.chains.find(({ name }) => name === chain)?.rules.map(({ handle }) => handle) ?? []
}
