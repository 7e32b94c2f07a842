/** What a statement or an element of a map refers to: chains by jump and goto, sets and maps by `@name`. */
import { isList } from './datatypes.ts'
import type { Expression } from './expression-types.ts'
import type { Statement } from './types.ts'

export type Reference =
  | { readonly kind: 'chain'; readonly name: string }
  /** Of a match: nft looks a value up in a map's keys as well as in a set. */
  | { readonly kind: 'set or map'; readonly name: string }
  | { readonly kind: 'map'; readonly name: string }
  | { readonly kind: 'counter'; readonly name: string }

/** All references of a statement, in order. */
export function referencesOf(statement: Statement): readonly Reference[] {
  if ('counter' in statement) {
    return typeof statement.counter === 'string' ? [{ kind: 'counter', name: statement.counter }] : []
  }
  if ('match' in statement) {
    return [...inKey(statement.match.left), ...inData(statement.match.right, 'set or map')]
  }
  if ('vmap' in statement) return [...inKey(statement.vmap.key), ...inData(statement.vmap.data, 'map')]
  if ('mangle' in statement) return inKey(statement.mangle.value)
  if ('jump' in statement || 'goto' in statement) return verdictReferences(statement)
  return []
}

/** The chain that a verdict leads to, if it does. */
export function verdictReferences(verdict: Expression): readonly Reference[] {
  if (typeof verdict !== 'object') return []
  if ('jump' in verdict) return [{ kind: 'chain', name: verdict.jump.target }]
  return 'goto' in verdict ? [{ kind: 'chain', name: verdict.goto.target }] : []
}

function inKey(key: Expression): readonly Reference[] {
  if (typeof key !== 'object' || isList(key)) return []
  if ('concat' in key) return key.concat.flatMap(inKey)
  if ('map' in key) return [...inKey(key.map.key), ...inData(key.map.data, 'map')]
  const operands = Object.values(key)[0]
  return isList(operands) ? operands.flatMap(inKey) : []
}

function inData(data: Expression, kind: 'map' | 'set or map'): readonly Reference[] {
  if (typeof data !== 'object' || isList(data)) return []
  if ('ref' in data) return [{ kind, name: data.ref }]
  if (!('set' in data) || !isList(data.set)) return []
  return data.set.flatMap((member) => (isList(member) ? verdictReferences(member[1] ?? 0) : []))
}
