/**
 * What a table holds at a point of a transaction. It answers what can be referred to, and in the end it is
 * what the kernel should list once the transaction is done: the other side of `sameTable`.
 */
import { canonicalElement } from './canonical-values.ts'
import { DanglingReference, DuplicateName, InvalidValue, type Referent } from './errors.ts'
import type { Expression } from './expression-types.ts'
import type { ListedChain, ListedTable } from './listing-types.ts'
import type { Reference } from './references.ts'
import type { Counter, MapElement, NamedMap, NamedSet, Rule, SetType, Table, TableKey } from './types.ts'

type Holder = NamedSet | NamedMap

export class Contents {
  readonly key: TableKey
  readonly #table: Table
  readonly #chains = new Map<string, ListedChain>()
  /** The rules of chains that nobody else has seen yet: what was listed, or given out, stays as it is. */
  readonly #own = new Map<string, Rule[]>()
  readonly #holders = new Map<string, Holder>()
  readonly #counters = new Map<string, Counter>()
  readonly #rest: Pick<ListedTable, 'unknown' | 'other'>

  /** An empty table, or one as it was listed. */
  constructor(table: Table | ListedTable) {
    this.key = { family: table.family, name: table.name }
    this.#table = table.comment === undefined ? this.key : { ...this.key, comment: table.comment }
    this.#rest = { unknown: [] }
    if (!('chains' in table)) return
    this.#rest = { unknown: table.unknown, ...(table.other === undefined ? {} : { other: table.other }) }
    this.#takeAll(table)
  }

  /** The whole as it is now, in the shape of a listing. What does not change is the same object each time. */
  get table(): ListedTable {
    const holders = [...this.#holders.values()]
    this.#own.clear()
    return {
      ...this.#table,
      chains: [...this.#chains.values()],
      sets: holders.filter((holder) => holder.map === undefined),
      maps: holders.filter((holder) => holder.map !== undefined),
      counters: [...this.#counters.values()],
      ...this.#rest,
    }
  }

  /** Throws DuplicateName when a chain, a counter, or a set or map has the name already. */
  refuseTaken(referent: Referent, name: string): void {
    const taken =
      referent === 'chain' ? this.#chains : referent === 'counter' ? this.#counters : this.#holders
    if (taken.has(name)) throw new DuplicateName(`the ${this.words}`, referent, name)
  }

  /** `table inet x`. */
  get words(): string {
    return `table ${this.key.family} ${this.key.name}`
  }

  /** Throws DuplicateName. */
  addAll(table: ListedTable): void {
    for (const { name } of table.chains) this.refuseTaken('chain', name)
    for (const { name } of table.sets) this.refuseTaken('set', name)
    for (const { name } of table.maps) this.refuseTaken('map', name)
    for (const { name } of table.counters) this.refuseTaken('counter', name)
    this.#takeAll(table)
  }

  addChain(chain: Omit<ListedChain, 'rules'>): void {
    this.#setRules(chain, [])
  }

  addHolder(holder: Holder): void {
    this.#holders.set(holder.name, holder)
  }

  addCounter(counter: Counter): void {
    this.#counters.set(counter.name, counter)
  }

  /** Throws DanglingReference. */
  chain(from: string, name: string): ListedChain {
    const chain = this.#chains.get(name)
    if (chain === undefined) throw new DanglingReference(from, 'chain', name)
    return chain
  }

  addRule(chain: ListedChain, rule: Rule): void {
    const own = this.#own.get(chain.name)
    if (own === undefined) this.#setRules(chain, [...chain.rules, rule])
    else own.push(rule)
  }

  flushChain(chain: ListedChain): void {
    this.#setRules(chain, [])
  }

  /** Throws DanglingReference. */
  holder(from: string, name: string): Holder {
    const holder = this.#holders.get(name)
    if (holder === undefined) throw new DanglingReference(from, 'set', name)
    return holder
  }

  /** Throws DanglingReference, also for a set that is a map and the other way round. */
  forget(from: string, referent: 'chain' | 'set' | 'map' | 'counter', name: string): void {
    const holder = this.#holders.get(name)
    const gone =
      referent === 'chain'
        ? this.#forgetChain(name)
        : referent === 'counter'
          ? this.#counters.delete(name)
          : (holder?.map === undefined) === (referent === 'set') && this.#holders.delete(name)
    if (!gone) throw new DanglingReference(from, referent, name)
  }

  /** Throws DanglingReference, or InvalidValue for what is there but cannot be referred to so. */
  resolve(from: string, { kind, name }: Reference): void {
    if (kind === 'chain') {
      if (this.chain(from, name).hook === undefined) return
      throw new InvalidValue(from, name, 'is a base chain, to which nothing can jump')
    }
    if (kind === 'counter') {
      if (!this.#counters.has(name)) throw new DanglingReference(from, 'counter', name)
      return
    }
    const holder = this.#holders.get(name)
    if (holder === undefined || (kind === 'map' && holder.map === undefined)) {
      throw new DanglingReference(from, kind === 'map' ? 'map' : 'set', name)
    }
  }

  addElements(name: string, elements: readonly (Expression | MapElement)[]): void {
    const holder = this.holder('the transaction', name)
    this.#holders.set(name, { ...holder, elem: [...(holder.elem ?? []), ...elements] } as Holder)
  }

  deleteElements(name: string, elements: readonly (Expression | MapElement)[]): void {
    const holder = this.holder('the transaction', name)
    const standing = holder.elem ?? []
    // Strings of one type have one spelling each; the comparison of any spelling takes a hundred times as long.
    const isPlain = [...elements, ...standing].every((element) => typeof element === 'string')
    const key = (element: Expression | MapElement): string =>
      isPlain ? (element as string) : keyOf(element, holder.type)
    const gone = new Set(elements.map(key))
    this.#holders.set(name, {
      ...holder,
      elem: standing.filter((element) => !gone.has(key(element))),
    } as Holder)
  }

  flushHolder(name: string): void {
    const { elem: _, ...empty } = this.holder('the transaction', name)
    this.#holders.set(name, empty)
  }

  #takeAll({ chains, sets, maps, counters }: ListedTable): void {
    for (const chain of chains) this.#chains.set(chain.name, chain)
    for (const holder of [...sets, ...maps]) this.#holders.set(holder.name, holder)
    for (const counter of counters) this.#counters.set(counter.name, counter)
  }

  #setRules(chain: Omit<ListedChain, 'rules'>, rules: Rule[]): void {
    this.#chains.set(chain.name, { ...chain, rules })
    this.#own.set(chain.name, rules)
  }

  #forgetChain(name: string): boolean {
    this.#own.delete(name)
    return this.#chains.delete(name)
  }
}

/** What tells one element from another: its value, without comment, life time and what it maps to. */
function keyOf(element: Expression | MapElement, type: SetType): string {
  const key = Array.isArray(element) ? element[0] : element
  return canonicalElement(typeof key === 'object' && 'elem' in key ? key.elem.val : key, type)
}
