/** Transactions that are alike: from the second on their batch is sent as libnftables made it once, and comes to the same. */
import { execaSync } from 'execa'
import koffi from 'koffi'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { readGenerationBy } from '../../src/in-process/generation.ts'
import { LateClose } from '../../src/in-process/late-close.ts'
import { loadLibc } from '../../src/in-process/libc.ts'
import { openNetfilterSocket } from '../../src/in-process/netfilter-socket.ts'
import { openNetnsAccess } from '../../src/in-process/netns-access.ts'
import {
  accept,
  drop,
  type Expression,
  fib,
  match,
  meta,
  parseListing,
  payload,
  prefix,
  range,
  setRef,
  type TableHandle,
  Transaction,
  tableLines,
} from '../../src/index.ts'
import type { At, WorkerResult } from '../../src/worker/index.ts'
import { loadLibnftables, type RunCommand } from '../../src/worker/libnftables.ts'
import { Replay } from '../../src/worker/replay.ts'
import { addReferents, HOLDERS, RULES, TABLE } from '../constructs.ts'
import { openWorker } from './open-worker.ts'
import { type Scratch, scratchNetns } from './scratch.ts'

const [first, second, third] = [scratchNetns('again-1'), scratchNetns('again-2'), scratchNetns('again-3')]
const ALL = [first, second, third]

const access = (await openNetnsAccess()) ?? expect.fail('no access')
const nft = await openWorker()

beforeEach(async () => {
  for (const { nft: by } of ALL) await by(['flush', 'ruleset'])
})

const known = ({ path }: Scratch): At => ({
  cookie: access.cookie(path) ?? expect.fail('no cookie'),
  generation: access.generation(path) ?? expect.fail('no generation'),
})

let lastKey = 0
function newKey(): string {
  lastKey += 1
  return `key ${lastKey}`
}

/** A table with what is built, and two rules that say whose it is. */
function table(key: string, whose: string, build: (table: TableHandle) => void): Transaction {
  const transaction = new Transaction()
  const handle = transaction.replaceTable(TABLE)
  build(handle)
  handle.addChain({ name: 'says' })
  const own = new Transaction()
  own.share(transaction.commands)
  const says = own.table(TABLE, { tables: [handle.contents], unknown: [] })
  says.addRule('says', [accept], whose)
  says.addRule('says', [accept], `of ${whose}`)
  return own.alike(key)
}

async function runIn(scratch: Scratch, transaction: Transaction): Promise<WorkerResult> {
  return await nft.run(transaction, { netns: scratch.path, expected: known(scratch) })
}

const listing = async ({ nft: by }: Scratch): Promise<string> => await by(['-a', 'list', 'ruleset'])

const WHOSE = ['pod one', 'somebody with a longer name', 'pod 3']

/** In the three namespaces, one after the other. */
async function inAll(of: (whose: string) => Transaction): Promise<readonly WorkerResult[]> {
  const results: WorkerResult[] = []
  for (const [n, scratch] of ALL.entries()) results.push(await runIn(scratch, of(WHOSE[n] ?? '')))
  return results
}

/** That the second and third were sent again, and all three list the same but for the comments. */
async function expectSame(results: readonly WorkerResult[], replayed: boolean): Promise<void> {
  expect(results.map((result) => (result.kind === 'done' ? (result.isReplayed ?? false) : result))).toEqual([
    false,
    replayed,
    replayed,
  ])
  const tables = await Promise.all(
    ALL.map(async ({ nft: by }, n) => {
      const text = await by(['-j', 'list', 'table', TABLE.family, TABLE.name])
      expect(text).toContain(`"of ${WHOSE[n]}"`)
      return parseListing(text.replaceAll(`${WHOSE[n]}"`, 'whose"')).tables[0] ?? expect.fail('no table')
    }),
  )
  for (const each of tables) expect(tableLines(each)).toEqual(tableLines(tables[0] ?? each))
}

