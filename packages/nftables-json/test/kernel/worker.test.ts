/** What libnftables in a process that stays does to a ruleset: the same as nft by a process, and nothing elsewhere. */
import { readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NetnsAccess, openNetnsAccess } from '../../src/in-process/netns-access.ts'
import { accept, type ListedTable, match, payload, setRef, Transaction, toText } from '../../src/index.ts'
import { run } from '../../src/run.ts'
import type { At } from '../../src/worker/index.ts'
import { HOLDERS, RULES, TABLE, tableHolding, tableWith } from '../constructs.ts'
import { openWorker } from './open-worker.ts'
import { scratchNetns } from './scratch.ts'

const scratch = scratchNetns('worker')
const other = scratchNetns('worker-other')
const netns = scratch.path

const notANetns = `/run/njson-worker-file-${process.pid}`
const nft = await openWorker()
const access: NetnsAccess = (await openNetnsAccess()) ?? expect.fail('no access')

beforeAll(async () => {
  await writeFile(notANetns, '')
})
afterAll(async () => {
  await rm(notANetns, { force: true })
})

function small(): Transaction {
  const transaction = new Transaction()
  transaction.replaceTable(TABLE).addChain({ name: 'c' })
  return transaction
}

/** A transaction that the builder takes and the kernel does not: the element is not there. */
function impossible(): Transaction {
  const transaction = small()
  const table = transaction.addTable({ family: 'inet', name: 'second' })
  table.addSet({ name: 's', type: 'ipv4_addr' })
  table.deleteElements('s', ['10.0.0.1'])
  return transaction
}

/** What a process of nft lists, and what is listed by the worker, less the numbers that differ with every look. */
async function listedByProcess({ list }: typeof scratch): Promise<unknown> {
  return withoutNumbers((await list()).tables)
}

async function listed(): Promise<unknown> {
  const result = await nft.listTable(TABLE, { netns })
  return result.kind === 'listed' ? withoutNumbers(result.listing.tables) : result
}

function withoutNumbers(tables: readonly ListedTable[]): unknown {
  return JSON.parse(JSON.stringify(tables).replace(/"(?:handle|expires)":[0-9]+/g, '"handle":0'))
}

async function tableNames(): Promise<readonly string[]> {
  return (await scratch.list()).tables.map((table) => table.name)
}

describe('the kernel has the same as by a process', () => {
  test.each([
    ...Object.entries(RULES).map(([name, rule]) => [`a rule of ${name}`, () => tableWith(rule)[0]] as const),
    ...Object.entries(HOLDERS).map(([name, add]) => [name, () => tableHolding(add)[0]] as const),
  ])('with %s', async (_, transaction) => {
    expect(await run(transaction(), { netns: other.path })).toEqual({ kind: 'done' })
    const wanted = await listedByProcess(other)
    expect(await nft.run(transaction(), { netns })).toEqual({ kind: 'done' })
    expect(await listed()).toEqual(wanted)
    expect(await nft.run(toText(transaction().commands), { netns })).toEqual({ kind: 'done' })
    expect(await listed()).toEqual(wanted)
  })
})

describe('run', () => {
  test('changes nothing when it only checks', async () => {
    await nft.run(small(), { netns })
    const second = new Transaction()
    second.replaceTable({ family: 'inet', name: 'second' })
    expect(await nft.run(second, { netns, check: true })).toEqual({ kind: 'done' })
    expect(await tableNames()).toEqual(['example'])
  })

  test('is refused as a whole when the kernel refuses a part', async () => {
    await nft.run(small(), { netns })
    expect(await nft.run(impossible(), { netns })).toEqual({
      kind: 'refused',
      reason: `libnftables in ${netns}: internal:0:0-0: Error: Could not process rule: No such file or directory`,
      stderr: expect.stringContaining('No such file or directory'),
    })
    expect(await nft.run(impossible(), { netns, check: true })).toMatchObject({ kind: 'refused' })
    expect(await tableNames()).toEqual(['example'])
  })

  test('refuses a script that is not all of it nft text', async () => {
    await nft.run(small(), { netns })
    const refused = [
      'add table inet second\nnonsense',
      'add table inet second\0nonsense',
      '{"nftables": [{"add": {"table": {"family": "inet", "name": "second"}}}]}',
    ]
    for (const script of refused) expect(await nft.run(script, { netns })).toMatchObject({ kind: 'refused' })
    expect(await tableNames()).toEqual(['example'])
  })

  test('leaves nothing of one script to the next', async () => {
    const script = 'define x = 10.0.0.1\nadd table inet example\n'
    expect(await nft.run(script, { netns })).toEqual({ kind: 'done' })
    expect(await nft.run(script, { netns })).toEqual({ kind: 'done' })
    expect(await nft.run('add rule inet example c ip saddr $x', { netns })).toMatchObject({ kind: 'refused' })
  })

  test('sees what others have changed since', async () => {
    const transaction = new Transaction()
    const table = transaction.replaceTable(TABLE)
    table.addSet({ name: 's', type: 'ipv4_addr', flags: ['interval'], elem: ['10.0.0.1'] })
    table.addChain({ name: 'c' })
    table.addRule('c', [match(payload('ip', 'saddr'), setRef('s')), accept])
    await nft.run(transaction, { netns })
    expect(await nft.listTable(TABLE, { netns })).toMatchObject({ kind: 'listed' })
    await scratch.nft(['flush', 'set', 'inet', 'example', 's'])
    await scratch.nft(['add', 'element', 'inet', 'example', 's', '{ 10.9.0.0/16 }'])
    expect(await listed()).toEqual(await listedByProcess(scratch))
    expect(await nft.run('add element inet example s { 10.9.1.0-10.9.2.1 }', { netns })).toMatchObject({
      kind: 'refused',
      stderr: expect.stringContaining('overlaps'),
    })
  })

  test('fails when it is cancelled before its turn', async () => {
    const aborted = new AbortController()
    const others = Array.from({ length: 4 }, () => nft.run(small(), { netns }))
    const last = nft.run('add table inet second', { netns, signal: aborted.signal })
    aborted.abort()
    expect(await last).toEqual({ kind: 'failed', reason: `libnftables in ${netns}: was cancelled` })
    expect(await Promise.all(others)).toEqual(others.map(() => ({ kind: 'done' })))
    expect(await nft.run(small(), { netns, signal: aborted.signal })).toMatchObject({ kind: 'failed' })
    expect(await tableNames()).toEqual(['example'])
  })
})

