/**
 * Holds one northbound database to the rows that should be in it, for as long as its lock is ours.
 *
 * Each look compares all rows of ours with what is wanted and sends what differs as one transaction, which the lock
 * fences: a writer that lost it changes nothing. There is a look whenever the wish, a port or a row of ours changes, so
 * a port that was made anew is back in its groups, and a foreign edit undone, as soon as the database tells of it.
 * Nothing is written before a whole copy has been read on the session there is. Who stands by reads nothing.
 */
import type { ClientState, LockState, Monitor, TransactResult } from 'ovsdb'
import type { Clock } from '../../clock.ts'
import type { OvnRows } from '../../compile/ovn/rows.ts'
import { difference, type SeenRows } from './difference.ts'
import {
  LOCK,
  type Northbound,
  type NorthboundChange,
  type NorthboundClient,
  type NorthboundRows,
  PORTS_AND_OURS,
  SIGNS_OF_OVN_KUBERNETES,
  type SignRows,
} from './northbound.ts'
import { watchWriter } from './pulse.ts'

export interface WriterOptions {
  readonly client: NorthboundClient
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Whether rows are read by a writer that stands by, too. */
  readonly readsInStandby: boolean
  /** Each time something was read, at once and in turn. */
  readonly onRead: (read: Read) => void
  /** What should stand, given all that was read; undefined while that is not known, or nobody is to write it. */
  readonly wanted: (writes: boolean) => Wanted | undefined
  /** Rows of ours were changed by somebody else; they are put back. */
  readonly onDrift: () => void
  /** The status, or what has been read, may have changed. */
  readonly onChange: () => void
  readonly random?: () => number
}

export type Read =
  /** All there is, of a new session. */
  | { readonly kind: 'rows'; readonly rows: NorthboundRows }
  | {
      readonly kind: 'changes'
      readonly rows: NorthboundRows
      readonly changes: readonly NorthboundChange[]
    }
  | { readonly kind: 'signs'; readonly signs: SignRows }
  /** Nothing is read any more. */
  | { readonly kind: 'end' }

export interface Wanted {
  readonly rows: OvnRows
  /** See `DifferenceOptions`. */
  readonly removals: boolean
  /** Whether it was made anew, so that it may differ from what was asked for last. */
  readonly fresh: boolean
}

export type WriterStatus =
  /** No session yet, or none any more. */
  | { readonly kind: 'disconnected'; readonly reason: string }
  /** Connected, and nothing known yet. */
  | { readonly kind: 'starting' }
  /** Another holds the lock. */
  | { readonly kind: 'standby' }
  | { readonly kind: 'as-wanted' }
  /** To be tried again. */
  | { readonly kind: 'failed'; readonly reason: string }

interface Reading {
  readonly rows: Monitor<Northbound, typeof PORTS_AND_OURS>
  readonly signs: Monitor<Northbound, typeof SIGNS_OF_OVN_KUBERNETES>
  readonly complete: Set<'rows' | 'signs'>
}

const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 2_000

export class NorthboundWriter {
  readonly #options: WriterOptions
  #status: WriterStatus = { kind: 'disconnected', reason: 'not connected yet' }
  #lock: LockState['kind'] = 'lost'
  #absent: ReadonlySet<string> = new Set()
  #reading: Reading | undefined
  #seen: SeenRows = new WeakMap()
  #due = false
  #working = false
  #attempts = 0
  #reclaim = false

  constructor(options: WriterOptions) {
    this.#options = options
  }

  get status(): WriterStatus {
    return this.#status
  }

  /** Nothing is being looked at or waits to be. What failed waits for its next try. */
  get idle(): boolean {
    return !this.#due && (!this.#working || this.#status.kind === 'failed')
  }

  /** The rows as last read; undefined where there is no whole copy. */
  get rows(): NorthboundRows | undefined {
    return this.#reading?.complete.has('rows') ? this.#reading.rows.tables : undefined
  }

