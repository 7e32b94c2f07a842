/** Time as a parameter, so that tests need not wait for it. */
import { setTimeout as delay } from 'node:timers/promises'

export interface Clock {
  /** Milliseconds from some fixed point, never going backwards: differences mean something, dates do not. */
  now(): number
  /** Unix time in milliseconds, as files and objects are stamped with. */
  wallTime(): number
  /** Waits; rejects at once, with nothing left running, when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** The machine's own clock: monotonic, so that setting the date neither hastens nor stalls anything. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal })
  },
}