describe('listTable', () => {
  test('finds a table absent', async () => {
    expect(await nft.listTable({ family: 'inet', name: 'gone' }, { netns })).toEqual({ kind: 'absent' })
  })

  test('takes a name for a name, whatever is in it', async () => {
    await nft.run(small(), { netns })
    const name = 'x; flush ruleset'
    expect(await nft.listTable({ family: 'inet', name }, { netns })).toEqual({ kind: 'absent' })
    expect(await tableNames()).toEqual(['example'])
  })
})

describe('a netns', () => {
  test.each([
    ['not there', '/run/netns/njson-never'],
    ['a plain file', notANetns],
    ['a namespace of another kind', '/proc/self/ns/pid'],
    ['a path below a file', `${notANetns}/net`],
    ['of a process that has ended', '/proc/4194304/ns/net'],
  ])('that is %s is gone', async (_, path) => {
    expect(await nft.run(small(), { netns: path })).toMatchObject({ kind: 'netns-gone' })
    expect(await nft.listTable(TABLE, { netns: path })).toMatchObject({ kind: 'netns-gone' })
  })

  test('is left after each command, whatever came of it', async () => {
    const own = await readlink('/proc/self/ns/net')
    for (const job of [small(), impossible(), 'nonsense']) await nft.run(job, { netns })
    await nft.run(small(), { netns: notANetns })
    await nft.run(small(), { netns, expected: { cookie: 1n, generation: 1 } })
    for (const process of ['self', nft.pid]) {
      const threads = await readdir(`/proc/${process}/task`)
      const after = threads.map((thread) => readlink(`/proc/${process}/task/${thread}/ns/net`))
      expect(new Set(await Promise.all(after))).toEqual(new Set([own]))
    }
  })

  test('that is not named is the own one of the process', async () => {
    const [unnamed, own] = await Promise.all(
      [{}, { netns: '/proc/self/ns/net' }].map((where) => nft.listTable(TABLE, where)),
    )
    expect(unnamed).toEqual(own)
  })
})

describe('what is expected of a netns', () => {
  const known = (path = netns): At => ({
    cookie: access.cookie(path) ?? expect.fail('no cookie'),
    generation: access.generation(path) ?? expect.fail('no generation'),
  })

  test('is held against it right before, and its generation told right after', async () => {
    await nft.run(small(), { netns })
    const before = known()
    const done = await nft.run(small(), { netns, expected: before })
    expect(done).toEqual({ kind: 'done', at: { ...before, generation: before.generation + 1 } })
    expect(known()).toEqual({ ...before, generation: before.generation + 1 })
    const refused = await nft.run(impossible(), { netns, expected: known() })
    expect(refused).toMatchObject({ kind: 'refused' })
  })

  test.each([
    ['after a commit of somebody else', async () => await scratch.nft(['add', 'table', 'inet', 'second'])],
    ['in another namespace', undefined],
  ])('is not so %s, and nothing is run', async (_, happens) => {
    await nft.run(small(), { netns })
    // Both in one generation: the number alone does not tell them apart.
    for (const path of [netns, other.path]) await nft.run(small(), { netns: path })
    const expected =
      happens === undefined ? { ...known(other.path), generation: known().generation } : known()
    await happens?.()
    const before = await listedByProcess(scratch)
    const third = new Transaction()
    third.addTable({ family: 'inet', name: 'third' })
    expect(await nft.run(third, { netns, expected })).toMatchObject({ kind: 'moved' })
    expect(await listedByProcess(scratch)).toEqual(before)
  })
})
