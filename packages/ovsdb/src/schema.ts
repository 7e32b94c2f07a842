/**
 * A description held against the schema that the server has (RFC 7047, section 3.2). Whatever is missing or of
 * another type is found here, by name, before anything is read or written by it.
 */
import type { ColumnCodec } from './codec.ts'
import { type Column, type Database, type Shape, shapeOf, type Table } from './description.ts'
import { isObject, type Json, type JsonObject } from './json.ts'

/** The columns of one table that both sides have, `_uuid` among them, by name. */
export type TableCodec = ReadonlyMap<string, ColumnCodec>

export type Schema = {
  readonly version: string
  readonly tables: ReadonlyMap<string, TableCodec>
  /** Columns marked `ifPresent` that this server's schema does not have, as `Table.column`. */
  readonly absent: ReadonlySet<string>
}

export type Checked =
  | { readonly kind: 'suitable'; readonly schema: Schema }
  | { readonly kind: 'unsuitable'; readonly problems: readonly string[] }

/** `json`: the result of `get_schema`. */
export function checkSchema(description: Database, json: Json): Checked {
  const tables = member(json, 'tables')
  if (!isObject(tables)) return { kind: 'unsuitable', problems: ['the schema has no tables'] }
  const findings: Findings = { absent: new Set(), problems: [] }
  const codecs = new Map<string, TableCodec>()
  for (const [name, table] of Object.entries(description.tables)) {
    const columns = member(member(tables, name), 'columns')
    if (isObject(columns)) codecs.set(name, checkTable(name, table, columns, findings))
    else findings.problems.push(`table ${name} is missing`)
  }
  if (findings.problems.length > 0) return { kind: 'unsuitable', problems: findings.problems }
  const version = member(json, 'version')
  return {
    kind: 'suitable',
    schema: { version: typeof version === 'string' ? version : '', tables: codecs, absent: findings.absent },
  }
}

type Findings = { readonly absent: Set<string>; readonly problems: string[] }

function checkTable(name: string, table: Table, columns: JsonObject, findings: Findings): TableCodec {
  const codec = new Map<string, ColumnCodec>([['_uuid', UUID]])
  for (const [column, wanted] of Object.entries(table)) {
    const place = `${name}.${column}`
    const type = member(member(columns, column), 'type')
    if (type === undefined) {
      if (isIfPresent(wanted)) findings.absent.add(place)
      else findings.problems.push(`column ${place} is missing`)
      continue
    }
    const found = serverType(type)
    const shape = shapeOf(isIfPresent(wanted) ? wanted.ifPresent : wanted)
    if (found !== undefined && fits(shape, found)) {
      codec.set(column, { ...shape, name: place, min: found.min, single: found.max === 1 })
    } else findings.problems.push(`column ${place} is of another type: ${JSON.stringify(type)}`)
  }
  return codec
}

const UUID: ColumnCodec = { form: 'one', key: 'uuid', value: undefined, name: '_uuid', min: 1, single: true }

const isIfPresent = (column: Column): column is Exclude<Column, string> => typeof column === 'object'

type ServerType = {
  readonly key: Json | undefined
  readonly value: Json | undefined
  readonly min: 0 | 1
  readonly max: number
}

/** RFC 7047, section 3.2, <type>: an atomic type's name, or an object with bounds, which are 1 if left out. */
function serverType(type: Json): ServerType | undefined {
  if (typeof type === 'string') return { key: type, value: undefined, min: 1, max: 1 }
  const min = member(type, 'min') ?? 1
  const max = member(type, 'max') ?? 1
  if (min !== 0 && min !== 1) return undefined
  if (max !== 'unlimited' && typeof max !== 'number') return undefined
  return {
    key: baseType(member(type, 'key')),
    value: baseType(member(type, 'value')),
    min,
    max: max === 'unlimited' ? Number.POSITIVE_INFINITY : max,
  }
}

/** <base-type>: a name, or an object that adds what values are allowed, which is for the server to enforce. */
const baseType = (base: Json | undefined): Json | undefined => (isObject(base) ? base['type'] : base)

function fits({ form, key, value }: Shape, server: ServerType): boolean {
  if (server.key !== key || server.value !== value) return false
  if (form === 'one') return server.min === 1 && server.max === 1
  if (form === 'optional') return server.min === 0 && server.max === 1
  return form === 'map' || server.max > 1
}

const member = (json: Json | undefined, name: string): Json | undefined =>
  isObject(json) && Object.hasOwn(json, name) ? json[name] : undefined
