/**
 * A clock that stands still until a test moves it on. A wait of no length is over at once, so a test that draws
 * zeros for all random waits need not touch the clock at all.
 */
import type { Clock } from '../../../../src/clock.ts'

interface Sleeper {
  readonly ms: number
  readonly due: number
  wake(): void
}

export class VirtualClock implements Clock {
  #now = 1_000_000
  readonly #sleepers = new Set<Sleeper>()
  readonly #watchers = new Set<() => void>()

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return this.#now
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (ms <= 0) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const abort = (): void => {
      this.#sleepers.delete(sleeper)
      reject(signal.reason)
    }
    const wake = (): void => {
      this.#sleepers.delete(sleeper)
      signal.removeEventListener('abort', abort)
      resolve()
    }
    const sleeper = { ms, due: this.#now + ms, wake }
    this.#sleepers.add(sleeper)
    signal.addEventListener('abort', abort, { once: true })
    for (const watcher of this.#watchers) watcher()
    await promise
  }

  /** Lets time pass, waking those whose time has come, in order. */
  advance(ms: number): void {
    this.#now += ms
    const due = [...this.#sleepers].filter((sleeper) => sleeper.due <= this.#now)
    for (const sleeper of due.sort((a, b) => a.due - b.due)) sleeper.wake()
  }

  /** Resolves once somebody sleeps for exactly this long. */
  async sleeping(ms: number): Promise<void> {
    while (![...this.#sleepers].some((sleeper) => sleeper.ms === ms)) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#watchers.add(resolve)
      await promise
      this.#watchers.delete(resolve)
    }
  }

  /** How many sleep. */
  get sleepers(): number {
    return this.#sleepers.size
  }
}
