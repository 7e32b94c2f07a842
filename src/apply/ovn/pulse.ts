/**
 * Has the writer's lock change hands when its holder stands still: a process that is stopped, or a node that went down
 * without a word, keeps its session, and the server may take minutes to end it, or not end it at all.
 *
 * Nothing is written for that. The writer holds a second lock, the pulse, and lets go of it every second, if only to queue
 * for it again; so one who waits for the pulse gets it every second, and passes it back. Of those who stand by only one does
 * so, who has a third lock, the deputy's. A deputy who had to wait for the pulse too long, or finds nobody holding it,
 * takes the writer's lock. Whoever had that is told as soon as it runs again, and what it sends before is refused by the
 * `assert` in each transaction.
 *
 * Who stands still can be put out of no queue. So both locks have other names in each term of ten seconds, by the clock on
 * the wall: a deputy that stands still has no part in the next term, nor has a former writer.
 */
import { type Lock, STOLEN } from 'ovsdb'
import type { Clock } from '../../clock.ts'
import type { NorthboundClient } from './northbound.ts'

const PULSE = 'multi_networkpolicyd_pulse'
const DEPUTY = 'multi_networkpolicyd_deputy'
const TERM_MS = 10_000

const LOOK_MS = 250
const HOLD_MS = 1_000
/** Who has not looked for so long was asleep, and knows nothing of the others. */
const ASLEEP_MS = 1_000
const SILENCE_MS = 3_000
const MOST_PATIENT_MS = 60_000

export interface WatchOptions {
  readonly client: NorthboundClient
  readonly clock: Clock
  readonly signal: AbortSignal
  /** The writer's. */
  readonly lock: Lock
}

/** Until the signal aborts. */
export async function watchWriter({ client, clock, signal, lock }: WatchOptions): Promise<void> {
  const watch = new Watch(client, lock)
  while (!signal.aborted) {
    watch.look(clock.now(), Math.floor(clock.wallTime() / TERM_MS))
    await clock.sleep(LOOK_MS, signal).catch(() => undefined)
  }
  watch.end()
}

class Watch {
  readonly #client: NorthboundClient
  readonly #lock: Lock
  #term: number | undefined
  #pulse: Lock | undefined
  #deputy: Lock | undefined
  /** A deputy from the beginning of the term: one who comes later may wait behind a writer of before. */
  #isDeputy = false
  /** The writer: since when it has the pulse; the deputy: when it last had it from the writer. */
  #since: number | undefined
  #waited = false
  #lookedAt: number | undefined
  /** Twice as long after each time, so that writers who are slow, and not still, do not take it from each other for ever. */
  #patienceMs = SILENCE_MS

  constructor(client: NorthboundClient, lock: Lock) {
    this.#client = client
    this.#lock = lock
  }

  look(now: number, term: number): void {
    if (now - (this.#lookedAt ?? now) > ASLEEP_MS) this.#since = undefined
    this.#lookedAt = now
    const { state } = this.#lock
    if (state.kind === 'held') this.#lookAsWriter(now, term)
    else if (state.kind === 'waiting') this.#lookAsStandby(now, term)
    else {
      this.end()
      // Robbed: it stands by like any other. Without a session there is nobody to ask.
      if (state.reason === STOLEN) this.#lock.pass()
    }
  }

  /** Lets go of all but the writer's lock. */
  end(): void {
    this.#leaveTerm()
    this.#since = undefined
  }

  #leaveTerm(): void {
    this.#pulse?.[Symbol.dispose]()
    this.#deputy?.[Symbol.dispose]()
    this.#pulse = undefined
    this.#deputy = undefined
    this.#isDeputy = false
    this.#waited = false
    this.#term = undefined
  }

  #lookAsWriter(now: number, term: number): void {
    if (this.#term !== term || this.#deputy !== undefined) {
      this.end()
      this.#term = term
      this.#pulse = this.#ask(`${PULSE}_${term}`)
    } else if (this.#pulse?.state.kind !== 'held') this.#since = undefined
    else {
      this.#since ??= now
      if (now - this.#since < HOLD_MS) return
      this.#pulse.pass()
      this.#since = undefined
    }
  }

  #lookAsStandby(now: number, term: number): void {
    if (this.#term !== term || this.#deputy === undefined) {
      const since = this.#isDeputy ? this.#since : undefined
      this.#leaveTerm()
      this.#since = since
      this.#term = term
      this.#deputy = this.#ask(`${DEPUTY}_${term}`)
      this.#isDeputy = true
      return
    }
    // That it has to wait says that another was first.
    if (this.#deputy.state.kind !== 'held') this.#isDeputy = false
    if (!this.#isDeputy) return
    this.#since ??= now
    this.#pulse ??= this.#ask(`${PULSE}_${term}`)
    if (this.#pulse.state.kind === 'waiting') this.#waited = true
    else if (this.#pulse.state.kind === 'held') {
      if (this.#waited) this.#since = now
      this.#waited = false
      this.#pulse.pass()
    }
    if (now - this.#since < this.#patienceMs) return
    this.#patienceMs = Math.min(MOST_PATIENT_MS, this.#patienceMs * 2)
    this.end()
    this.#lock.steal()
  }

  #ask(name: string): Lock {
    const lock = this.#client.lock(name)
    void forget(lock)
    return lock
  }
}

/** What it was between two looks is nobody's concern. */
async function forget(states: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of states);
}
