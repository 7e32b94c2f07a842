/**
 * Conditions evaluated on this side (RFC 7047, section 5.1), for servers before 2.6, which cannot filter what
 * they send.
 */
import type { Atom, Datum } from './codec.ts'
import type { AnyCondition } from './operations.ts'
import type { AnyMonitoredRow } from './table-updates.ts'

/** Whether any of the conditions holds, which is how monitors read a list of them; none at all always hold. */
export function anyHolds(conditions: readonly AnyCondition[], row: AnyMonitoredRow): boolean {
  return conditions.length === 0 || conditions.some((condition) => holds(condition, row))
}

function holds([column, comparison, wanted]: AnyCondition, row: AnyMonitoredRow): boolean {
  const value = row[column]
  const [have, want] = [membersOf(value), membersOf(wanted)]
  const includes = [...want].every((member) => have.has(member))
  if (comparison === '==') return includes && have.size === want.size
  if (comparison === '!=') return !includes || have.size !== want.size
  if (comparison === 'includes') return includes
  if (comparison === 'excludes') return [...want].every((member) => !have.has(member))
  if (typeof value !== 'number' || typeof wanted !== 'number') return false
  if (comparison === '<') return value < wanted
  if (comparison === '<=') return value <= wanted
  return comparison === '>' ? value > wanted : value >= wanted
}

/** Every value is a set to a comparison: a scalar of one, a map of pairs. */
function membersOf(value: Datum | unknown): ReadonlySet<unknown> {
  if (value instanceof Map)
    return new Set([...value].map(([key, item]: [Atom, Atom]) => JSON.stringify([key, item])))
  if (value instanceof Set) return value
  if (Array.isArray(value)) return new Set(value)
  return new Set(value === undefined ? [] : [value])
}
