/** Sockets that are closed late are out of the way of those who find theirs by the lowest number that is free. */
import { readlinkSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import koffi from 'koffi'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { LateClose } from '../../src/in-process/late-close.ts'
import { loadLibc } from '../../src/in-process/libc.ts'
import { openNetfilterSocket } from '../../src/in-process/netfilter-socket.ts'

const libc = loadLibc(koffi)

function opened(): number {
  const fd = openNetfilterSocket(libc)
  return fd >= 0 ? fd : expect.fail(libc.lastError())
}

/** What the descriptor is of; undefined where there is none of that number. */
function fileOf(fd: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return undefined
  }
}

test('one that is given away leaves its number at once, and is open until later', async () => {
  const late = new LateClose(libc)
  const fd = opened()
  const file = fileOf(fd)
  late.add(fd)
  expect(fileOf(fd)).toBeUndefined()
  expect(fileOf(512)).toBe(file)
  await vi.waitFor(() => expect(fileOf(512)).toBeUndefined())
})

test('one that is kept is open behind the back of who closes it', async () => {
  const late = new LateClose(libc)
  const fd = opened()
  const file = fileOf(fd)
  expect(late.keep(fd)).toBe(true)
  libc.close(fd)
  expect(fileOf(512)).toBe(file)
  await vi.waitFor(() => expect(fileOf(512)).toBeUndefined())
})

test('beyond a number of them the oldest is closed', async () => {
  const late = new LateClose(libc, 2)
  for (let n = 0; n < 3; n += 1) late.add(opened())
  expect([fileOf(512), fileOf(513), fileOf(514)]).toEqual([undefined, expect.anything(), expect.anything()])
  await vi.waitFor(() => expect([fileOf(513), fileOf(514)]).toEqual([undefined, undefined]))
})

describe('where the namespace is known', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** As `keep` for a socket that is then closed. */
  function keep(late: LateClose, cookie: bigint): void {
    const fd = opened()
    late.keep(fd, cookie)
    libc.close(fd)
  }

  test('one can be had again, and is held anew', async () => {
    const late = new LateClose(libc)
    const fd = opened()
    const file = fileOf(fd)
    late.add(fd, 1n)
    expect(late.take(2n)).toBeUndefined()
    const again = late.take(1n) ?? expect.fail('is not held')
    expect(fileOf(again)).toBe(file)
    expect(late.take(1n)).toBeUndefined()
    vi.advanceTimersByTime(150)
    expect(fileOf(again)).toBe(file)
    late.add(again, 1n)
    vi.advanceTimersByTime(90)
    expect(fileOf(again)).toBe(file)
    await vi.waitFor(() => expect(fileOf(again)).toBeUndefined())
  })

  test('one that may have an answer left cannot', async () => {
    const late = new LateClose(libc)
    keep(late, 1n)
    expect(late.take(1n)).toBeUndefined()
    await vi.waitFor(() => expect(fileOf(512)).toBeUndefined())
  })

  test('none is closed before its namespace has been left alone', async () => {
    const late = new LateClose(libc)
    keep(late, 1n)
    late.add(opened(), 2n)
    const busy = fileOf(512)
    for (let n = 0; n < 10; n += 1) {
      vi.advanceTimersByTime(50)
      late.add(late.take(1n) ?? opened(), 1n)
    }
    await vi.waitFor(() => expect(late.take(2n)).toBeUndefined())
    expect(fileOf(512)).toBe(busy)
    await vi.waitFor(() =>
      expect([fileOf(512), fileOf(513), fileOf(514)]).toEqual([undefined, undefined, undefined]),
    )
  })

  test('of one that is written to all the time only some are held longer', async () => {
    const late = new LateClose(libc)
    const held = (): number => Array.from({ length: 60 }, (_, n) => fileOf(512 + n)).filter(Boolean).length
    for (let n = 0; n < 40; n += 1) {
      keep(late, 1n)
      vi.advanceTimersByTime(10)
    }
    // Those of the last tenth of a second, and some; closing them takes real time, and none of ours.
    for (let turn = 0; turn < 10_000 && held() > 20; turn += 1) await setImmediate()
    expect(held()).toBeLessThanOrEqual(20)
    await vi.waitFor(() => expect(held()).toBe(0))
  })
})
