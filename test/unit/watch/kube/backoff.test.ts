import { expect, test } from 'vitest'
import { Backoff } from '../../../../src/watch/kube/backoff.ts'
import { VirtualClock } from './virtual-clock.ts'

test('waits are drawn below a ceiling that doubles up to the cap', () => {
  const backoff = new Backoff(new VirtualClock(), () => 1)
  const waits = Array.from({ length: 9 }, () => backoff.failed(30_000, 0))
  expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
})

test('what the server asks for comes on top', () => {
  const backoff = new Backoff(new VirtualClock(), () => 0.5)
  expect(backoff.failed(30_000, 5000)).toBe(5125)
})

test('a healthy minute makes the next wait short again, less does not', () => {
  const clock = new VirtualClock()
  const backoff = new Backoff(clock, () => 1)
  for (let failures = 0; failures < 5; failures++) backoff.failed(30_000, 0)
  backoff.worked()
  clock.advance(59_999)
  backoff.worked()
  expect(backoff.failed(30_000, 0)).toBe(8000)
  backoff.worked()
  clock.advance(60_000)
  expect(backoff.failed(30_000, 0)).toBe(250)
})
