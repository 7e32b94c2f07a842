/** The operations of a transaction (RFC 7047, section 5.2) as data, typed by the description of the tables. */
import type { Column, Database, NamedUuid, Table, Uuid, Written, WrittenRow } from './description.ts'

/** Of a map `includes` means that it has these pairs, of a set that it has these members. */
type Comparison = '==' | '!=' | 'includes' | 'excludes'
type Order = '<' | '<=' | '>=' | '>'

/** RFC 7047, section 5.1, <condition>. */
export type Condition<T extends Table> =
  | readonly ['_uuid', '==' | '!=', Uuid | NamedUuid]
  | { readonly [C in keyof T & string]: ColumnCondition<C, T[C]> }[keyof T & string]

type ColumnCondition<C extends string, T extends Column> =
  | readonly [C, Comparison, Written<T>]
  | (number extends Written<T> ? readonly [C, Order, number] : never)

/** RFC 7047, section 5.1, <mutation>. To `delete` from a map, give its keys, or pairs that must match whole. */
export type Mutation<T extends Table> = {
  readonly [C in keyof T & string]: ColumnMutation<C, Written<T[C]>>
}[keyof T & string]

type ColumnMutation<C extends string, V> = [number] extends [V]
  ? readonly [C, '+=' | '-=' | '*=' | '/=' | '%=', number]
  : V extends ReadonlyMap<infer K, unknown>
    ? readonly [C, 'insert', V] | readonly [C, 'delete', V | ReadonlySet<K> | readonly K[]]
    : V extends ReadonlySet<unknown> | readonly unknown[]
      ? readonly [C, 'insert' | 'delete', V]
      : never

type TableOperation<N extends string, T extends Table> =
  /** `uuidName` lets other operations of the transaction name the row: `{ named: uuidName }`. */
  | { readonly op: 'insert'; readonly table: N; readonly row: WrittenRow<T>; readonly uuidName?: string }
  | {
      readonly op: 'update'
      readonly table: N
      /** All of the conditions must hold; with none, every row is meant. */
      readonly where: readonly Condition<T>[]
      readonly row: WrittenRow<T>
    }
  | {
      readonly op: 'mutate'
      readonly table: N
      readonly where: readonly Condition<T>[]
      readonly mutations: readonly Mutation<T>[]
    }
  | { readonly op: 'delete'; readonly table: N; readonly where: readonly Condition<T>[] }
  | {
      /** The rows that meet the conditions, with just these columns, must be these rows (or must not). */
      readonly op: 'wait'
      readonly table: N
      readonly where: readonly Condition<T>[]
      readonly columns: readonly (keyof T & string)[]
      readonly until: '==' | '!='
      readonly rows: readonly WrittenRow<T>[]
      /** How long the server may wait for it; 0, the default, is a check that is made once. */
      readonly timeoutMs?: number
    }

/** One operation on a database. */
export type Operation<D extends Database> =
  | { readonly [N in keyof D['tables'] & string]: TableOperation<N, D['tables'][N]> }[keyof D['tables'] &
      string]
  | { readonly op: 'comment'; readonly comment: string }
  /** Fails unless this client holds the lock: fences off a writer that lost it. */
  | { readonly op: 'assert'; readonly lock: string }

/** How a transaction ended. */
export type TransactResult =
  /** Lists by operation: the UUID of the row that it inserted, the count of the rows that it touched. */
  | {
      readonly kind: 'committed'
      readonly uuids: readonly (Uuid | undefined)[]
      readonly counts: readonly (number | undefined)[]
    }
  /**
   * Nothing was changed. `error` is the server's word (RFC 7047, sections 4.1.3 and 5.2: `timed out` of a wait,
   * `not owner` of an assert, `constraint violation` …), or `invalid value` for what was not even sent.
   * `operation` is the place in the list, undefined when the transaction as a whole was refused.
   */
  | {
      readonly kind: 'refused'
      readonly error: string
      readonly details: string
      readonly operation: number | undefined
    }
  /** There was no connection: nothing was sent, and nothing was changed. */
  | { readonly kind: 'unsent'; readonly reason: string }
  /** The connection ended, or time ran out, before the answer: it may have been committed. */
  | { readonly kind: 'unknown'; readonly reason: string }

/** What the types above are when the description is not known: for the code that carries them out. */
export type AnyCondition = readonly [string, string, unknown]
export type AnyRow = { readonly [column: string]: unknown }
export type AnyOperation =
  | { readonly op: 'insert'; readonly table: string; readonly row: AnyRow; readonly uuidName?: string }
  | {
      readonly op: 'update'
      readonly table: string
      readonly where: readonly AnyCondition[]
      readonly row: AnyRow
    }
  | {
      readonly op: 'mutate'
      readonly table: string
      readonly where: readonly AnyCondition[]
      readonly mutations: readonly AnyCondition[]
    }
  | { readonly op: 'delete'; readonly table: string; readonly where: readonly AnyCondition[] }
  | {
      readonly op: 'wait'
      readonly table: string
      readonly where: readonly AnyCondition[]
      readonly columns: readonly string[]
      readonly until: '==' | '!='
      readonly rows: readonly AnyRow[]
      readonly timeoutMs?: number
    }
  | { readonly op: 'comment'; readonly comment: string }
  | { readonly op: 'assert'; readonly lock: string }
