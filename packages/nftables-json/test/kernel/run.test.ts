/** How a run ends, with the real programs. */
import { rm, writeFile } from 'node:fs/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { accept, element, match, payload, setRef, Transaction } from '../../src/index.ts'
import { listTable, run } from '../../src/run.ts'
import { TABLE } from '../constructs.ts'
import { committed, scratchNetns } from './scratch.ts'

const scratch = scratchNetns('run')
const netns = scratch.path

const notANetns = `/run/njson-file-${process.pid}`
const neverEnding = `/run/njson-program-${process.pid}`
afterAll(() => Promise.all([notANetns, neverEnding].map((path) => rm(path, { force: true }))))

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

const gone = { family: 'inet', name: 'gone' } as const

describe('run', () => {
  test('is done when the kernel has it', async () => {
    expect(await run(small(), { netns })).toEqual({ kind: 'done' })
    expect((await scratch.list()).tables.map((table) => table.name)).toEqual(['example'])
  })

  test('changes nothing when it only checks', async () => {
    const other = new Transaction()
    other.replaceTable({ family: 'inet', name: 'other' })
    expect(await run(other, { netns, check: true })).toEqual({ kind: 'done' })
    expect((await scratch.list()).tables.map((table) => table.name)).toEqual(['example'])
  })

  test('is refused as a whole when the kernel refuses a part', async () => {
    await run(small(), { netns })
    const result = await run(impossible(), { netns })
    expect(result).toEqual({
      kind: 'refused',
      reason: `nsenter --net=${netns} nft -j -f -: internal:0:0-0: Error: Could not process rule: No such file or directory`,
      stderr: expect.stringContaining('No such file or directory'),
    })
    expect((await scratch.list()).tables.map((table) => table.name)).toEqual(['example'])
  })

  test('replaces a table that is there, and deletes one that may not be', async () => {
    await run(small(), { netns })
    expect(await run(small(), { netns })).toEqual({ kind: 'done' })
    const deleting = new Transaction()
    deleting.deleteTable(TABLE)
    deleting.deleteTable(gone)
    expect(await run(deleting, { netns })).toEqual({ kind: 'done' })
    expect((await scratch.list()).tables).toEqual([])
  })

  test('finds the netns gone when the path is', async () => {
    expect(await run(small(), { netns: '/run/netns/njson-never' })).toEqual({
      kind: 'netns-gone',
      reason:
        'nsenter --net=/run/netns/njson-never nft -j -f -: nsenter: cannot open /run/netns/njson-never: No such file or directory',
    })
  })

  test.each([
    ['a plain file', notANetns],
    ['a namespace of another kind', '/proc/self/ns/pid'],
    ['a path below a file', `${notANetns}/net`],
    ['the namespace of a process that has ended', '/proc/4194304/ns/net'],
  ])('finds the netns gone when the path is %s', async (_, path) => {
    await writeFile(notANetns, '')
    expect(await run(small(), { netns: path })).toMatchObject({ kind: 'netns-gone' })
    expect(await listTable(TABLE, { netns: path })).toMatchObject({ kind: 'netns-gone' })
  })

  test('fails when there is no such program, with and without a netns', async () => {
    const nft = '/usr/sbin/no-such-nft'
    expect(await run(small(), { netns, nft })).toMatchObject({ kind: 'failed' })
    expect(await run(small(), { nft })).toEqual({
      kind: 'failed',
      reason: expect.stringMatching(/^\/usr\/sbin\/no-such-nft -j -f -: .*ENOENT/),
    })
  })

  test('fails when it takes too long', async () => {
    await writeFile(neverEnding, '#!/bin/sh\nexec tail -f /dev/null\n', { mode: 0o755 })
    expect(await run(small(), { netns, nft: neverEnding, timeoutMs: 200 })).toEqual({
      kind: 'failed',
      reason: expect.stringContaining('ran longer than 200 ms'),
    })
  })

  test('fails when it is cancelled', async () => {
    const signal = AbortSignal.abort()
    expect(await run(small(), { netns, signal })).toEqual({
      kind: 'failed',
      reason: `nsenter --net=${netns} nft -j -f -: was cancelled`,
    })
  })

  test('takes more than a pipe or an argument list would hold', async () => {
    const transaction = new Transaction()
    const table = transaction.replaceTable(TABLE)
    const addresses = Array.from({ length: 20_000 }, (_, n) => `10.0.${n >> 8}.${n & 255}`)
    table.addSet({
      name: 'many',
      type: 'ipv4_addr',
      elem: addresses.map((address) => element(address, { comment: 'c' })),
    })
    table.addChain({ name: 'c' })
    table.addRule('c', [match(payload('ip', 'saddr'), setRef('many')), accept])
    expect((await committed(scratch, transaction)).sets[0]?.elem).toHaveLength(20_000)
  })
})

describe('listTable', () => {
  test('lists a table that is there', async () => {
    await run(small(), { netns })
    expect(await listTable(TABLE, { netns })).toMatchObject({
      kind: 'listed',
      listing: { tables: [{ family: 'inet', name: 'example', chains: [{ name: 'c', rules: [] }] }] },
    })
  })

  test('finds a table absent', async () => {
    expect(await listTable(gone, { netns })).toEqual({ kind: 'absent' })
  })

  test('takes a name for a name, whatever is in it', async () => {
    await run(small(), { netns })
    const name = 'x; flush ruleset'
    expect(await listTable({ family: 'inet', name }, { netns })).toEqual({ kind: 'absent' })
    expect((await scratch.list()).tables).toHaveLength(1)
  })
})

describe('a listing that is as large as others make it', () => {
  const bounds = { output: 1_000_000, memoryKib: 65_536, cpuSeconds: 5 }

  test('is had where it keeps within its bounds, and else is too large', async () => {
    const transaction = new Transaction()
    const elem = Array.from({ length: 50_000 }, (_, n) => `10.0.${n >> 8}.${n & 255}`)
    transaction.replaceTable(TABLE).addSet({ name: 's', type: 'ipv4_addr', elem })
    await run(transaction, { netns })
    expect((await listTable(TABLE, { netns, bounds })).kind).toBe('listed')
    for (const less of [{ output: 10_000 }, { memoryKib: 8_192 }]) {
      const within = { ...bounds, ...less }
      const reason = `it takes more than ${within.output} characters, ${within.memoryKib} KiB of memory or 5 s of CPU time`
      expect(await listTable(TABLE, { netns, bounds: within })).toEqual({
        kind: 'too-large',
        reason: expect.stringContaining(reason),
      })
    }
    await run(small(), { netns })
  })

  test('is gone or absent all the same', async () => {
    expect(await listTable(gone, { netns, bounds })).toEqual({ kind: 'absent' })
    expect((await listTable(TABLE, { netns: '/run/netns/no-such', bounds })).kind).toBe('netns-gone')
  })
})
