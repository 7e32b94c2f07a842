/** A table with all that is in it, nested the way `nft list table` prints it. */
import type { Expression } from './expression-types.ts'
import { hookText, propertiesOf } from './text-command.ts'
import { name, number, pairText, quotedComment, valueText, word } from './text-expression.ts'
import { ruleText } from './text-statement.ts'
import type {
  ChainObject,
  Command,
  CounterObject,
  MapElement,
  MapObject,
  Rule,
  SetObject,
  Table,
} from './types.ts'

type Holder = SetObject | MapObject

export class TableBlock {
  readonly #table: Table
  readonly #counters: CounterObject[] = []
  readonly #holders = new Map<
    string,
    { readonly object: Holder; readonly elem: (Expression | MapElement)[] }
  >()
  readonly #chains = new Map<string, { readonly object: ChainObject; readonly rules: Rule[] }>()

  constructor(table: Table) {
    this.#table = table
  }

  /** Whether the command became part of the block: it adds to this table what can be nested in it. */
  take(command: Command): boolean {
    if (!('add' in command) || 'table' in command.add) return false
    const [object] = Object.values(command.add)
    if (object.family !== this.#table.family || object.table !== this.#table.name) return false
    if ('chain' in command.add)
      return fresh(this.#chains, command.add.chain, (object) => ({ object, rules: [] }))
    if ('rule' in command.add) {
      const { chain, expr, comment, handle, index } = command.add.rule
      if (handle !== undefined || index !== undefined) return false
      const rules = this.#chains.get(chain)?.rules
      return rules?.push(comment === undefined ? { expr } : { expr, comment }) !== undefined
    }
    if ('element' in command.add) {
      const { elem } = command.add.element
      return this.#holders.get(command.add.element.name)?.elem.push(...elem) !== undefined
    }
    if ('counter' in command.add) return this.#counters.push(command.add.counter) > 0
    const object_: Holder = 'set' in command.add ? command.add.set : command.add.map
    return fresh(this.#holders, object_, (object) => ({ object, elem: [...(object.elem ?? [])] }))
  }

  get text(): string {
    const { family, name: tableName, comment } = this.#table
    const parts = [
      ...(comment === undefined ? [] : [`\t${quotedComment(comment)}`]),
      ...this.#counters.map(counterBlock),
      ...[...this.#holders.values()].map(({ object, elem }) => holderBlock(object, elem)),
      ...[...this.#chains.values()].map(({ object, rules }) => chainBlock(object, rules)),
    ]
    return `table ${word(family)} ${name(tableName)} {\n${parts.join('\n\n')}${parts.length > 0 ? '\n' : ''}}`
  }
}

function fresh<T extends { readonly name: string }, V>(
  there: Map<string, V>,
  object: T,
  value: (t: T) => V,
): boolean {
  if (there.has(object.name)) return false
  there.set(object.name, value(object))
  return true
}

const block = (head: string, lines: readonly string[]): string =>
  [`\t${head} {`, ...lines.map((line) => `\t\t${line}`), '\t}'].join('\n')

function counterBlock({ name: counter, packets, bytes, comment }: CounterObject): string {
  return block(`counter ${name(counter)}`, [
    ...(comment === undefined ? [] : [quotedComment(comment)]),
    `packets ${number(packets ?? 0)} bytes ${number(bytes ?? 0)}`,
  ])
}

function holderBlock(object: Holder, elem: readonly (Expression | MapElement)[]): string {
  const printed = elem.map((element) =>
    object.map === undefined ? valueText(element, object.type) : pairText(element, object.type, object.map),
  )
  const elements = printed.length === 0 ? [] : [`elements = { ${printed.join(`,\n\t\t\t     `)} }`]
  const kind = object.map === undefined ? 'set' : 'map'
  return block(`${kind} ${name(object.name)}`, [...propertiesOf(object), ...elements])
}

function chainBlock(chain: ChainObject, rules: readonly Rule[]): string {
  return block(`chain ${name(chain.name)}`, [
    ...(chain.comment === undefined ? [] : [quotedComment(chain.comment)]),
    ...hookText(chain),
    ...rules.map(ruleText),
  ])
}
