/**
 * How a caller says which tables and columns it needs, and the types of rows that follow from it. A description
 * is plain data, so it can be written as one literal `as const`, printed, and held against a server's schema.
 *
 *     const NB = { name: 'OVN_Northbound', tables: {
 *       Port_Group: { name: 'string', ports: 'set of uuid', external_ids: 'map of string to string' },
 *       ACL: { match: 'string', name: 'optional string', tier: { ifPresent: 'integer' } },
 *     } } as const
 */

/** RFC 7047, section 3.2, <atomic-type>. */
export type AtomType = 'integer' | 'real' | 'boolean' | 'string' | 'uuid'

/** `optional`: at most one; `set of`: any number, or at least one. */
export type ColumnType =
  | AtomType
  | `optional ${AtomType}`
  | `set of ${AtomType}`
  | `map of ${AtomType} to ${AtomType}`

/** A column that some versions of the schema do not have. Its value is then undefined. */
export type Column = ColumnType | { readonly ifPresent: ColumnType }

export type Table = { readonly [column: string]: Column }
export type Tables = { readonly [table: string]: Table }
export type Database = { readonly name: string; readonly tables: Tables }

declare const uuid: unique symbol

/** The UUID of a row that exists, in the lower-case spelling of RFC 4122. `asUuid` makes one from text. */
export type Uuid = string & { readonly [uuid]: true }

/** In a transaction: the row that an insert of the same transaction makes, by that insert's `uuidName`. */
export type NamedUuid = { readonly named: string }

type AtomValue = { integer: number; real: number; boolean: boolean; string: string; uuid: Uuid }
type AtomWritten = { integer: number; real: number; boolean: boolean; string: string; uuid: Uuid | NamedUuid }

/** What a column holds, as it is read: sets and maps are ES ones. */
export type Value<C extends Column> = C extends { readonly ifPresent: infer T extends ColumnType }
  ? ValueOf<T, AtomValue> | undefined
  : C extends ColumnType
    ? ValueOf<C, AtomValue>
    : never

/** The same as it is written: sets may be lists, and rows to be inserted are known by name. */
export type Written<C extends Column> = C extends { readonly ifPresent: infer T extends ColumnType }
  ? Lists<ValueOf<T, AtomWritten>>
  : C extends ColumnType
    ? Lists<ValueOf<C, AtomWritten>>
    : never

type ValueOf<T extends ColumnType, A extends Record<AtomType, unknown>> = T extends AtomType
  ? A[T]
  : T extends `optional ${infer K extends AtomType}`
    ? A[K] | undefined
    : T extends `set of ${infer K extends AtomType}`
      ? ReadonlySet<A[K]>
      : T extends `map of ${infer K extends AtomType} to ${infer V extends AtomType}`
        ? ReadonlyMap<A[K], A[V]>
        : never

type Lists<V> = V extends ReadonlySet<infer K> ? V | readonly K[] : V

/** A row as it is read. Every row has a UUID. */
export type Row<T extends Table> = { readonly _uuid: Uuid } & { readonly [C in keyof T]: Value<T[C]> }

/** A row as it is written: what is left out is the column's default in an insert, and untouched in an update. */
export type WrittenRow<T extends Table> = { readonly [C in keyof T]?: Written<T[C]> }

/** Throws RangeError for what is no UUID. */
export function asUuid(text: string): Uuid {
  if (!isUuid(text)) throw new RangeError(`"${text}" is no UUID`)
  return text
}

export const isUuid = (text: string): text is Uuid =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text)

/** A column's type taken apart. A map is a set whose members have a value too. */
export type Shape = {
  readonly form: 'one' | 'optional' | 'set' | 'map'
  readonly key: AtomType
  readonly value: AtomType | undefined
}

export function shapeOf(type: ColumnType): Shape {
  const words = type.split(' ')
  const atom = (word: string | undefined): AtomType => {
    const found = ATOMS.find((name) => name === word)
    if (found === undefined) throw new RangeError(`"${type}" is no type of a column`)
    return found
  }
  if (words.length === 1) return { form: 'one', key: atom(words[0]), value: undefined }
  if (words[0] === 'optional') return { form: 'optional', key: atom(words[1]), value: undefined }
  if (words[0] === 'map') return { form: 'map', key: atom(words[2]), value: atom(words[4]) }
  return { form: 'set', key: atom(words[2]), value: undefined }
}

const ATOMS: readonly AtomType[] = ['integer', 'real', 'boolean', 'string', 'uuid']
