/**
 * A copy of some tables, kept by one of the server's monitors. On each new session the copy is made anew and put
 * in place whole, so a reader never sees half of one, nor rows that were deleted while nobody listened. A server
 * that knows the last transaction of the old copy sends only what came since (`monitor_cond_since`).
 */

import { DecodeError, EncodeError } from './codec.ts'
import { anyHolds } from './condition.ts'
import { isUuid, type Uuid } from './description.ts'
import { encodeWhere } from './encode-operation.ts'
import { brief, isList, type Json, type JsonObject } from './json.ts'
import type { AnyCondition } from './operations.ts'
import type { Schema, TableCodec } from './schema.ts'
import type { Reply, Session } from './session.ts'
import {
  type AnyMonitoredRow,
  type AnyTables,
  type RowChange,
  readUpdates,
  readUpdates2,
  type Selections,
} from './table-updates.ts'

/** What is wanted of each table: columns, and the rows that meet any of the conditions (all, where none is given). */
export type AnySpec = {
  readonly [table: string]:
    | { readonly columns: readonly string[]; readonly anyOf?: readonly AnyCondition[] }
    | undefined
}

export type ReplicationEvents = {
  /** There is a new copy. */
  readonly onSynchronized: () => void
  /** The copy was changed in place, by all of these at once. */
  readonly onChanged: (changes: readonly RowChange[]) => void
}

/** From the newest to the oldest; a server that does not know one says so. */
type Method = 'monitor_cond_since' | 'monitor_cond' | 'monitor'

const NO_TRANSACTION = '00000000-0000-0000-0000-000000000000'

type RowsByTable = Map<string, Map<Uuid, AnyMonitoredRow>>

export class Replication {
  readonly #id: string
  readonly #database: string
  readonly #spec: AnySpec
  readonly #events: ReplicationEvents
  #tables: RowsByTable = new Map()
  #selections: Selections = new Map()
  /** The last transaction that the copy holds, and the columns that it was made with. */
  #lastTransaction = NO_TRANSACTION
  #columns = ''
  #session: Session | undefined
  #method: Method = 'monitor_cond_since'
  #synchronized = false

  /** `id`: unlike that of any other monitor of the same session. */
  constructor(id: string, database: string, spec: AnySpec, events: ReplicationEvents) {
    this.#id = id
    this.#database = database
    this.#spec = spec
    this.#events = events
  }

  /** The copy of the last synchronization, which goes on changing until the next. */
  get tables(): AnyTables {
    return this.#tables
  }

