/**
 * How long to wait before trying again. Every node of a cluster runs this daemon, so what one of them does at
 * once a thousand do: waits grow with each failure and are drawn at random over their whole length (full
 * jitter), which spreads the nodes out. The first wait after a healthy time is short, so that a hiccup costs
 * nothing; but only a healthy minute makes a time healthy, else a server that answers and breaks, answers and
 * breaks, would be asked at full speed for ever.
 */
import type { Clock } from '../../clock.ts'

/** The longest first wait; each further one is up to twice as long. */
const firstMs = 250
const stableMs = 60_000

export class Backoff {
  readonly #clock: Pick<Clock, 'now'>
  readonly #random: () => number
  #failures = 0
  #healthySince: number | undefined

  constructor(clock: Pick<Clock, 'now'>, random: () => number) {
    this.#clock = clock
    this.#random = random
  }

  worked(): void {
    this.#healthySince ??= this.#clock.now()
  }

  /** Milliseconds to wait: drawn below the cap, and on top of the least that the server asked for. */
  failed(capMs: number, atLeastMs: number): number {
    const healthyMs = this.#healthySince === undefined ? 0 : this.#clock.now() - this.#healthySince
    if (healthyMs >= stableMs) this.#failures = 0
    this.#healthySince = undefined
    const ceiling = Math.min(capMs, firstMs * 2 ** Math.min(this.#failures, 30))
    this.#failures++
    return Math.round(atLeastMs + this.#random() * ceiling)
  }
}
