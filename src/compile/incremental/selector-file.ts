/**
 * Selectors, filed under what they mention, so that an object with labels finds those that match it without trying them
 * all. A selector stands in one drawer: that of a label which it demands, or that of those which demand none.
 */

import { type Labels, matches, type Requirement, type Selector } from '../selector.ts'
import { addTo, type Multimap, removeFrom } from './multimap.ts'

export type Demand = Extract<Requirement, { kind: 'in' | 'exists' }>

export class SelectorFile<T extends { readonly selector: Selector }> {
  readonly #demandsNothing = new Set<T>()
  readonly #byKey: Multimap<string, T> = new Map()
  readonly #byValue: Multimap<string, T> = new Map()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Each item once. */
  add(item: T): void {
    this.#size += 1
    if (item.selector.kind === 'nothing') return
    const demand = demandOf(item.selector)
    if (demand === undefined) this.#demandsNothing.add(item)
    else if (demand.kind === 'exists') addTo(this.#byKey, demand.key, item)
    else for (const value of demand.values) addTo(this.#byValue, pair(demand.key, value), item)
  }

  delete(item: T): void {
    this.#size -= 1
    if (item.selector.kind === 'nothing') return
    const demand = demandOf(item.selector)
    if (demand === undefined) this.#demandsNothing.delete(item)
    else if (demand.kind === 'exists') removeFrom(this.#byKey, demand.key, item)
    else for (const value of demand.values) removeFrom(this.#byValue, pair(demand.key, value), item)
  }

  /** Every item whose selector matches, once. */
  *matching(labels: Labels): Generator<T> {
    yield* matchingOf(this.#demandsNothing, labels)
    if (this.#byKey.size + this.#byValue.size === 0) return
    for (const [key, value] of labels) {
      yield* matchingOf(this.#byKey.get(key), labels)
      yield* matchingOf(this.#byValue.get(pair(key, value)), labels)
    }
  }
}

/** The label that whoever matches must have, where there is one: values before a mere key, the fewest first. */
export function demandOf(selector: Selector): Demand | undefined {
  if (selector.kind === 'nothing') return undefined
  const demands = selector.requirements.filter((each) => each.kind === 'in' || each.kind === 'exists')
  return demands.toSorted((a, b) => breadth(a) - breadth(b))[0]
}

function breadth(demand: Demand): number {
  return demand.kind === 'in' ? demand.values.size : Number.POSITIVE_INFINITY
}

function* matchingOf<T extends { readonly selector: Selector }>(
  items: ReadonlySet<T> | undefined,
  labels: Labels,
): Generator<T> {
  if (items === undefined) return
  for (const item of items) if (matches(item.selector, labels)) yield item
}

/** Two pairs that read the same share a drawer, and are told apart by matching. */
function pair(key: string, value: string): string {
  return `${key}=${value}`
}
