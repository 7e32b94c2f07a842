/** Operations in the notation of RFC 7047, section 5.2, by the columns that the server's schema has. */
import { type ColumnCodec, EncodeError, encode, encodeAtom, encodeSet, isId, isText } from './codec.ts'
import type { Json, JsonObject } from './json.ts'
import type { AnyCondition, AnyOperation, AnyRow } from './operations.ts'
import type { Schema, TableCodec } from './schema.ts'

/** Throws EncodeError for a value that does not fit, or a column that this server's schema does not have. */
export function encodeOperation(schema: Schema, operation: AnyOperation): JsonObject {
  const { op } = operation
  if (op === 'comment') return { op, comment: textOf(operation.comment) }
  if (op === 'assert') return { op, lock: idOf(operation.lock) }
  const { table } = operation
  const columns = schema.tables.get(table)
  if (columns === undefined) throw new EncodeError(`table ${table} is not in the description`)
  if (op === 'insert') {
    const { row, uuidName } = operation
    const name = uuidName === undefined ? {} : { 'uuid-name': idOf(uuidName) }
    return { op, table, row: encodeRow(table, columns, row), ...name }
  }
  const where = encodeWhere(table, columns, operation.where)
  if (op === 'delete') return { op, table, where }
  if (op === 'update') return { op, table, where, row: encodeRow(table, columns, operation.row) }
  if (op === 'mutate') {
    const mutations = operation.mutations.map((mutation) => encodeMutation(table, columns, mutation))
    return { op, table, where, mutations }
  }
  const { until, timeoutMs: timeout = 0 } = operation
  for (const name of operation.columns) columnOf(table, columns, name)
  const rows = operation.rows.map((row) => encodeRow(table, columns, row))
  return { op, table, where, columns: operation.columns, until, rows, timeout }
}

/** RFC 7047, section 5.1, <condition>. Throws EncodeError. */
export function encodeWhere(
  table: string,
  columns: TableCodec,
  where: readonly AnyCondition[],
): readonly Json[] {
  return where.map(([name, comparison, value]) => {
    const column = columnOf(table, columns, name)
    const ordered = ORDERS.has(comparison)
    return [name, comparison, ordered ? encodeAtom(column, column.key, value) : encode(column, value)]
  })
}

/** Columns with one value at most are compared by order with a bare number. */
const ORDERS: ReadonlySet<string> = new Set(['<', '<=', '>=', '>'])

function encodeRow(table: string, columns: TableCodec, row: AnyRow): JsonObject {
  const pairs = Object.entries(row).map(([name, value]): [string, Json] => [
    name,
    encode(columnOf(table, columns, name), value),
  ])
  return Object.fromEntries(pairs)
}

function encodeMutation(table: string, columns: TableCodec, [name, mutator, value]: AnyCondition): Json {
  const column = columnOf(table, columns, name)
  if (mutator !== 'insert' && mutator !== 'delete') {
    return [name, mutator, encodeAtom(column, column.key, value)]
  }
  const keysOfMap = column.form === 'map' && mutator === 'delete' && !(value instanceof Map)
  return [name, mutator, keysOfMap ? encodeSet(column, value) : encode(column, value)]
}

function columnOf(table: string, columns: TableCodec, name: string): ColumnCodec {
  const column = columns.get(name)
  if (column === undefined) throw new EncodeError(`column ${table}.${name} is not in the server's schema`)
  return column
}

function textOf(text: string): string {
  if (!isText(text)) throw new EncodeError('a comment holds a NUL or half a surrogate pair')
  return text
}

function idOf(text: string): string {
  if (!isId(text)) throw new EncodeError(`${JSON.stringify(text)} is no name: letters, digits and "_"`)
  return text
}
