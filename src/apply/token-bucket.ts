/** So many at once, and from then on one in so many milliseconds. */
import type { Clock } from '../clock.ts'

export interface Rate {
  readonly burst: number
  readonly paceMs: number
}

export class TokenBucket {
  readonly #rate: Rate
  readonly #clock: Pick<Clock, 'now'>
  #tokens: number
  #at: number

  constructor(rate: Rate, clock: Pick<Clock, 'now'>) {
    this.#rate = rate
    this.#clock = clock
    this.#tokens = rate.burst
    this.#at = clock.now()
  }

  /** Whether there is one to take. */
  get has(): boolean {
    return this.#refilled() >= 1
  }

  get isFull(): boolean {
    return this.#refilled() >= this.#rate.burst
  }

  take(): void {
    this.#tokens = this.#refilled() - 1
  }

  #refilled(): number {
    const now = this.#clock.now()
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + (now - this.#at) / this.#rate.paceMs)
    this.#at = now
    return this.#tokens
  }
}
