/**
 * Holds a target (pods' network namespaces; later the OVN database) to what is desired, key by key.
 *
 * The whole contract with a target is Update, Delete, Prune. A key is never worked on twice at once; what is desired
 * meanwhile waits, and only the latest of it is done. What fails is tried again with back-off for as long as it is
 * desired. Nothing is pruned before the first desired state, which is there once every source is synced.
 */
import type { Clock } from '../clock.ts'

export type Outcome =
  /** As desired; a remark is an Issue that holds all the same. */
  | { readonly kind: 'done'; readonly remark?: string }
  /** Not now: to be tried again, and an Issue until then. */
  | {
      readonly kind: 'failed'
      readonly reason: string
      /** Trying costs a lot, by somebody else's doing: it is tried ever more seldom. */
      readonly costly?: boolean
    }

export interface Target<D> {
  /** Makes the key's place as desired, in one step. */
  update(key: string, desired: D, signal: AbortSignal): Promise<Outcome>
  /** The key is desired no longer: takes away what stands in its place. */
  delete(key: string, signal: AbortSignal): Promise<Outcome>
  /**
   * Names the keys, none of them desired, whose places may hold something that an earlier process left. Each is then
   * deleted like any other, so that a key that is desired meanwhile is never pruned from under its update.
   */
  prune(desired: ReadonlySet<string>, signal: AbortSignal): Promise<readonly string[]>
}

export interface ReconcilerOptions<D> {
  readonly target: Target<D>
  readonly clock: Clock
  readonly signal: AbortSignal
  /** How many keys are worked on at once. */
  readonly concurrency: number
  /** Whether two desired values ask for the same; update is not called for the second. */
  readonly same: (a: D, b: D) => boolean
  /** Whether the work on it takes so much memory that there is to be one such work at a time. */
  readonly isHeavy?: (desired: D) => boolean
  readonly onOutcome: (key: string, outcome: Outcome) => void
  readonly random?: () => number
}

type Wish<D> =
  | { readonly kind: 'update'; readonly desired: D }
  | { readonly kind: 'delete' }
  | { readonly kind: 'prune' }

interface Work<D> {
  wish: Wish<D>
  /** The wish changed or failed since the work on it began. */
  pending: boolean
  running: boolean
  /** Its last turn was a long one. */
  slow: boolean
  attempts: number
  outcome: Outcome | undefined
  /** The wish changed since the work on it began. */
  changed: boolean
  /** The outcome is that of an earlier wish. */
  stale: boolean
  retry: AbortController | undefined
}

const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 5_000
const LAST_COSTLY_RETRY_MS = 5 * 60_000

/** Keys whose last turn took longer may hold half of the places, so that whoever makes one slow keeps no others waiting; ms. */
const SLOW_MS = 500
const PRUNE = ' prune'

export class Reconciler<D> {
  readonly #options: ReconcilerOptions<D>
  readonly #work = new Map<string, Work<D>>()
  readonly #ready: string[] = []
  /** Only to be looked at again: after everything that changed. */
  readonly #later: string[] = []
  #running = 0
  #slowRunning = 0
  #heavyRunning = 0
  #desired: ReadonlyMap<string, D> | undefined
  #pruned = false

  constructor(options: ReconcilerOptions<D>) {
    this.#options = options
  }