describe('what libnftables sent once', () => {
  test.each(Object.entries(RULES))('is the same rule: %s', async (_, rule) => {
    const key = newKey()
    const results = await inAll((whose) =>
      table(key, whose, (handle) => {
        addReferents(handle)
        handle.addChain({ name: 'c' })
        handle.addRule('c', rule, 'a comment of all')
      }),
    )
    await expectSame(results, true)
  })

  test.each(Object.entries(HOLDERS))('is the same set: %s', async (_, build) => {
    const key = newKey()
    const results = await inAll((whose) =>
      table(key, whose, (handle) => {
        handle.addChain({ name: 'other' })
        build(handle)
      }),
    )
    await expectSame(results, true)
  })

  test('changes what stands in the same way', async () => {
    const key = newKey()
    const build = (handle: TableHandle): void => {
      handle.addSet({ name: 'hosts', type: 'ipv4_addr', elem: ['10.0.0.1', '10.0.0.2'] })
      handle.addSet({ name: 'nets', type: 'ipv4_addr', flags: ['interval'], elem: [prefix('10.1.0.0', 16)] })
      handle.addSet({ name: 'gone', type: 'ipv6_addr', elem: ['fd00::1'] })
      handle.addChain({ name: 'empty' })
      handle.addChain({ name: 'c' })
      handle.addRule('c', [match(payload('ip', 'saddr'), setRef('hosts')), accept])
    }
    const before = (whose: string): Transaction => table(key, whose, build)
    await inAll(before)
    const next = newKey()
    const change = (whose: string): Transaction => {
      const transaction = new Transaction()
      const { contents } = standing()
      const handle = transaction.table(TABLE, { tables: [contents], unknown: [] })
      handle.addElements('hosts', ['10.0.0.3'])
      handle.deleteElements('hosts', ['10.0.0.1'])
      handle.addElements('nets', [range('10.3.0.0', '10.3.0.9')])
      handle.deleteElements('nets', [prefix('10.1.0.0', 16)])
      handle.delete('set', 'gone')
      handle.addSet({ name: 'gone', type: 'ipv4_addr', elem: ['10.0.0.9'] })
      handle.flushChain('c')
      handle.addRule('c', [match(payload('ip', 'saddr'), setRef('gone')), drop])
      handle.delete('chain', 'empty')
      const own = new Transaction()
      own.share(transaction.commands)
      const says = own.table(TABLE, { tables: [contents], unknown: [] })
      says.flushChain('says')
      says.addRule('says', [accept], whose)
      says.addRule('says', [accept], `of ${whose}`)
      return own.alike(next)
    }
    const standing = (): TableHandle => {
      const handle = new Transaction().replaceTable(TABLE)
      build(handle)
      handle.addChain({ name: 'says' })
      return handle
    }
    await expectSame(await inAll(change), true)
  })

  test('comes with the comments of its own, however long', async () => {
    const key = newKey()
    const of = (whose: string): Transaction => table(key, whose, (handle) => handle.addChain({ name: 'c' }))
    await inAll(of)
    for (const whose of ['', 'é', 'x'.repeat(120), "a'b"]) {
      expect(await runIn(first, of(whose))).toMatchObject({ isReplayed: true })
      expect(await listing(first)).toContain(`comment "of ${whose}"`)
    }
  })

  test('is of 500 addresses too, and of many more is made anew', async () => {
    const hosts = (count: number): readonly Expression[] =>
      Array.from({ length: count }, (_, n) => `10.0.${n >> 8}.${n & 255}`)
    for (const [count, replayed] of [
      [500, true],
      [20_000, false],
    ] as const) {
      const key = newKey()
      const results = await inAll((whose) =>
        table(key, whose, (handle) => handle.addSet({ name: 's', type: 'ipv4_addr', elem: hosts(count) })),
      )
      await expectSame(results, replayed)
    }
  })
})

