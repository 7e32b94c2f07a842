/** The reconciler against a target that writes down what it was asked and answers as the test says. */
import { describe, expect, test } from 'vitest'
import { type Outcome, Reconciler, type Target } from '../../../src/apply/reconciler.ts'
import { type Clock, systemClock } from '../../../src/clock.ts'

interface Lab {
  /** Time passes only so. */
  pass(ms: number): void
  readonly reconciler: Reconciler<string>
  readonly book: string[]
  /** Lets the oldest call that waits return. */
  answer(outcome?: Outcome): Promise<void>
  readonly waiting: number
  readonly slept: number[]
}

const DONE: Outcome = { kind: 'done' }
const FAILED: Outcome = { kind: 'failed', reason: 'no' }

function lab({
  concurrency = 8,
  leftovers = [] as readonly string[],
  manual = false,
  isHeavy = (_: string): boolean => false,
} = {}): Lab {
  const book: string[] = []
  const waiting: ((outcome: Outcome) => void)[] = []
  const slept: number[] = []
  const call = (line: string): Promise<Outcome> => {
    book.push(line)
    return manual ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(DONE)
  }
  const target: Target<string> = {
    update: (key, desired) => call(`update ${key} ${desired}`),
    delete: (key) => call(`delete ${key}`),
    prune: async () => leftovers,
  }
  let now = 0
  const clock: Clock = { ...systemClock, now: () => now, sleep: async (ms) => void slept.push(ms) }
  const reconciler = new Reconciler({
    target,
    clock,
    signal: new AbortController().signal,
    concurrency,
    same: (a, b) => a === b,
    isHeavy,
    onOutcome: () => undefined,
    random: () => 1,
  })
  return {
    pass(ms) {
      now += ms
    },
    reconciler,
    book,
    slept,
    get waiting() {
      return waiting.length
    },
    async answer(outcome = DONE) {
      waiting.shift()?.(outcome)
      await settle()
    },
  }
}

/** Lets everything that is ready run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}

describe('the reconciler', () => {
  test('updates what is new or other, deletes what is gone, leaves the rest alone', async () => {
    const { reconciler, book } = lab()
    reconciler.setDesired(
      new Map([
        ['a', '1'],
        ['b', '1'],
      ]),
    )
    await settle()
    reconciler.setDesired(
      new Map([
        ['a', '2'],
        ['b', '1'],
      ]),
    )
    await settle()
    reconciler.setDesired(new Map([['b', '1']]))
    await settle()
    expect(book).toEqual(['update a 1', 'update b 1', 'update a 2', 'delete a'])
    expect(reconciler.settled).toBe(true)
  })

  test('prunes leftovers once, after the first desired state, and none that is desired', async () => {
    const { reconciler, book } = lab({ leftovers: ['old', 'a'] })
    await settle()
    expect(book).toEqual([])
    reconciler.setDesired(new Map([['a', '1']]))
    await settle()
    reconciler.setDesired(new Map([['a', '2']]))
    await settle()
    expect(book).toEqual(['update a 1', 'delete old', 'update a 2'])
  })

  test('never works on a key twice at once, and does only the latest of what came meanwhile', async () => {
    const { reconciler, book, answer } = lab({ manual: true })
    reconciler.setDesired(new Map([['a', '1']]))
    await settle()
    for (const value of ['2', '3', '4']) reconciler.setDesired(new Map([['a', value]]))
    await settle()
    expect(book).toEqual(['update a 1'])
    await answer()
    await answer()
    expect(book).toEqual(['update a 1', 'update a 4'])
  })

  test('a delete that is overtaken by a new wish ends in the new wish', async () => {
    const { reconciler, book, answer } = lab({ manual: true })
    reconciler.setDesired(new Map([['a', '1']]))
    await settle()
    reconciler.setDesired(new Map())
    reconciler.setDesired(new Map([['a', '1']]))
    await answer()
    await answer()
    expect(book).toEqual(['update a 1', 'update a 1'])
  })

  test('works on no more keys at once than it may', async () => {
    const lab2 = lab({ manual: true, concurrency: 2 })
    lab2.reconciler.setDesired(new Map(['a', 'b', 'c', 'd'].map((key) => [key, '1'])))
    await settle()
    expect(lab2.book).toEqual(['update a 1', 'update b 1'])
    await lab2.answer()
    expect(lab2.book).toEqual(['update a 1', 'update b 1', 'update c 1'])
  })

  test('tries again with growing pauses what fails, and says so until it works', async () => {
    const { reconciler, book, slept, answer } = lab({ manual: true })
    reconciler.setDesired(new Map([['a', '1']]))
    await settle()
    for (let time = 0; time < 9; time += 1) await answer(FAILED)
    expect([...reconciler.remarkable()]).toEqual([['a', FAILED]])
    expect(slept).toEqual([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000])
    await answer(DONE)
    expect([...reconciler.remarkable()]).toEqual([])
    expect(book.length).toBe(10)
  })

  test('a target that throws costs the attempt and nothing else', async () => {
    let calls = 0
    const reconciler = new Reconciler<string>({
      target: {
        update: async () => {
          calls += 1
          if (calls === 1) throw new Error('bug')
          return DONE
        },
        delete: async () => DONE,
        prune: async () => [],
      },
      clock: { ...systemClock, sleep: async () => undefined },
      signal: new AbortController().signal,
      concurrency: 1,
      same: (a, b) => a === b,
      onOutcome: () => undefined,
    })
    reconciler.setDesired(new Map([['a', '1']]))
    await settle()
    await settle()
    expect(calls).toBe(2)
    expect(reconciler.settled).toBe(true)
  })

  test('is not settled while a key has had no outcome', async () => {
    const { reconciler, answer } = lab({ manual: true })
    expect(reconciler.settled).toBe(false)
    reconciler.setDesired(new Map([['a', '1']]))
    await settle()
    expect(reconciler.settled).toBe(false)
    await answer(FAILED)
    expect(reconciler.settled).toBe(true)
  })

  test('keys whose last turn was long hold half of the places at most, and none of the others waits for them', async () => {
    const { reconciler, book, answer, pass } = lab({ concurrency: 4, manual: true })
    const names = ['a', 'b', 'c', 'd']
    reconciler.setDesired(new Map(names.map((name) => [name, '1'])))
    await settle()
    pass(501)
    for (const _ of names) await answer()
    const before = book.length
    reconciler.setDesired(new Map([...names.map((name) => [name, '2'] as const), ['honest', '1']]))
    await settle()
    expect(book.slice(before)).toEqual(['update a 2', 'update b 2', 'update honest 1'])
    await answer()
    expect(book.at(-1)).toBe('update c 2')
  })

  test('heavy work is done one at a time, beside what is not', async () => {
    const { reconciler, book, answer } = lab({ manual: true, isHeavy: (desired) => desired === 'heavy' })
    reconciler.setDesired(
      new Map([
        ['a', 'heavy'],
        ['b', 'heavy'],
        ['c', 'light'],
      ]),
    )
    await settle()
    expect(book).toEqual(['update a heavy', 'update c light'])
    await answer()
    expect(book.at(-1)).toBe('update b heavy')
  })

  test('what costs a lot to try is tried ever more seldom', async () => {
    const { reconciler, slept, answer } = lab({ manual: true })
    reconciler.setDesired(new Map([['a', '1']]))
    await settle()
    for (let time = 0; time < 16; time += 1) await answer({ ...FAILED, costly: true })
    expect(slept.slice(0, 3)).toEqual([50, 100, 200])
    expect(slept.at(-1)).toBe(300_000)
  })
})