  /** Follows the lock until the signal aborts; the lock is given back then. */
  async run(): Promise<void> {
    const { client, signal, readsInStandby } = this.#options
    using lock = client.lock(LOCK)
    const watching = watchWriter({ client, clock: this.#options.clock, signal, lock })
    const end = (): void => lock[Symbol.dispose]()
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) return
    for await (const state of lock) {
      this.#lock = state.kind
      if (state.kind === 'held' || (state.kind === 'waiting' && readsInStandby)) this.#read()
      else if (state.kind === 'waiting') this.#stopReading()
      // Lost without the session: somebody took it.
      const stolen = state.kind === 'lost' && this.#status.kind !== 'disconnected'
      if (state.kind === 'waiting' || stolen) this.#enter({ kind: 'standby' })
      if (state.kind === 'held') this.#enter({ kind: 'starting' })
      this.request()
    }
    this.#stopReading()
    await watching
  }

  /** What the client says of its session. A copy of an earlier session is none. */
  noteSession(state: ClientState): void {
    if (state.kind === 'ready') {
      this.#absent = state.absent
      this.#enter({ kind: 'starting' })
    }
    if (state.kind !== 'disconnected') return
    this.#reading?.complete.clear()
    this.#enter({ kind: 'disconnected', reason: `${state.endpoint}: ${state.reason.trim()}` })
  }

  /** The wish may have changed. */
  request(): void {
    this.#due = true
    if (!this.#working) void this.#work()
  }

  #read(): void {
    if (this.#reading !== undefined) return
    const { client } = this.#options
    const reading: Reading = {
      rows: client.monitor(PORTS_AND_OURS),
      signs: client.monitor(SIGNS_OF_OVN_KUBERNETES),
      complete: new Set(),
    }
    this.#reading = reading
    void this.#followRows(reading)
    void this.#followSigns(reading)
  }

  #stopReading(): void {
    this.#reading?.rows[Symbol.dispose]()
    this.#reading?.signs[Symbol.dispose]()
    if (this.#reading !== undefined) this.#options.onRead({ kind: 'end' })
    this.#reading = undefined
  }

  async #followRows({ rows, complete }: Reading): Promise<void> {
    for await (const event of rows) {
      if (event.kind === 'disconnected') continue
      if (event.kind === 'synchronized') {
        complete.add('rows')
        this.#seen = new WeakMap()
        this.#options.onRead({ kind: 'rows', rows: event.tables })
      } else this.#options.onRead({ kind: 'changes', rows: rows.tables, changes: event.changes })
      this.request()
    }
  }

  async #followSigns({ signs, complete }: Reading): Promise<void> {
    for await (const event of signs) {
      if (event.kind === 'disconnected') continue
      if (event.kind === 'synchronized') complete.add('signs')
      this.#options.onRead({ kind: 'signs', signs: signs.tables })
      this.request()
    }
  }

  /** One look after the other; what is asked for meanwhile is asked for together. */
  async #work(): Promise<void> {
    const { signal, clock, random = Math.random } = this.#options
    this.#working = true
    try {
      while (this.#due && !signal.aborted) {
        // Everything that has come by now is seen together.
        await new Promise(setImmediate)
        this.#due = false
        const began = clock.now()
        if (await this.#look()) {
          this.#attempts = 0
          // In a storm of events half of the time is left to others.
          if (this.#due) await clock.sleep(clock.now() - began, signal).catch(() => undefined)
        } else {
          const cap = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempts)
          this.#attempts += 1
          await clock.sleep(cap / 2 + (random() * cap) / 2, signal).catch(() => undefined)
          this.#due = true
        }
      }
    } finally {
      this.#working = false
      this.#options.onChange()
    }
  }

  /** @returns false where it has to be tried again */
  async #look(): Promise<boolean> {
    const { client, signal, wanted } = this.#options
    const reading = this.#reading
    if (reading === undefined || reading.complete.size < 2) return true
    const wish = wanted(this.#lock === 'held')
    if (wish === undefined || this.#lock !== 'held') return true
    const operations = difference(wish.rows, reading.rows.tables, {
      absent: this.#absent,
      removals: wish.removals,
      reclaim: this.#reclaim,
      seen: this.#seen,
    })
    if (operations.length > 0) {
      if (!wish.fresh && this.#status.kind === 'as-wanted') this.#options.onDrift()
      const result = await client.transact([{ op: 'assert', lock: LOCK }, ...operations], signal)
      if (result.kind !== 'committed') return this.#fail(result)
    }
    this.#reclaim = false
    if (this.#status.kind !== 'as-wanted') this.#enter({ kind: 'as-wanted' })
    return true
  }

  #fail(result: Exclude<TransactResult, { kind: 'committed' }>): boolean {
    // A name that is taken by a row that is not among ours: somebody took the owner from it.
    this.#reclaim = result.kind === 'refused' && result.error === 'constraint violation'
    const reason = result.kind === 'refused' ? `${result.error}: ${result.details}` : result.reason
    if (this.#status.kind !== 'disconnected') this.#enter({ kind: 'failed', reason })
    return false
  }

  #enter(status: WriterStatus): void {
    this.#status = status
    this.#options.onChange()
  }
}
