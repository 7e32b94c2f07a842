/** Sockets that are closed late are out of the way of those who find theirs by the lowest number that is free. */
import { readlinkSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import koffi from 'koffi'
import { expect, test, vi } from 'vitest'
import { LateClose } from '../../src/in-process/late-close.ts'
import { loadLibc } from '../../src/in-process/libc.ts'
import { openNetfilterSocket } from '../../src/in-process/netfilter-socket.ts'

const libc = loadLibc(koffi)

/** The time for which one is held, and half as much. */
const WELL_BEYOND_MS = 150

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

test('one whose namespace is known can be had again, and is held anew', async () => {
  const late = new LateClose(libc)
  const fd = opened()
  const file = fileOf(fd)
  late.add(fd, 1n)
  expect(late.take(2n)).toBeUndefined()
  const again = late.take(1n) ?? expect.fail('is not held')
  expect(fileOf(again)).toBe(file)
  expect(late.take(1n)).toBeUndefined()
  await setTimeout(WELL_BEYOND_MS)
  expect(fileOf(again)).toBe(file)
  late.add(again, 1n)
  expect(fileOf(again)).toBe(file)
  await vi.waitFor(() => expect(fileOf(again)).toBeUndefined())
})

test('none is closed before its namespace has been left alone', async () => {
  const late = new LateClose(libc)
  late.keep(opened(), 1n)
  late.add(opened(), 2n)
  const [busy, left] = [fileOf(512), fileOf(513)]
  for (let n = 0; n < 6; n += 1) {
    await setTimeout(WELL_BEYOND_MS / 6)
    const fd = late.take(1n) ?? opened()
    late.add(fd, 1n)
    expect(fileOf(512)).toBe(busy)
  }
  expect(fileOf(513)).not.toBe(left)
  await vi.waitFor(() =>
    expect([fileOf(512), fileOf(513), fileOf(514)]).toEqual([undefined, undefined, undefined]),
  )
})

test('of a namespace that is written to all the time only some are held longer', async () => {
  const late = new LateClose(libc)
  for (let n = 0; n < 40; n += 1) {
    const fd = opened()
    late.keep(fd, 1n)
    libc.close(fd)
    await setTimeout(10)
  }
  const held = Array.from({ length: 60 }, (_, n) => fileOf(512 + n)).filter((file) => file !== undefined)
  // What came within the time for which any is held, and those.
  expect(held.length).toBeLessThan(30)
  expect(held.length).toBeGreaterThanOrEqual(8)
  await vi.waitFor(() => expect(fileOf(512)).toBeUndefined())
})