  /**
   * States everything that is desired; returns at once, the work follows.
   * @param removals false while it is not known whether what is missing is really gone: then nothing is taken away
   */
  setDesired(stated: ReadonlyMap<string, D>, removals = true): void {
    const before: ReadonlyMap<string, D> = this.#desired ?? new Map<string, D>()
    const desired = removals ? stated : new Map([...before, ...stated])
    this.#desired = desired
    for (const [key, value] of desired) {
      const known = before.get(key)
      if (known === undefined || !this.#options.same(known, value))
        this.#wish(key, { kind: 'update', desired: value })
    }
    for (const key of before.keys()) if (!desired.has(key)) this.#wish(key, { kind: 'delete' })
    if (removals && !this.#pruned) this.#wish(PRUNE, { kind: 'prune' })
    this.#pruned ||= removals
  }

  /** Calls update again for one key, as if what it stands on had changed. */
  touch(key: string, when: 'now' | 'later' = 'later'): void {
    if (this.#desired?.has(key)) this.#enqueue(key, when === 'now' ? this.#ready : this.#later)
  }

  /** Whether what is desired of the key now stands, or nothing is desired of it. */
  isAsDesired(key: string): boolean {
    if (this.#desired === undefined) return false
    const work = this.#work.get(key)
    return work === undefined || (work.outcome?.kind === 'done' && !work.stale)
  }

  /** Whether each key, and the prune, has had an outcome of what is desired of it now. */
  get settled(): boolean {
    return (
      this.#desired !== undefined &&
      [...this.#work.values()].every((work) => work.outcome !== undefined && !work.stale)
    )
  }

  /** Nothing is being worked on or waits to be; what failed may wait for its next try. */
  get idle(): boolean {
    return this.#running === 0 && this.#ready.length + this.#later.length === 0
  }

  /** The keys that are not as desired, or that there is a remark on, with the outcome. */
  *remarkable(): Generator<readonly [key: string, outcome: Outcome]> {
    for (const [key, { outcome }] of this.#work) {
      if (outcome?.kind === 'failed' || outcome?.remark !== undefined) yield [key, outcome]
    }
  }

  /** How many keys that are desired were as desired when they were last worked on, and how many were not. */
  tally(): { readonly done: number; readonly failed: number } {
    let [done, failed] = [0, 0]
    for (const { wish, outcome } of this.#work.values()) {
      if (wish.kind !== 'update') continue
      if (outcome?.kind === 'done') done += 1
      else if (outcome?.kind === 'failed') failed += 1
    }
    return { done, failed }
  }

  #wish(key: string, wish: Wish<D>): void {
    const work = this.#work.get(key)
    if (work === undefined) {
      this.#work.set(key, {
        wish,
        pending: false,
        running: false,
        slow: false,
        attempts: 0,
        outcome: undefined,
        changed: true,
        stale: true,
        retry: undefined,
      })
    } else {
      work.wish = wish
      work.attempts = 0
      work.changed = true
      work.stale = true
      work.retry?.abort()
    }
    this.#enqueue(key)
  }

  #enqueue(key: string, queue: string[] = this.#ready): void {
    const work = this.#work.get(key)
    if (work === undefined) return
    const place = this.#later.indexOf(key)
    if (work.pending && (place < 0 || queue === this.#later)) return
    if (place >= 0) this.#later.splice(place, 1)
    work.pending = true
    if (!work.running) queue.push(key)
    this.#pump()
  }

  #pump(): void {
    while (this.#running < this.#options.concurrency && !this.#options.signal.aborted) {
      const key = this.#next(this.#ready) ?? this.#next(this.#later)
      if (key === undefined) return
      void this.#run(key)
    }
  }

  /** Takes out the first whose turn it may be. */
  #next(queue: string[]): string | undefined {
    const noSlow = this.#slowRunning >= Math.max(1, Math.floor(this.#options.concurrency / 2))
    const noHeavy = this.#heavyRunning > 0
    const place = queue.findIndex((key) => {
      const work = this.#work.get(key)
      return work === undefined || !((noSlow && work.slow) || (noHeavy && this.#isHeavy(work)))
    })
    return place < 0 ? undefined : queue.splice(place, 1)[0]
  }

  #isHeavy({ wish }: Work<D>): boolean {
    return wish.kind === 'update' && this.#options.isHeavy?.(wish.desired) === true
  }

  async #run(key: string): Promise<void> {
    const work = this.#work.get(key)
    if (work === undefined) return
    const [slow, heavy] = [Number(work.slow), Number(this.#isHeavy(work))]
    const began = this.#options.clock.now()
    this.#running += 1
    this.#slowRunning += slow
    this.#heavyRunning += heavy
    work.running = true
    work.pending = false
    work.changed = false
    const outcome = await this.#perform(key, work.wish)
    this.#running -= 1
    this.#slowRunning -= slow
    this.#heavyRunning -= heavy
    work.slow = this.#options.clock.now() - began > SLOW_MS
    work.running = false
    if (!this.#options.signal.aborted) this.#settle(key, work, outcome)
    this.#pump()
  }

  /** A target that throws is a bug of ours; it costs the attempt, never the daemon. */
  async #perform(key: string, wish: Wish<D>): Promise<Outcome> {
    const { target, signal } = this.#options
    try {
      switch (wish.kind) {
        case 'update':
          return await target.update(key, wish.desired, signal)
        case 'delete':
          return await target.delete(key, signal)
        case 'prune':
          return await this.#prune()
        default:
          return wish satisfies never
      }
    } catch (error) {
      return {
        kind: 'failed',
        reason: `internal error: ${error instanceof Error ? (error.stack ?? error.message) : error}`,
      }
    }
  }

  async #prune(): Promise<Outcome> {
    const { target, signal } = this.#options
    for (const key of await target.prune(new Set(this.#desired?.keys()), signal)) {
      if (!this.#work.has(key)) this.#wish(key, { kind: 'delete' })
    }
    return { kind: 'done' }
  }

  #settle(key: string, work: Work<D>, outcome: Outcome): void {
    work.outcome = outcome
    work.stale = work.changed
    if (work.pending) {
      this.#ready.push(key)
    } else if (outcome.kind === 'failed') {
      void this.#retry(key, work, outcome.costly === true ? LAST_COSTLY_RETRY_MS : LAST_RETRY_MS)
    } else if (work.wish.kind !== 'update') {
      this.#work.delete(key)
    }
    this.#options.onOutcome(key, outcome)
  }

  async #retry(key: string, work: Work<D>, longest: number): Promise<void> {
    const { clock, signal, random = Math.random } = this.#options
    const cap = Math.min(longest, FIRST_RETRY_MS * 2 ** work.attempts)
    work.attempts += 1
    work.retry = new AbortController()
    const mine = work.retry
    try {
      await clock.sleep(cap / 2 + (random() * cap) / 2, AbortSignal.any([signal, mine.signal]))
      this.#enqueue(key)
    } catch {
      // The wish changed, and is queued already, or the daemon ends.
    } finally {
      if (work.retry === mine) work.retry = undefined
    }
  }
}
