/**
 * Whether a reflector works, what is to be said about that, and how long to wait. A trouble is said when it
 * starts and when its reason changes, and its end is said once; and the end is not believed before the step
 * that failed has succeeded: a watch that opens well and then brings garbage, again and again, is one long
 * failure and not a hundred recoveries.
 */
import type { Clock } from '../../clock.ts'
import { Backoff } from './backoff.ts'
import type { Failure, Stage } from './failure.ts'

export interface Failing {
  readonly kind: 'failing'
  readonly phase: 'list' | 'watch'
  readonly reason: string
  readonly retryInMs: number
  /** The server will not answer this request at all, however often it is asked: see `Failure`. */
  readonly refused?: boolean
}

export interface Recovered {
  readonly kind: 'recovered'
}

const capMs = 30_000
/** A CRD that is just being installed should not have to wait half a minute. */
const missingCapMs = 10_000

export class Health {
  readonly #backoff: Backoff
  #standing: { readonly stage: Stage; readonly reason: string } | undefined

  constructor(clock: Pick<Clock, 'now'>, random: () => number) {
    this.#backoff = new Backoff(clock, random)
  }

  /** The event to give out, unless it was said already; and how long to wait. */
  failed(failure: Failure): { readonly say: readonly Failing[]; readonly waitMs: number } {
    const cap = failure.missing ? missingCapMs : capMs
    const waitMs = this.#backoff.failed(cap, failure.retryAfterMs ?? 0)
    return { say: this.note(failure, waitMs), waitMs }
  }

  /** The same for a failure that nothing is waited for. */
  note({ stage, reason, refused }: Failure, retryInMs: number): readonly Failing[] {
    const known = this.#standing?.reason === reason
    this.#standing = { stage, reason }
    // An object that is left out is looked at again by the next list.
    const phase = stage === 'open' || stage === 'stream' ? 'watch' : 'list'
    return known ? [] : [{ kind: 'failing', phase, reason, retryInMs, ...(refused && { refused }) }]
  }

  /** These steps succeeded; the event to give out if one of them is what had failed. */
  reached(...stages: readonly Stage[]): readonly Recovered[] {
    this.#backoff.worked()
    if (this.#standing === undefined || !stages.includes(this.#standing.stage)) return []
    this.#standing = undefined
    return [{ kind: 'recovered' }]
  }
}
