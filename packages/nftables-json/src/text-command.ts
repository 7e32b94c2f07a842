/** Single commands in nft's text: `add element inet example peers { 10.0.0.3 }`. */
import { InvalidValue } from './errors.ts'
import type { Expression } from './expression-types.ts'
import { name, number, pairText, quotedComment, valueText, word } from './text-expression.ts'
import { ruleText } from './text-statement.ts'
import type {
  AddObject,
  ChainObject,
  Command,
  DeleteObject,
  ElementsObject,
  FlushObject,
  MapElement,
  MapObject,
  RuleObject,
  SetObject,
  SetType,
} from './types.ts'

/** One command, one line. Throws a TransactionError for what nft's text cannot hold. */
export function commandText(command: Command): string {
  if ('add' in command) return addText('add', command.add)
  if ('create' in command) return addText('create', command.create)
  if ('insert' in command) return `insert ${ruleObjectText(command.insert.rule)}`
  if ('replace' in command) return `replace ${ruleObjectText(command.replace.rule)}`
  if ('delete' in command) return deleteText('delete', command.delete)
  if ('destroy' in command) return deleteText('destroy', command.destroy)
  return flushText(command.flush)
}

/** `type filter hook input priority 0; policy accept;`, or nothing for a chain that is jumped to. */
export function hookText({ type, hook, prio, policy, dev }: ChainObject): readonly string[] {
  if (type === undefined || hook === undefined || prio === undefined) return []
  const device = dev === undefined ? '' : ` device ${valueText(dev, 'ifname')}`
  const last = policy === undefined ? '' : ` policy ${word(policy)};`
  return [`type ${word(type)} hook ${word(hook)}${device} priority ${number(prio)};${last}`]
}

/** The lines of a set's declaration, less its elements. */
export function propertiesOf(object: SetObject | MapObject): readonly string[] {
  const { type, policy, size, flags, timeout, comment } = object
  const interval = object['gc-interval']
  const mapped = object.map === undefined ? '' : ` : ${typeText(object.map)}`
  return [
    `type ${typeText(type)}${mapped}`,
    ...(policy === undefined ? [] : [`policy ${word(policy)}`]),
    ...(size === undefined ? [] : [`size ${number(size)}`]),
    ...(flags === undefined || flags.length === 0 ? [] : [`flags ${flags.map(word).join(',')}`]),
    ...(timeout === undefined ? [] : [`timeout ${number(timeout)}s`]),
    ...(interval === undefined ? [] : [`gc-interval ${number(interval)}s`]),
    ...(comment === undefined ? [] : [quotedComment(comment)]),
  ]
}

type Keyed = { readonly family: string; readonly table: string; readonly name: string }

const keyOf = ({ family, table, name: key }: Keyed): string => `${word(family)} ${name(table)} ${name(key)}`

function typeText(type: SetType): string {
  const parts = typeof type === 'string' ? [type] : type
  for (const part of parts)
    if (!/^[a-z0-9_]+$/.test(part)) throw new InvalidValue('the text', part, 'is no type')
  return parts.join(' . ')
}

const braces = (lines: readonly string[]): string =>
  lines.length === 0 ? '' : ` { ${lines.map((line) => line.replace(/;?$/, ';')).join(' ')} }`

function addText(verb: 'add' | 'create', object: AddObject): string {
  if ('table' in object) {
    const { family, name: table, comment } = object.table
    const body = braces(comment === undefined ? [] : [quotedComment(comment)])
    return `${verb} table ${word(family)} ${name(table)}${body}`
  }
  if ('rule' in object) return `${verb} ${ruleObjectText(object.rule)}`
  if ('element' in object) return `${verb} element ${elementsText(object.element)}`
  if ('chain' in object) {
    const { comment } = object.chain
    const lines = [...hookText(object.chain), ...(comment === undefined ? [] : [quotedComment(comment)])]
    return `${verb} chain ${keyOf(object.chain)}${braces(lines)}`
  }
  if ('counter' in object) {
    const { packets, bytes, comment } = object.counter
    const counts = packets === undefined ? [] : [`packets ${number(packets)} bytes ${number(bytes ?? 0)}`]
    const lines = [...counts, ...(comment === undefined ? [] : [quotedComment(comment)])]
    return `${verb} counter ${keyOf(object.counter)}${braces(lines)}`
  }
  const holder: SetObject | MapObject = 'set' in object ? object.set : object.map
  const kind = 'set' in object ? 'set' : 'map'
  const elements =
    holder.elem === undefined ? [] : [`elements = ${elementList(holder.elem, holder.type, holder.map)}`]
  return `${verb} ${kind} ${keyOf(holder)}${braces([...propertiesOf(holder), ...elements])}`
}

/** The position is that of an existing rule: nft has `handle` or `index` before the rule's statements. */
function ruleObjectText({ family, table, chain, handle, index, ...rule }: RuleObject): string {
  const at =
    handle !== undefined ? ` handle ${number(handle)}` : index !== undefined ? ` index ${number(index)}` : ''
  return `rule ${word(family)} ${name(table)} ${name(chain)}${at} ${ruleText(rule)}`
}

function elementsText(object: ElementsObject): string {
  return `${keyOf(object)} ${elementList(object.elem, object.type ?? 'integer', object.map)}`
}

function elementList(
  elem: readonly (Expression | MapElement)[],
  type: SetType,
  mapsTo: SetType = 'integer',
): string {
  return `{ ${elem.map((element) => pairText(element, type, mapsTo)).join(', ')} }`
}

function deleteText(verb: 'delete' | 'destroy', object: DeleteObject): string {
  if ('table' in object) return `${verb} table ${word(object.table.family)} ${name(object.table.name)}`
  if ('element' in object) return `${verb} element ${elementsText(object.element)}`
  if ('rule' in object) {
    const { family, table, chain, handle } = object.rule
    return `${verb} rule ${word(family)} ${name(table)} ${name(chain)} handle ${number(handle)}`
  }
  return `${verb} ${keyedText(object)}`
}

function flushText(object: FlushObject): string {
  if ('ruleset' in object) return 'flush ruleset'
  if ('table' in object) return `flush table ${word(object.table.family)} ${name(object.table.name)}`
  return `flush ${keyedText(object)}`
}

/** `set inet example peers`, of an object with one property, its kind. */
function keyedText(object: Readonly<Record<string, Keyed>>): string {
  const [kind, keyed] = Object.entries(object)[0] ?? []
  if (kind === undefined || keyed === undefined) throw new InvalidValue('the text', object, 'is no object')
  return `${word(kind)} ${keyOf(keyed)}`
}