describe('where it is not sent again', () => {
  const small = (key: string, whose: string): Transaction =>
    table(key, whose, (handle) => handle.addChain({ name: 'c' }))

  test('a namespace that somebody has changed since stays as it is', async () => {
    const key = newKey()
    await inAll((whose) => small(key, whose))
    const expected = known(first)
    await first.nft(['add', 'table', 'inet', 'second'])
    const before = await listing(first)
    const result = await nft.run(small(key, 'late'), { netns: first.path, expected })
    expect(result).toMatchObject({ kind: 'moved', reason: expect.stringContaining('generation') })
    expect(await listing(first)).toBe(before)
  })

  test('so does another namespace than was meant', async () => {
    const key = newKey()
    await inAll((whose) => small(key, whose))
    const before = await listing(first)
    const expected = { ...known(first), cookie: known(second).cookie }
    const result = await nft.run(small(key, 'lost'), { netns: first.path, expected })
    expect(result).toMatchObject({ kind: 'moved', reason: expect.stringContaining('another') })
    expect(await listing(first)).toBe(before)
  })

  test('and one that is gone', async () => {
    const key = newKey()
    await inAll((whose) => small(key, whose))
    const expected = known(first)
    const result = await nft.run(small(key, 'gone'), { netns: '/run/netns/njson-none', expected })
    expect(result).toMatchObject({ kind: 'netns-gone' })
  })

  test('what the kernel refuses is done by libnftables, which says why', async () => {
    const key = newKey()
    const transaction = (): Transaction => {
      const own = new Transaction()
      own.share([
        { add: { table: TABLE } },
        { add: { chain: { family: 'inet', table: 'example', name: 'c' } } },
      ])
      own.share([
        { add: { rule: { family: 'inet', table: 'example', chain: 'c', expr: [accept], comment: 'one' } } },
        { delete: { chain: { family: 'inet', table: 'example', name: 'd' } } },
      ])
      return own.alike(key)
    }
    for (const { nft: by } of [first, second]) await by(['-f', '-'], 'table inet example { chain d { }; }')
    const results = await inAll(transaction)
    expect(results.map(({ kind }) => kind)).toEqual(['done', 'done', 'refused'])
    expect(results[2]).toMatchObject({ reason: expect.stringContaining('No such file or directory') })
    expect(await listing(third)).toBe('')
  })

  test('what could not be learned from the first, elsewhere than expected, is from the next', async () => {
    const key = newKey()
    const expected = { ...known(first), cookie: 1n }
    expect(await nft.run(small(key, 'lost'), { netns: first.path, expected })).toMatchObject({
      kind: 'moved',
    })
    expect(await runIn(second, small(key, 'a'))).not.toHaveProperty('isReplayed')
    expect(await runIn(third, small(key, 'b'))).toMatchObject({ isReplayed: true })
  })

  test('a process that is new is told all of it again', async () => {
    const key = newKey()
    await inAll((whose) => small(key, whose))
    const { pid = 0 } = nft
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(() => expect(nft.pid).not.toBe(pid))
    expect(await runIn(first, small(key, 'x'))).toEqual({ kind: 'done', at: known(first) })
    expect(await runIn(first, small(key, 'y'))).not.toHaveProperty('isReplayed')
    expect(await runIn(first, small(key, 'z'))).toMatchObject({ kind: 'done', isReplayed: true })
    expect(await listing(first)).toContain('comment "of z"')
  })

  test('what may have changed nothing is never', async () => {
    const key = newKey()
    const results = await inAll(() => {
      const own = new Transaction()
      own.addTable(TABLE).addSet({ name: 's', type: 'ipv4_addr', elem: ['10.0.0.1'] })
      return own.alike(key)
    })
    expect(results.map((result) => 'isReplayed' in result)).toEqual([false, false, false])
  })

  test.each([
    ['iif', match(meta('iif'), 'lo')],
    ['sdif', match(meta('sdif'), 'lo')],
    ['fib', match(fib('oif', ['daddr']), 'lo')],
  ])('what means an interface by its number is never: %s', async (_, statement) => {
    const key = newKey()
    const results = await inAll((whose) =>
      table(key, whose, (handle) => {
        handle.addChain({ name: 'c', hook: { type: 'filter', hook: 'input', prio: 0, policy: 'accept' } })
        handle.addRule('c', [statement, accept])
      }),
    )
    await expectSame(results, false)
  })

  test.each([0, 2 ** 32])('nor is there a generation %d', async (generation) => {
    const key = newKey()
    await inAll((whose) => small(key, whose))
    const expected = { ...known(first), generation }
    const result = await nft.run(small(key, 'x'), { netns: first.path, expected })
    expect(result).toMatchObject({ kind: 'moved' })
  })

  test('what is learned is not what somebody had a part in', () => {
    const libc = loadLibc(koffi)
    const late = new LateClose(libc)
    const replay = new Replay(libc, late)
    const run = loadLibnftables(koffi, libc, late)
    const expected = known(first)
    const { likeness = expect.fail('not alike') } = small(newKey(), 'a')
    const command = { grammar: 'json', input: small(newKey(), 'a').toJSONText(), check: false } as const
    // Once the namespace was found as expected, and before libnftables has read anything.
    const afterRoot: RunCommand = (each) => {
      execaSync('nft', ['add', 'table', 'inet', 'second'])
      return run({ ...each, expected: { ...expected, generation: expected.generation + 1 } })
    }
    const learned = access.within(first.path, () => [
      replay.learn(likeness, command, expected, afterRoot),
      replay.again(likeness, expected),
    ])
    expect(learned).toMatchObject([{ kind: 'ran', code: 0, learned: 'not yet' }, { kind: 'unknown' }])
    const now = known(first)
    const later = access.within(first.path, () => [
      replay.learn(likeness, command, now, run),
      replay.again(likeness, { ...now, generation: now.generation + 1 }),
    ])
    expect(later).toMatchObject([{ kind: 'ran' }, { kind: 'ran', isReplayed: true }])
  })

  test.each([
    ['without a generation that is expected', { expected: undefined }],
    ['only to be checked', { check: true }],
  ])('nor is one %s', async (_, options) => {
    const key = newKey()
    await inAll((whose) => small(key, whose))
    const before = await listing(first)
    const expected = known(first)
    const given = { netns: first.path, expected, ...options }
    expect(await nft.run(small(key, 'x'), given)).not.toHaveProperty('isReplayed')
    if ('check' in options) expect(await listing(first)).toBe(before)
    else expect(await listing(first)).toContain('"of x"')
  })

  test('and one whose rules do not all have comments is not alike', () => {
    const transaction = small(newKey(), 'a')
    expect(transaction.likeness).toMatchObject({ comments: ['a', 'of a'] })
    const own = new Transaction()
    const handle = own.replaceTable(TABLE)
    handle.addChain({ name: 'c' })
    handle.addRule('c', [accept], 'says')
    handle.addRule('c', [accept])
    expect(own.alike(newKey()).likeness).toBeUndefined()
  })
})

