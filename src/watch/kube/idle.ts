/**
 * Notices a body that has gone mute. A connection whose other end vanished without a word (a node that died, a
 * load balancer that forgot us) looks just like a watch in which nothing happens, so silence has a limit. Only
 * the time in which we wait for bytes counts: a consumer that takes its time does not make the server late.
 */
import type { Clock } from '../../clock.ts'

export class IdleGuard implements Disposable {
  readonly #limitMs: number
  readonly #clock: Clock
  readonly #outer: AbortSignal
  readonly #controller: AbortController = new AbortController()
  readonly #abort: () => void
  #waitingSince: number | undefined
  #fired = false

  /** For one request: it must be given this guard's {@link signal}, which aborts when `outer` does. */
  constructor(limitMs: number, clock: Clock, outer: AbortSignal) {
    this.#limitMs = limitMs
    this.#clock = clock
    this.#outer = outer
    this.#abort = () => this.#controller.abort(outer.reason)
    if (outer.aborted) this.#abort()
    else outer.addEventListener('abort', this.#abort, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether the signal aborted because of silence, and not from outside. */
  get fired(): boolean {
    return this.#fired
  }

  /** The body's chunks; its reading breaks off when it has been mute for the limit. */
  async *over(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    // Its sleep is broken off when the request is over.
    this.#keepWatch().catch(() => undefined)
    this.#waitingSince = this.#clock.now()
    for await (const chunk of body) {
      this.#waitingSince = undefined
      yield chunk
      this.#waitingSince = this.#clock.now()
    }
    this.#waitingSince = undefined
  }

  /** Ends the request too, wherever it stands; one whose body was read to its end is not touched by that. */
  [Symbol.dispose](): void {
    this.#outer.removeEventListener('abort', this.#abort)
    this.#controller.abort()
  }

  /** Sleeps until the earliest instant at which the limit can be reached, so there is no timer a chunk. */
  async #keepWatch(): Promise<void> {
    const { signal } = this.#controller
    for (;;) {
      const left = (this.#waitingSince ?? this.#clock.now()) + this.#limitMs - this.#clock.now()
      if (left <= 0) break
      await this.#clock.sleep(left, signal)
      signal.throwIfAborted()
    }
    this.#fired = true
    this.#controller.abort()
  }
}
