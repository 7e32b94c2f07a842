/**
 * One walk over the values of a statement, for all who change or check them: the transaction's checks, the
 * printer of JSON, the comparison. It brings each value together with its data type, which it has from the
 * other side of the comparison.
 */
import { type Datatype, datatypeOf, isList, partOf, single } from './datatypes.ts'
import type { Expression, Immediate, MapPair, SetReference, Wildcard } from './expression-types.ts'
import type { Statement } from './types.ts'

export type Leaf = Immediate | SetReference | Wildcard

/** `whole` says that the leaf is all there is on its side, which is where alone a set can be named. */
export type LeafMapper = (leaf: Leaf, datatype: string, whole: boolean) => Expression

/** The same statement with every value replaced by what `leaf` makes of it. */
export function mapStatement(statement: Statement, leaf: LeafMapper): Statement {
  if ('match' in statement) {
    const { op, left, right } = statement.match
    return { match: { op, left: mapKey(left, leaf), right: mapValue(right, datatypeOf(left), leaf) } }
  }
  if ('vmap' in statement) {
    const { key, data } = statement.vmap
    return { vmap: { key: mapKey(key, leaf), data: mapPairs(data, datatypeOf(key), 'verdict', leaf) } }
  }
  if ('mangle' in statement) {
    const { key, value } = statement.mangle
    return { mangle: { key: mapKey(key, leaf), value: mapValue(value, datatypeOf(key), leaf) } }
  }
  if ('reject' in statement && statement.reject?.expr !== undefined) {
    const { type, expr } = statement.reject
    const code = mapValue(expr, rejectCodeType(type), leaf)
    return { reject: type === undefined ? { expr: code } : { type, expr: code } }
  }
  return statement
}

/** The data type of a reject's code. */
export const rejectCodeType = (type: string | undefined): string => `${type ?? 'icmpx'}_code`

/** The same value with every leaf mapped. A concatenation's parts each have their own type. */
export function mapValue(value: Expression, datatype: Datatype, leaf: LeafMapper, whole = true): Expression {
  if (typeof value !== 'object') return leaf(value, single(datatype), whole)
  const inner = (part: Expression): Expression => mapValue(part, datatype, leaf, false)
  if (isList(value)) return value.map(inner)
  if ('ref' in value || 'wildcard' in value) return leaf(value, single(datatype), whole)
  if ('prefix' in value) return { prefix: { addr: inner(value.prefix.addr), len: value.prefix.len } }
  if ('range' in value) return { range: [inner(value.range[0]), inner(value.range[1])] }
  if ('elem' in value) return { elem: { ...value.elem, val: inner(value.elem.val) } }
  if ('set' in value) return { set: isList(value.set) ? value.set.map(inner) : inner(value.set) }
  if ('|' in value) return { '|': value['|'].map(inner) }
  if ('concat' in value) {
    return { concat: value.concat.map((part, n) => mapValue(part, partOf(datatype, n), leaf, false)) }
  }
  return mapKey(value, leaf)
}

/** A key holds values too: the masks of its bit arithmetic, and the data of a map that it is looked up in. */
export function mapKey(key: Expression, leaf: LeafMapper): Expression {
  if (typeof key !== 'object' || isList(key)) return mapValue(key, 'integer', leaf, false)
  if ('concat' in key) return { concat: key.concat.map((part) => mapKey(part, leaf)) }
  if ('map' in key) {
    const { key: looked, data } = key.map
    return { map: { key: mapKey(looked, leaf), data: mapPairs(data, datatypeOf(looked), 'integer', leaf) } }
  }
  if ('&' in key) return { '&': mapOperands(key['&'], leaf) }
  if ('|' in key) return { '|': mapOperands(key['|'], leaf) }
  if ('^' in key) return { '^': mapOperands(key['^'], leaf) }
  if ('<<' in key) return { '<<': mapOperands(key['<<'], leaf) }
  if ('>>' in key) return { '>>': mapOperands(key['>>'], leaf) }
  return key
}

/** The members of a map: keys of one type, and verdicts or values of another. */
export function mapPairs(data: Expression, key: Datatype, value: Datatype, leaf: LeafMapper): Expression {
  if (typeof data !== 'object' || !('set' in data) || !isList(data.set)) {
    return mapValue(data, 'integer', leaf)
  }
  return { set: data.set.map((member) => mapPair(member, key, value, leaf)) }
}

/** One member of a map. What is no pair is left as it is, for the checks to find. */
export function mapPair(
  member: Expression | MapPair,
  key: Datatype,
  value: Datatype,
  leaf: LeafMapper,
): Expression {
  if (!isPair(member)) return member
  return [mapValue(member[0], key, leaf, false), mapValue(member[1], value, leaf, false)]
}

export function isPair(member: Expression | MapPair): member is MapPair {
  return isList(member) && member.length === 2
}

function mapOperands(operands: readonly Expression[], leaf: LeafMapper): readonly Expression[] {
  const datatype = datatypeOf(operands[0] ?? 0)
  return operands.map((operand, n) =>
    n === 0 ? mapKey(operand, leaf) : mapValue(operand, datatype, leaf, false),
  )
}
