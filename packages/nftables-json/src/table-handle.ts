/**
 * A table within a transaction. Every method appends one command, after it has checked that nft would take it
 * for what it says; it throws a TransactionError, and appends nothing, when not.
 */
import { CommandList } from './command-list.ts'
import { Contents } from './contents.ts'
import { checkCounts, checkHolder, checkHook, checkNatural } from './declarations.ts'
import { InvalidValue } from './errors.ts'
import type { Expression } from './expression-types.ts'
import { keepApart } from './keep-apart.ts'
import type { ListedTable } from './listing-types.ts'
import { checkName } from './names.ts'
import { checkComment } from './quotable.ts'
import { referencesOf, verdictReferences } from './references.ts'
import { checkVerdict, safeStatement } from './statements.ts'
import type {
  Chain,
  Command,
  Counter,
  Family,
  MapElement,
  NamedMap,
  NamedSet,
  SetType,
  Statement,
  TableKey,
} from './types.ts'
import { safeValue } from './values.ts'
import { isPair } from './walk.ts'

type Elements = readonly (Expression | MapElement)[]

/**
 * A piece of a table that was built and checked once, for all tables of that name that hold it: they share its objects. It
 * refers to nothing but what it holds. `tablePart` makes one.
 */
export type TablePart = {
  readonly table: ListedTable
  /** What adds it all. */
  readonly commands: readonly Command[]
}

export class TableHandle {
  readonly #contents: Contents
  readonly #commands: CommandList

  /** Made by `Transaction`. */
  constructor(contents: Contents, commands: CommandList) {
    this.#contents = contents
    this.#commands = commands
  }

  get key(): TableKey {
    return this.#contents.key
  }

  /** What the table holds once the transaction is done, to compare with a listing by `sameTable`. */
  get contents(): ListedTable {
    return this.#contents.table
  }

  /** All that the part holds. Throws DuplicateName, InvalidValue for the part of another table. */
  addPart({ table, commands }: TablePart): void {
    const { family, name } = this.key
    if (table.family !== family || table.name !== name)
      throw new InvalidValue(
        this.#contents.words,
        `${table.family} ${table.name}`,
        'is the table of the part',
      )
    this.#contents.addAll(table)
    this.#commands.share(commands)
  }

  /** Throws InvalidName, DuplicateName. */
  addChain({ hook, ...chain }: Chain): void {
    const where = this.#checkNew('chain', chain)
    if (hook !== undefined) checkHook(where, hook)
    this.#contents.addChain(hook === undefined ? chain : { ...chain, hook })
    this.#commands.push({ add: { chain: { ...this.#in, ...chain, ...hook } } })
  }