  /** Starts the monitor on a new session. What goes wrong ends that session, so that the next one starts clean. */
  attach(session: Session, schema: Schema): void {
    this.#session = session
    this.#synchronized = false
    this.#selections = select(this.#spec, schema)
    const columns = JSON.stringify(
      [...this.#selections].map(([table, { codec }]) => [table, ...codec.keys()]),
    )
    if (columns !== this.#columns) this.#lastTransaction = NO_TRANSACTION
    this.#columns = columns
    this.#request(session, schema, 'monitor_cond_since')
  }

  /** Ends the monitor at the server too, if the session still stands. */
  detach(): void {
    this.#session?.call('monitor_cancel', [this.#id], () => {})
    this.#session = undefined
  }

  /** Whether the notification was for this monitor. */
  notify(session: Session, method: string, params: readonly Json[]): boolean {
    if (params[0] !== this.#id || session !== this.#session) return false
    this.#guard(session, () => {
      if (!this.#synchronized) throw new DecodeError('updates came before the first copy')
      if (method === 'update3') this.#lastTransaction = transactionOf(params[1])
      this.#update(params[method === 'update3' ? 2 : 1] ?? null)
    })
    return true
  }

  #request(session: Session, schema: Schema, method: Method): void {
    const requests = [...this.#selections].map(([table, { codec, columns }]): [string, Json] => {
      const where = method === 'monitor' ? {} : { where: conditions(table, this.#spec, codec) }
      const names = method === 'monitor' ? codec.keys() : columns.filter((name) => codec.has(name))
      return [table, [{ columns: [...names].filter((name) => name !== '_uuid'), ...where }]]
    })
    const since = method === 'monitor_cond_since' ? [this.#lastTransaction] : []
    const request: JsonObject = Object.fromEntries(requests)
    session.call(method, [this.#database, this.#id, request, ...since], (reply) => {
      if (session !== this.#session) return
      const next = reply.kind === 'error' ? OLDER[method] : undefined
      if (next !== undefined && isUnknownMethod(reply)) this.#request(session, schema, next)
      else this.#guard(session, () => this.#synchronize(method, reply))
    })
  }

  #synchronize(method: Method, reply: Reply): void {
    if (reply.kind === 'error') throw new DecodeError(`${method} was refused: ${brief(reply.error)}`)
    if (reply.kind !== 'result') return
    this.#method = method
    const { found, transaction, updates } = initial(method, reply.result)
    const fresh = new Map(
      [...this.#selections.keys()].map((table) => [table, new Map(found ? this.#tables.get(table) : [])]),
    )
    apply(fresh, this.#read(fresh, updates))
    this.#tables = fresh
    this.#lastTransaction = transaction
    this.#synchronized = true
    this.#events.onSynchronized()
  }

  #update(updates: Json): void {
    const changes = this.#read(this.#tables, updates)
    apply(this.#tables, changes)
    if (changes.length > 0) this.#events.onChanged(changes)
  }

  #read(tables: AnyTables, updates: Json): readonly RowChange[] {
    const read = this.#method === 'monitor' ? readUpdates : readUpdates2
    return read(this.#selections, tables, updates)
  }

  /** A copy that is not sure to be right is not gone on with, and not built upon either. */
  #guard(session: Session, step: () => void): void {
    try {
      step()
    } catch (error) {
      if (!(error instanceof DecodeError) && !(error instanceof EncodeError)) throw error
      this.#lastTransaction = NO_TRANSACTION
      session.close(error.message)
    }
  }
}

const OLDER: { readonly [method in Method]: Method | undefined } = {
  monitor_cond_since: 'monitor_cond',
  monitor_cond: 'monitor',
  monitor: undefined,
}

const isUnknownMethod = (reply: Reply): boolean =>
  reply.kind === 'error' && JSON.stringify(reply.error).includes('unknown method')

/** The columns of a plain monitor include those of the conditions, which are evaluated here. */
function select(spec: AnySpec, schema: Schema): Selections {
  return new Map(
    Object.entries(spec).flatMap(([table, wanted]) => {
      const known = schema.tables.get(table)
      if (known === undefined || wanted === undefined) return []
      const { columns, anyOf = [] } = wanted
      const used = new Set(['_uuid', ...columns, ...anyOf.map(([column]) => column)])
      const codec = new Map([...known].filter(([column]) => used.has(column)))
      return [[table, { codec, columns, wanted: (row: AnyMonitoredRow) => anyHolds(anyOf, row) }]]
    }),
  )
}

/** A column that the server's schema does not have meets no condition. */
function conditions(table: string, spec: AnySpec, codec: TableCodec): readonly Json[] {
  const anyOf = spec[table]?.anyOf ?? []
  const possible = anyOf.filter(([column]) => codec.has(column))
  if (possible.length === 0) return [anyOf.length === 0]
  return encodeWhere(table, codec, possible)
}

function initial(
  method: Method,
  result: Json,
): { readonly found: boolean; readonly transaction: string; readonly updates: Json } {
  if (method !== 'monitor_cond_since') return { found: false, transaction: NO_TRANSACTION, updates: result }
  const [found, transaction, updates] = isList(result) ? result : []
  if (typeof found !== 'boolean' || updates === undefined) {
    throw new DecodeError(`no reply to monitor_cond_since: ${brief(result)}`)
  }
  return { found, transaction: transactionOf(transaction), updates }
}

function transactionOf(json: Json | undefined): string {
  if (typeof json === 'string' && isUuid(json)) return json
  throw new DecodeError(`no transaction's UUID: ${brief(json)}`)
}

function apply(tables: RowsByTable, changes: readonly RowChange[]): void {
  for (const { table, uuid, after } of changes) {
    if (after === undefined) tables.get(table)?.delete(uuid)
    else tables.get(table)?.set(uuid, after)
  }
}
