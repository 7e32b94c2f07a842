/**
 * The server's messages about rows, as changes: `<table-updates2>` of the conditional monitors (ovsdb-server(7),
 * section 4.1.14), and `<table-updates>` of the plain one (RFC 7047, section 4.1.6). Nothing is changed here, so
 * that a message that makes no sense half way through leaves no half of itself behind.
 */
import { applyDifference, type Datum, DecodeError, decode, defaultOf } from './codec.ts'
import { isUuid, type Uuid } from './description.ts'
import { brief, isObject, type Json, type JsonObject } from './json.ts'
import type { TableCodec } from './schema.ts'

export type AnyMonitoredRow = { readonly _uuid: Uuid; readonly [column: string]: Datum }
export type AnyTables = ReadonlyMap<string, ReadonlyMap<Uuid, AnyMonitoredRow>>

/** A row that was inserted has no `before`, one that was deleted no `after`. */
export type RowChange = {
  readonly table: string
  readonly uuid: Uuid
  readonly before: AnyMonitoredRow | undefined
  readonly after: AnyMonitoredRow | undefined
}

/** What is replicated of one table. */
export type Selection = {
  readonly codec: TableCodec
  /** What rows are to have. */
  readonly columns: readonly string[]
  /** Only where the server does not do it: which rows are wanted. */
  readonly wanted?: (row: AnyMonitoredRow) => boolean
}

export type Selections = ReadonlyMap<string, Selection>

/** Throws DecodeError when the message does not fit the schema, or the rows that are there. */
export function readUpdates2(selections: Selections, tables: AnyTables, json: Json): readonly RowChange[] {
  return eachRow(selections, json, (selection, table, uuid, update) => {
    const before = tables.get(table)?.get(uuid)
    const whole = update['initial'] ?? update['insert']
    if (whole !== undefined) {
      return { table, uuid, before, after: readRow(selection.codec, selection.columns, uuid, whole) }
    }
    if (before === undefined) throw new DecodeError(`table ${table}: row ${uuid} changed, and is not there`)
    if (update['modify'] === undefined) return { table, uuid, before, after: undefined }
    return { table, uuid, before, after: modifiedRow(selection, before, update['modify']) }
  })
}

/** The plain monitor sends every row of a table, and of a changed one all columns. Throws DecodeError. */
export function readUpdates(selections: Selections, tables: AnyTables, json: Json): readonly RowChange[] {
  const changes = eachRow(selections, json, (selection, table, uuid, update) => {
    const { codec, columns, wanted } = selection
    const before = tables.get(table)?.get(uuid)
    if (update['new'] === undefined) return { table, uuid, before, after: undefined }
    const every = readRow(
      codec,
      [...codec.keys()].filter((name) => name !== '_uuid'),
      uuid,
      update['new'],
    )
    const after = wanted?.(every) === false ? undefined : project(every, columns)
    return { table, uuid, before, after }
  })
  return changes.filter(({ before, after }) => before !== undefined || after !== undefined)
}

function eachRow(
  selections: Selections,
  json: Json,
  read: (selection: Selection, table: string, uuid: Uuid, update: JsonObject) => RowChange,
): readonly RowChange[] {
  if (!isObject(json)) throw new DecodeError(`no updates of tables: ${brief(json)}`)
  return Object.entries(json).flatMap(([table, rows]) => {
    const selection = selections.get(table)
    if (selection === undefined || !isObject(rows))
      throw new DecodeError(`no updates of ${table} were asked for`)
    return Object.entries(rows).map(([uuid, update]) => {
      if (!isUuid(uuid) || !isObject(update)) throw new DecodeError(`no update of a row: ${brief(update)}`)
      return read(selection, table, uuid, update)
    })
  })
}

/** Members always in the same order, so that all rows of a table share one hidden class. */
function readRow(codec: TableCodec, columns: readonly string[], uuid: Uuid, json: Json): AnyMonitoredRow {
  if (!isObject(json)) throw new DecodeError(`no row: ${brief(json)}`)
  const row: { _uuid: Uuid; [column: string]: Datum } = { _uuid: uuid }
  for (const name of columns) {
    const column = codec.get(name)
    const value = json[name]
    if (column === undefined) row[name] = undefined
    else row[name] = value === undefined ? defaultOf(column) : decode(column, value)
  }
  return row
}

function modifiedRow({ codec, columns }: Selection, before: AnyMonitoredRow, json: Json): AnyMonitoredRow {
  if (!isObject(json)) throw new DecodeError(`no changes of a row: ${brief(json)}`)
  const row: { _uuid: Uuid; [column: string]: Datum } = { ...before }
  for (const name of columns) {
    const column = codec.get(name)
    const difference = json[name]
    if (column === undefined || difference === undefined) continue
    row[name] = applyDifference(column, before[name], decode(column, difference))
  }
  return row
}

function project(every: AnyMonitoredRow, columns: readonly string[]): AnyMonitoredRow {
  const row: { _uuid: Uuid; [column: string]: Datum } = { _uuid: every._uuid }
  for (const name of columns) row[name] = every[name]
  return row
}