  /** Throws InvalidName, DuplicateName, InvalidValue. */
  addSet({ elem, ...set }: NamedSet): void {
    checkHolder(this.#checkNew('set', set), set)
    const safe = this.#safeElements(set.name, set.type, undefined, elem ?? [])
    const full = safe.length === 0 ? set : { ...set, elem: safe }
    this.#contents.addHolder(full)
    this.#commands.push({ add: { set: { ...this.#in, ...full } } })
  }

  /** Throws InvalidName, DuplicateName, InvalidValue, DanglingReference for verdicts that lead to no chain. */
  addMap({ elem, ...map }: NamedMap): void {
    checkHolder(this.#checkNew('map', map), map)
    const safe = this.#safeElements(map.name, map.type, map.map, elem ?? [])
    const full = safe.length === 0 ? map : { ...map, elem: safe }
    this.#contents.addHolder(full)
    this.#commands.push({ add: { map: { ...this.#in, ...full } } })
  }

  /** A counter that rules share by its name. Throws InvalidName, DuplicateName. */
  addCounter(counter: Counter): void {
    checkCounts(this.#checkNew('counter', counter), counter)
    this.#contents.addCounter(counter)
    this.#commands.push({ add: { counter: { ...this.#in, ...counter } } })
  }

  /** Throws DanglingReference, InvalidValue, InvalidText. */
  addRule(chain: string, expr: readonly Statement[], comment?: string): void {
    const holder = this.#contents.chain(`a rule of ${this.#contents.words}`, chain)
    const where = `rule ${holder.rules.length + 1} of chain ${chain} of ${this.#contents.words}`
    if (expr.length === 0) throw new InvalidValue(where, expr, 'has no statement')
    const safe = keepApart(expr.map((statement) => safeStatement(where, statement)))
    for (const reference of safe.flatMap(referencesOf)) this.#contents.resolve(where, reference)
    if (comment !== undefined) checkComment(where, comment)
    const rule = comment === undefined ? { expr: safe } : { expr: safe, comment }
    this.#contents.addRule(holder, rule)
    this.#commands.push({ add: { rule: { ...this.#in, chain, ...rule } } })
  }

  /** Adds to a set or map; nothing when there are none. Throws DanglingReference, InvalidValue. */
  addElements(name: string, elem: Elements): void {
    const holder = this.#contents.holder(`an element of ${this.#contents.words}`, name)
    const { type } = holder
    const map = holder.map
    const safe = this.#safeElements(name, type, map, elem)
    if (safe.length === 0) return
    this.#contents.addElements(name, safe)
    this.#commands.push({
      add: { element: { ...this.#in, name, type, ...(map === undefined ? {} : { map }), elem: safe } },
    })
  }

  /** nft refuses the transaction when one of them is not there, or is there as part of a wider interval. */
  deleteElements(name: string, elem: Elements): void {
    const { type } = this.#contents.holder(`an element of ${this.#contents.words}`, name)
    const safe = elem.map((element) => this.#safeKey(name, type, isPair(element) ? element[0] : element))
    if (safe.length === 0) return
    this.#contents.deleteElements(name, safe)
    this.#commands.push({ delete: { element: { ...this.#in, name, type, elem: safe } } })
  }

  /** Empties a set or map. Throws DanglingReference. */
  flushSet(name: string): void {
    const holder = this.#contents.holder(`a flush in ${this.#contents.words}`, name)
    this.#contents.flushHolder(name)
    const key = { ...this.#in, name }
    this.#commands.push({ flush: holder.map === undefined ? { set: key } : { map: key } })
  }

  /** Removes the chain's rules. Throws DanglingReference. */
  flushChain(name: string): void {
    this.#contents.flushChain(this.#contents.chain(`a flush in ${this.#contents.words}`, name))
    this.#commands.push({ flush: { chain: { ...this.#in, name } } })
  }

  /** Removes a chain, set, map or counter; nft refuses while a rule refers to it. Throws DanglingReference. */
  delete(referent: 'chain' | 'set' | 'map' | 'counter', name: string): void {
    this.#contents.forget(`a delete in ${this.#contents.words}`, referent, name)
    const key = { ...this.#in, name }
    switch (referent) {
      case 'chain':
        this.#commands.push({ delete: { chain: key } })
        break
      case 'set':
        this.#commands.push({ delete: { set: key } })
        break
      case 'map':
        this.#commands.push({ delete: { map: key } })
        break
      case 'counter':
        this.#commands.push({ delete: { counter: key } })
        break
      default:
        referent satisfies never
    }
  }

  get #in(): { readonly family: Family; readonly table: string } {
    return { family: this.key.family, table: this.key.name }
  }

  /** What it is called in messages. */
  #checkNew(
    referent: 'chain' | 'set' | 'map' | 'counter',
    { name, comment }: { readonly name: string; readonly comment?: string },
  ): string {
    checkName(name)
    this.#contents.refuseTaken(referent, name)
    const where = `${referent} ${name} of ${this.#contents.words}`
    if (comment !== undefined) checkComment(where, comment)
    return where
  }

  #safeElements(name: string, type: SetType, mapsTo: undefined, elem: Elements): readonly Expression[]
  #safeElements(name: string, type: SetType, mapsTo: SetType, elem: Elements): readonly MapElement[]
  #safeElements(name: string, type: SetType, mapsTo: SetType | undefined, elem: Elements): Elements
  #safeElements(name: string, type: SetType, mapsTo: SetType | undefined, elem: Elements): Elements {
    return elem.map((element) => {
      if (mapsTo === undefined) return this.#safeKey(name, type, element)
      if (!isPair(element)) {
        throw new InvalidValue(this.#where(name), element, 'is no pair of a key and a value')
      }
      return [this.#safeKey(name, type, element[0]), this.#safeMapped(name, mapsTo, element[1])] as const
    })
  }

  #safeMapped(name: string, mapsTo: SetType, value: Expression): Expression {
    if (mapsTo !== 'verdict') return this.#safeKey(name, mapsTo, value)
    const where = this.#where(name)
    checkVerdict(where, value)
    for (const reference of verdictReferences(value)) this.#contents.resolve(where, reference)
    return value
  }

  #safeKey(name: string, type: SetType, key: Expression): Expression {
    const where = this.#where(name)
    if (typeof key === 'object' && 'elem' in key) {
      checkNatural(where, key.elem.timeout)
      if (key.elem.comment !== undefined) checkComment(where, key.elem.comment)
    }
    return safeValue(where, key, type)
  }

  #where(name: string): string {
    return `an element of ${name} of ${this.#contents.words}`
  }
}

/** Throws what `build` throws. */
export function tablePart(key: TableKey, build: (table: TableHandle) => void): TablePart {
  checkName(key.name)
  const commands = new CommandList()
  const handle = new TableHandle(new Contents(key), commands)
  build(handle)
  return { table: handle.contents, commands: commands.all }
}
