/**
 * Values to and from the notation of RFC 7047, section 5.1. Both ways are strict. What cannot be decoded is not
 * guessed at, and what a server would choke on is not sent: a NUL in a string ends the whole connection there
 * (measured with 3.1), which somebody who can name an object must not be able to bring about.
 */
import { type AtomType, isUuid, type NamedUuid, type Shape } from './description.ts'
import { brief, isList, isObject, type Json } from './json.ts'

export type Atom = number | boolean | string
export type Datum = Atom | undefined | ReadonlySet<Atom> | ReadonlyMap<Atom, Atom>

/** A column as the server has it: the shape that was asked for, and the server's own bounds. */
export type ColumnCodec = Shape & { readonly name: string; readonly min: 0 | 1; readonly single: boolean }

/** The server sent what its own schema does not allow. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

/** The caller's value does not fit the column. */
export class EncodeError extends Error {
  override readonly name = 'EncodeError'
}

const NO_MEMBERS: ReadonlySet<Atom> = new Set()
const NO_PAIRS: ReadonlyMap<Atom, Atom> = new Map()

/** Most columns of most rows are empty, and share one value. Throws DecodeError. */
export function decode(column: ColumnCodec, json: Json): Datum {
  if (column.form === 'map') return decodeMap(column, json)
  const members = isTagged(json, 'set') ? json[1] : [json]
  if (column.form === 'set') return decodeSet(column, members)
  const [first] = members
  if (first === undefined && column.form === 'optional') return undefined
  if (first === undefined || members.length > 1) throw wrong(column, json)
  return decodeAtom(column, column.key, first)
}

function decodeSet(column: ColumnCodec, members: readonly Json[]): ReadonlySet<Atom> {
  if (members.length === 0) return NO_MEMBERS
  const set = new Set(members.map((member) => decodeAtom(column, column.key, member)))
  if (set.size !== members.length) throw wrong(column, members)
  return set
}

function decodeMap(column: ColumnCodec, json: Json): ReadonlyMap<Atom, Atom> {
  if (!isTagged(json, 'map') || column.value === undefined) throw wrong(column, json)
  if (json[1].length === 0) return NO_PAIRS
  const map = new Map<Atom, Atom>()
  for (const pair of json[1]) {
    if (!isList(pair) || pair.length !== 2) throw wrong(column, pair)
    map.set(decodeAtom(column, column.key, pair[0]), decodeAtom(column, column.value, pair[1]))
  }
  if (map.size !== json[1].length) throw wrong(column, json)
  return map
}

function decodeAtom(column: ColumnCodec, type: AtomType, json: Json | undefined): Atom {
  if (type === 'uuid') {
    if (isList(json) && json.length === 2 && json[0] === 'uuid') {
      if (typeof json[1] === 'string' && isUuid(json[1])) return json[1]
    }
  } else if (type === 'string' || type === 'boolean') {
    if (typeof json === type && (typeof json === 'string' || typeof json === 'boolean')) return json
  } else if (typeof json === 'number' && (type === 'real' || Number.isSafeInteger(json))) return json
  throw wrong(column, json)
}

const isTagged = (json: Json, tag: 'set' | 'map'): json is readonly [string, readonly Json[]] =>
  isList(json) && json.length === 2 && json[0] === tag && isList(json[1])

const wrong = (column: ColumnCodec, json: Json | undefined): DecodeError =>
  new DecodeError(`column ${column.name}: ${brief(json)} is no ${typeText(column)}`)

/** What a row has where nothing was said: RFC 7047, section 5.2.1. */
export function defaultOf(column: ColumnCodec): Datum {
  if (column.form === 'optional') return undefined
  if (column.form === 'map') return NO_PAIRS
  if (column.form === 'set') return column.min === 0 ? NO_MEMBERS : new Set([DEFAULTS[column.key]])
  return DEFAULTS[column.key]
}

const DEFAULTS: { readonly [type in AtomType]: Atom } = {
  integer: 0,
  real: 0,
  boolean: false,
  string: '',
  uuid: '00000000-0000-0000-0000-000000000000',
}

/**
 * The new value from the old one and the difference that `update2` gives (ovsdb-server(7), section 4.1.14): for
 * columns of at most one value the new value itself, for sets the members that only one side has, for maps the
 * pairs that were added, removed, or changed.
 */
export function applyDifference(column: ColumnCodec, old: Datum, difference: Datum): Datum {
  if (column.single) return difference
  if (old instanceof Map && difference instanceof Map) {
    const map = new Map<Atom, Atom>(old)
    for (const [key, value] of difference) {
      if (old.get(key) === value) map.delete(key)
      else map.set(key, value)
    }
    return map.size === 0 ? NO_PAIRS : map
  }
  if (old instanceof Set && difference instanceof Set) {
    const set: ReadonlySet<Atom> = old.symmetricDifference(difference)
    return set.size === 0 ? NO_MEMBERS : set
  }
  throw new DecodeError(`column ${column.name}: a difference to something else than ${typeText(column)}`)
}

/** Throws EncodeError. */
export function encode(column: ColumnCodec, value: unknown): Json {
  if (column.form === 'map') {
    if (!(value instanceof Map) || column.value === undefined) throw misfit(column, value)
    const { key: keyType, value: valueType } = column
    const pairs = [...value].map(([key, item]) => [
      encodeAtom(column, keyType, key),
      encodeAtom(column, valueType, item),
    ])
    return ['map', pairs]
  }
  if (column.form === 'set') return encodeSet(column, value)
  if (column.form === 'optional' && value === undefined) return ['set', []]
  return encodeAtom(column, column.key, value)
}

/** Members of a set, or the keys of a map, as a set of their own. Throws EncodeError. */
export function encodeSet(column: ColumnCodec, value: unknown): Json {
  if (!(value instanceof Set) && !Array.isArray(value)) throw misfit(column, value)
  return ['set', [...value].map((member) => encodeAtom(column, column.key, member))]
}

/** One number, string or UUID of the column's own type. Throws EncodeError. */
export function encodeAtom(column: ColumnCodec, type: AtomType, value: unknown): Json {
  if (type === 'uuid') {
    if (typeof value === 'string' && isUuid(value)) return ['uuid', value]
    if (isNamed(value) && isId(value.named)) return ['named-uuid', value.named]
  } else if (type === 'string') {
    if (typeof value === 'string' && isText(value)) return value
  } else if (type === 'boolean') {
    if (typeof value === 'boolean') return value
  } else if (typeof value === 'number') {
    if (type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value)) return value
  }
  throw misfit(column, value)
}

/** RFC 7047, section 3.1, <id>: names of locks, and of rows that a transaction inserts. */
export const isId = (text: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(text)

/** A NUL, or half a surrogate pair, which no UTF-8 can hold, is an error of the whole connection at the server. */
export const isText = (text: string): boolean => text.isWellFormed() && !text.includes('\0')

const isNamed = (value: unknown): value is NamedUuid =>
  typeof value === 'object' && value !== null && 'named' in value && typeof value.named === 'string'

function misfit(column: ColumnCodec, value: unknown): EncodeError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 200)) : String(value)
  return new EncodeError(`column ${column.name}: ${shown} is no ${typeText(column)}`)
}

function typeText({ form, key, value }: Shape): string {
  if (form === 'one') return key
  if (form === 'optional') return `optional ${key}`
  return form === 'set' ? `set of ${key}` : `map of ${key} to ${value}`
}

/** For places that hold JSON of unknown columns, such as errors of the server. */
export const isErrorObject = (
  json: Json | undefined,
): json is { readonly error: string; readonly details?: Json } =>
  isObject(json) && typeof json['error'] === 'string'
