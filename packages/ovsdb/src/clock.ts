/** Time and chance as parameters, so that tests need not wait and can repeat what they saw. */
import { setTimeout as delay } from 'node:timers/promises'

export interface Clock {
  /** Milliseconds from some fixed point, never going backwards. */
  now(): number
  /** Waits; rejects at once, with nothing left running, when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal })
  },
}