test('nobody but the kernel is heard by a socket of ours', () => {
  const libc = loadLibc(koffi)
  const getsockname = koffi.load(null).func('int getsockname(int, _Out_ void *, _Inout_ void *)')
  const sent = access.within(first.path, () => {
    const [ours, theirs] = [openNetfilterSocket(libc), openNetfilterSocket(libc)]
    const address = new Uint8Array(12)
    expect(getsockname(ours, address, Uint8Array.from([12, 0, 0, 0]))).toBe(0)
    expect(libc.connect(theirs, address, address.length)).toBe(0)
    const message = new Uint8Array(20)
    new DataView(message.buffer).setUint32(0, message.length, true)
    const result = [libc.send(theirs, message, message.length, 0), libc.lastError()]
    const generation = readGenerationBy(libc, ours)
    for (const fd of [ours, theirs]) libc.close(fd)
    return [...result, generation]
  })
  expect(sent).toEqual([-1, 'ECONNREFUSED', known(first).generation])
})

test('a kind that has not been asked for lately is forgotten, and learned anew', async () => {
  const big = (key: string): Transaction =>
    table(key, 'x', (handle) =>
      handle.addSet({
        name: 's',
        type: 'ipv4_addr',
        elem: Array.from({ length: 1_500 }, (_, n) => `10.0.${n >> 8}.${n & 255}`),
      }),
    )
  const keys = Array.from({ length: 220 }, newKey)
  for (const key of keys) for (let time = 0; time < 2; time += 1) await runIn(first, big(key))
  const [oldest = '', newest = ''] = [keys[0], keys.at(-1)]
  expect(await runIn(first, big(newest))).toMatchObject({ isReplayed: true })
  expect(await runIn(first, big(oldest))).toEqual({ kind: 'done', at: known(first) })
})
