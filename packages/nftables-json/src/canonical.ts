/**
 * Tables in one spelling, so that what a transaction says and what the kernel lists afterwards can be compared.
 * nft does not list what it was given: it drops what is implied, names numbers, sorts, merges, and gives every
 * object a handle. Two tables are the same when they do the same to every packet and count it in the same
 * places; only what cannot be read back (see README) is left out of the comparison.
 */
import { isDeepStrictEqual } from 'node:util'
import { canonicalRule } from './canonical-rule.ts'
import { canonicalElement, canonicalMember } from './canonical-values.ts'
import type { Expression, Json } from './expression-types.ts'
import type { Listed, ListedChain, ListedTable } from './listing-types.ts'
import type { BaseChainHook, Family, MapElement, NamedMap, NamedSet, SetType } from './types.ts'
import { isPair } from './walk.ts'

/** Whether the two tables are the same but for handles, counts, spelling and what nft cannot tell. */
export function sameTable(a: ListedTable, b: ListedTable): boolean {
  return isDeepStrictEqual(canonical(a), canonical(b))
}

/** The table in one spelling, as plain JSON that can be compared, hashed, or shown to a person as a difference. */
export function canonical(table: ListedTable): Json {
  const { family, name, chains, sets, maps, counters, unknown, other } = table
  return {
    table: `${family} ${name}`,
    ...(other === undefined ? {} : { other }),
    chains: byName(chains, (chain) => canonicalChain(chain, family)),
    sets: byName([...sets, ...maps], canonicalHolder),
    counters: byName(counters, ({ comment }) => comment ?? ''),
    unknown: unknown.map((object) => JSON.stringify(withoutHandles(object.unknown))).sort(),
  }
}

function byName<T extends { readonly name: string }>(
  objects: readonly T[],
  form: (object: T) => Json,
): { readonly [name: string]: Json } {
  const sorted = objects.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return Object.fromEntries(sorted.map((object) => [object.name, form(object)]))
}

function canonicalChain({ hook, rules, other }: ListedChain, family: Family): Json {
  return {
    ...(hook === undefined ? {} : { hook: hookForm(hook) }),
    ...(other === undefined ? {} : { other }),
    rules: rules.map((rule) => canonicalRule(rule, family)),
  }
}

/** Without the device of a chain at ingress, which nft 1.0.6 does not list. */
const hookForm = ({ type, hook, prio, policy }: BaseChainHook): string => `${type} ${hook} ${prio} ${policy}`

function canonicalHolder(holder: Listed<NamedSet> | Listed<NamedMap>): Json {
  const { type, flags = [], policy, size, timeout, other, elem = [] } = holder
  const interval = holder['gc-interval']
  const values = holder.map
  const implied = timeout === undefined ? flags : [...flags, 'timeout' as const]
  return {
    type: typeof type === 'string' ? type : type.join(' . '),
    ...(values === undefined ? {} : { map: String(values) }),
    flags: [...new Set(implied)].sort(),
    ...(policy === undefined || policy === 'performance' ? {} : { policy }),
    ...(size === undefined ? {} : { size }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(interval === undefined ? {} : { 'gc-interval': interval }),
    ...(other === undefined ? {} : { other }),
    elem: [...new Set(elem.map((element) => elementForm(element, type, values)))].sort(),
  }
}

function elementForm(element: Expression | MapElement, type: SetType, values: SetType | undefined): string {
  if (values === undefined || !isPair(element)) return canonicalElement(element, type)
  return `${canonicalElement(element[0], type)} : ${canonicalMember(element[1], values)}`
}

/** Of objects that have no type here, all that is not a handle is taken to matter. */
function withoutHandles(json: Json): Json {
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map(withoutHandles)
  const kept = Object.entries(json).filter(([name]) => name !== 'handle')
  return Object.fromEntries(kept.map(([name, value]) => [name, withoutHandles(value ?? null)]))
}
