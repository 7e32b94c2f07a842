/**
 * What a caller reads of a replica: an event when the copy is whole, and then what changes. A slow reader does
 * not make a queue grow: changes that wait are put together row by row, and a new copy takes their place.
 */
import type { Database, Row, Table, Uuid } from './description.ts'
import type { Condition } from './operations.ts'
import type { Replication } from './replication.ts'
import type { AnyMonitoredRow, RowChange } from './table-updates.ts'
import { Wakeup } from './wakeup.ts'

/** For each table the columns that are wanted, and the rows: those that meet any of the conditions, or all. */
export type MonitorSpec<D extends Database> = {
  readonly [N in keyof D['tables'] & string]?: {
    readonly columns: readonly (keyof D['tables'][N] & string)[]
    readonly anyOf?: readonly Condition<D['tables'][N]>[]
  }
}

/** A row with the columns that were asked for, and its UUID. */
type MonitoredRow<T extends Table, S> = S extends { readonly columns: readonly (infer C)[] }
  ? Pick<Row<T>, '_uuid' | (C & keyof T & string)>
  : never

type Monitorable<D extends Database, S> = keyof S & keyof D['tables'] & string

/** The rows of each table by UUID. */
export type MonitoredTables<D extends Database, S> = {
  readonly [N in Monitorable<D, S>]: ReadonlyMap<Uuid, MonitoredRow<D['tables'][N], S[N]>>
}

export type MonitoredChange<D extends Database, S> = {
  readonly [N in Monitorable<D, S>]: ChangeOf<N, MonitoredRow<D['tables'][N], S[N]>>
}[Monitorable<D, S>]

type ChangeOf<N, R> =
  | { readonly kind: 'inserted'; readonly table: N; readonly after: R }
  | { readonly kind: 'modified'; readonly table: N; readonly before: R; readonly after: R }
  | { readonly kind: 'deleted'; readonly table: N; readonly before: R }

export type MonitorEvent<D extends Database, S> =
  /** A whole new copy: whatever was known before is to be forgotten. */
  | { readonly kind: 'synchronized'; readonly tables: MonitoredTables<D, S> }
  /** From the state of the last event to that of the tables now, by whole transactions. */
  | { readonly kind: 'changed'; readonly changes: readonly MonitoredChange<D, S>[] }
  /** The tables are as they were last seen; the next event is `synchronized`. */
  | { readonly kind: 'disconnected'; readonly reason: string }

type Pending =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'synchronized' }
  | { readonly kind: 'changed'; readonly rows: Map<string, RowChange> }
  | { readonly kind: 'disconnected'; readonly reason: string }

/** One reader: `for await (const event of monitor)`. Leaving the loop ends the monitor. */
export class Monitor<D extends Database, S> implements AsyncIterable<MonitorEvent<D, S>>, Disposable {
  readonly #replication: Replication
  readonly #onEnd: () => void
  readonly #wakeup = new Wakeup()
  #pending: Pending = { kind: 'nothing' }
  #ended = false

  /** Made by `OvsdbClient.monitor`. */
  constructor(start: (inbox: MonitorInbox) => Replication, onEnd: () => void) {
    this.#onEnd = onEnd
    this.#replication = start({
      onSynchronized: () => this.#put({ kind: 'synchronized' }),
      onChanged: (changes) => this.#merge(changes),
      onDisconnected: (reason) => this.#put({ kind: 'disconnected', reason }),
      onEnd: () => this.#finish(),
    })
  }

  /**
   * The rows as of now. Each synchronization makes new maps, and between them they change in place, a whole
   * transaction at a time. Empty before the first.
   */
  get tables(): MonitoredTables<D, S> {
    // The replica's rows were decoded by the same description that the type is made from.
    return Object.fromEntries(this.#replication.tables) as unknown as MonitoredTables<D, S>
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<MonitorEvent<D, S>, void, undefined> {
    try {
      while (true) {
        const event = this.#take()
        if (event !== undefined) yield event
        else if (this.#ended) return
        else await this.#wakeup.wait()
      }
    } finally {
      this[Symbol.dispose]()
    }
  }

  [Symbol.dispose](): void {
    if (!this.#ended) this.#onEnd()
    this.#finish()
  }

  #finish(): void {
    this.#ended = true
    this.#wakeup.wake()
  }

  #put(pending: Pending): void {
    this.#pending = pending
    this.#wakeup.wake()
  }

  #merge(changes: readonly RowChange[]): void {
    if (this.#pending.kind === 'synchronized') return
    const rows = this.#pending.kind === 'changed' ? this.#pending.rows : new Map<string, RowChange>()
    for (const change of changes) {
      const key = `${change.table} ${change.uuid}`
      const earlier = rows.get(key)
      rows.set(key, earlier === undefined ? change : { ...change, before: earlier.before })
    }
    this.#put({ kind: 'changed', rows })
  }

  #take(): MonitorEvent<D, S> | undefined {
    const pending = this.#pending
    this.#pending = { kind: 'nothing' }
    if (pending.kind === 'nothing') return undefined
    if (pending.kind === 'synchronized') return { kind: 'synchronized', tables: this.tables }
    if (pending.kind === 'disconnected') return pending
    const changes = [...pending.rows.values()].flatMap(described)
    // As above: the description says what these rows are.
    return changes.length === 0
      ? undefined
      : { kind: 'changed', changes: changes as unknown as MonitoredChange<D, S>[] }
  }
}

/** What a replica and its client tell a monitor. */
export type MonitorInbox = {
  readonly onSynchronized: () => void
  readonly onChanged: (changes: readonly RowChange[]) => void
  readonly onDisconnected: (reason: string) => void
  readonly onEnd: () => void
}

/** A row that came and went while nobody looked is no change. */
function described({ table, before, after }: RowChange): readonly ChangeOf<string, AnyMonitoredRow>[] {
  if (before === undefined) return after === undefined ? [] : [{ kind: 'inserted', table, after }]
  return [
    after === undefined ? { kind: 'deleted', table, before } : { kind: 'modified', table, before, after },
  ]
}
