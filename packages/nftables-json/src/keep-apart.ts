/**
 * A way around what nft gets wrong (measured with 1.0.6). Matches of one value each on neighbouring header
 * fields become one comparison of the bytes together. That is right for `tcp sport 5 tcp dport 7`. But
 * `tcp sport != 5 tcp dport != 7` then means "not both", and lets port 5 through; and in
 * `tcp dport 5 counter tcp sport 7` the first match moves behind the counter. Ranges are left alone, so where
 * this would happen a value v is written as v-v.
 */
import { datatypeOf, isList, single } from './datatypes.ts'
import type { Expression, Immediate } from './expression-types.ts'
import { BIT_TYPES } from './symbols.ts'
import type { Statement } from './types.ts'

/** The same rule, which nft compiles to what it says. */
export function keepApart(expr: readonly Statement[]): readonly Statement[] {
  const joinable = expr.filter(isJoinable)
  const several = joinable.filter((statement) => 'match' in statement && statement.match.op === '!=')
  return several.length < 2 && !isDivided(expr) ? expr : expr.map(asRange)
}

/** Whether something other than a match lies between two of the matches. */
function isDivided(expr: readonly Statement[]): boolean {
  const first = expr.findIndex(isJoinable)
  const last = expr.findLastIndex(isJoinable)
  return expr.slice(first, last).some((statement) => !('match' in statement))
}

const isJoinable = (statement: Statement): boolean => soleValue(statement) !== undefined

/** The one value that a match compares a header's field with, which is when nft may join it to another. */
function soleValue(statement: Statement): Immediate | undefined {
  if (!('match' in statement)) return undefined
  const { op, left, right } = statement.match
  if (typeof left !== 'object' || !('payload' in left)) return undefined
  const anyBit = op === 'in' && BIT_TYPES.has(single(datatypeOf(left)))
  return anyBit || !['==', '!=', 'in'].includes(op) ? undefined : oneOf(right)
}

function oneOf(value: Expression): Immediate | undefined {
  if (typeof value !== 'object') return value
  if (isList(value) || !('set' in value)) return undefined
  const [member, ...more] = isList(value.set) ? value.set : [value.set]
  return member === undefined || more.length > 0 ? undefined : oneOf(member)
}

function asRange(statement: Statement): Statement {
  const value = soleValue(statement)
  if (value === undefined || !('match' in statement)) return statement
  const { op, left } = statement.match
  return { match: { op: op === 'in' ? '==' : op, left, right: { range: [value, value] } } }
}
