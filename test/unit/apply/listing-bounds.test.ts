/** When a pod whose rules were too large to be listed is listed again. */
import { expect, test } from 'vitest'
import { LargeListings } from '../../../src/apply/listing-bounds.ts'

const MINUTE = 60_000

/** For how many minutes it rests once it is noted. */
function rest(large: LargeListings, pass: (ms: number) => void): number {
  large.note('x/a')
  let minutes = 0
  for (; large.resting('x/a') !== undefined; minutes += 1) pass(MINUTE)
  return minutes
}

test('a pod rests twice as long each time, up to half an hour, whatever is listed in between', () => {
  let now = 0
  const pass = (ms: number): void => {
    now += ms
  }
  const large = new LargeListings(() => now)
  expect(large.resting('x/a')).toBeUndefined()
  const rests: number[] = []
  for (let time = 0; time < 7; time += 1) {
    rests.push(rest(large, pass))
    large.listed('x/a')
  }
  expect(rests).toEqual([1, 2, 4, 8, 16, 30, 30])
  expect(large.resting('x/b')).toBeUndefined()
})

test('after an hour of rules that can be listed, and for a pod made anew, it begins from the start', () => {
  let now = 0
  const pass = (ms: number): void => {
    now += ms
  }
  const large = new LargeListings(() => now)
  expect([rest(large, pass), rest(large, pass)]).toEqual([1, 2])
  pass(61 * MINUTE)
  large.listed('x/a')
  expect(rest(large, pass)).toBe(1)
  large.forget('x/a')
  expect(rest(large, pass)).toBe(1)
})
