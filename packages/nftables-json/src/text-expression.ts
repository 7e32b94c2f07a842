/**
 * Expressions in nft's text. Values of the text type are always quoted (`iifname "tcp"`), all others never, and
 * everything is looked at again before it is printed: whatever commands are given, no value can end the place
 * it stands in.
 *
 *     ip saddr . th dport     10.0.0.0/24 . 80-90     "n@t"     { established, related }
 */
import { type Datatype, datatypeOf, isList, isText, partOf, single } from './datatypes.ts'
import { InvalidValue } from './errors.ts'
import type { Expression, MapPair, Payload, RawPayload } from './expression-types.ts'
import { checkName } from './names.ts'
import { checkComment } from './quotable.ts'
import { SYMBOLS } from './symbols.ts'
import { safeLeaf } from './values.ts'
import { isPair, type Leaf } from './walk.ts'

const WHERE = 'the text'

/** What is compared: `ip saddr`, `meta l4proto`, `ct original ip saddr`, `tcp flags & (syn | ack)`. */
export function keyText(key: Expression): string {
  if (typeof key !== 'object' || isList(key)) throw new InvalidValue(WHERE, key, 'is no key')
  if ('payload' in key) return payloadText(key)
  if ('meta' in key) return BARE_META.test(key.meta.key) ? word(key.meta.key) : `meta ${word(key.meta.key)}`
  if ('ct' in key) return words('ct', key.ct.dir, key.ct.key)
  if ('rt' in key) return words('rt', key.rt.family, key.rt.key)
  if ('fib' in key) {
    const { flags, result } = key.fib
    const asked = typeof flags === 'string' ? [flags] : flags
    return `fib ${asked.map(word).join(' . ')} ${word(result)}`
  }
  if ('exthdr' in key) {
    const { name, field } = key.exthdr
    return field === undefined ? words('exthdr', name) : words(name, field)
  }
  if ('tcp option' in key) return words('tcp option', key['tcp option'].name, key['tcp option'].field)
  if ('concat' in key) return key.concat.map(keyText).join(' . ')
  if ('map' in key) return `${keyText(key.map.key)} map ${pairsText(key.map.data, key.map.key, 'integer')}`
  return operationText(key)
}

/** A value of the type, or a key, since `ct mark set meta mark` is possible. */
export function valueText(value: Expression, datatype: Datatype): string {
  if (typeof value !== 'object') return leafText(value, single(datatype))
  if (isList(value)) return value.map((bit) => valueText(bit, datatype)).join(',')
  if ('ref' in value || 'wildcard' in value) return leafText(value, single(datatype))
  if ('prefix' in value) return `${valueText(value.prefix.addr, datatype)}/${number(value.prefix.len)}`
  if ('range' in value) return value.range.map((end) => endText(end, single(datatype))).join('-')
  if ('concat' in value) {
    return value.concat.map((part, n) => valueText(part, partOf(datatype, n))).join(' . ')
  }
  if ('elem' in value) return elementText(value.elem, datatype)
  if ('|' in value) return value['|'].map((bit) => valueText(bit, datatype)).join(' | ')
  if ('set' in value) {
    const members = isList(value.set) ? value.set : [value.set]
    return `{ ${members.map((member) => valueText(member, datatype)).join(', ')} }`
  }
  return verdictText(value) ?? keyText(value)
}

/** `accept`, `jump input-net1` …, or undefined for what is no verdict. */
export function verdictText(verdict: Expression): string | undefined {
  if (typeof verdict !== 'object' || isList(verdict)) return undefined
  if ('jump' in verdict) return `jump ${name(verdict.jump.target)}`
  if ('goto' in verdict) return `goto ${name(verdict.goto.target)}`
  const [kind] = Object.keys(verdict)
  return kind !== undefined && PLAIN_VERDICTS.has(kind) ? kind : undefined
}

/** The data of a map: `{ "eth0" : jump a, "lo" : accept }`, or `@name`. */
export function pairsText(data: Expression, key: Expression, values: Datatype): string {
  if (typeof data !== 'object' || !('set' in data) || !isList(data.set)) return valueText(data, 'integer')
  return `{ ${data.set.map((member) => pairText(member, datatypeOf(key), values)).join(', ')} }`
}

/** `"eth0" : jump a`; a member that is no pair is printed as it is. */
export function pairText(member: Expression | MapPair, keys: Datatype, values: Datatype): string {
  if (!isPair(member)) return valueText(member, keys)
  return `${valueText(member[0], keys)} : ${valueText(member[1], values)}`
}

/** A name that text can hold. Throws InvalidName. */
export function name(identifier: string): string {
  checkName(identifier)
  return identifier
}

/** A number that text can hold. Throws InvalidValue. */
export function number(value: number): string {
  if (!Number.isSafeInteger(value)) throw new InvalidValue(WHERE, value, 'is no whole number')
  return String(value)
}

/** One word of nft's, or a few. Throws InvalidValue for anything else. */
export function word(text: string): string {
  if (!/^[a-z0-9][a-z0-9-]*(?: [a-z0-9][a-z0-9-]*)*$/i.test(text)) {
    throw new InvalidValue(WHERE, text, 'is no word of nft')
  }
  return text
}

export function quotedComment(comment: string): string {
  checkComment(WHERE, comment)
  return `comment "${comment}"`
}

const BARE_META = /^[io]if(?:name|group|type)?$/

const PLAIN_VERDICTS: ReadonlySet<string> = new Set(['accept', 'drop', 'continue', 'return'])

function words(...parts: readonly (string | undefined)[]): string {
  return parts
    .filter((part) => part !== undefined)
    .map(word)
    .join(' ')
}

function leafText(leaf: Leaf, datatype: string): string {
  if (typeof leaf === 'object' && 'ref' in leaf) return `@${name(leaf.ref)}`
  const safe = safeLeaf(WHERE, leaf, datatype, true)
  if (typeof safe === 'object') return 'wildcard' in safe ? `"${safe.wildcard}*"` : `@${name(safe.ref)}`
  if (typeof safe === 'boolean') return safe ? 'exists' : 'missing'
  return typeof safe === 'string' && isText(datatype) ? `"${safe}"` : String(safe)
}

/** The end of a range as a number where it has one: names may have a dash in themselves. */
function endText(end: Expression, datatype: string): string {
  const symbols = SYMBOLS[datatype]
  const known = typeof end === 'string' && symbols !== undefined && Object.hasOwn(symbols, end)
  return valueText(known ? (symbols[end] ?? end) : end, datatype)
}

function payloadText({ payload }: Payload | RawPayload): string {
  if ('base' in payload) return `@${word(payload.base)},${number(payload.offset)},${number(payload.len)}`
  return words(payload.protocol, payload.field)
}

function operationText(key: object): string {
  const [operator, operands] = Object.entries(key)[0] ?? []
  if (operator === undefined || !OPERATIONS.has(operator) || !isList(operands) || operands.length < 2) {
    throw new InvalidValue(WHERE, key, 'cannot be printed')
  }
  const datatype = datatypeOf(operands[0] ?? 0)
  const [left, ...right] = operands
  const printed = right.map((operand) => operandText(operand, datatype))
  return [keyText(left ?? 0), ...printed].join(` ${operator} `)
}

const OPERATIONS: ReadonlySet<string> = new Set(['&', '|', '^', '<<', '>>'])

function operandText(operand: Expression, datatype: Datatype): string {
  if (isList(operand)) return `(${operand.map((bit) => valueText(bit, datatype)).join(' | ')})`
  const text = valueText(operand, datatype)
  return text.includes(' ') ? `(${text})` : text
}

type ElementBody = {
  readonly val: Expression
  readonly timeout?: number
  readonly comment?: string
}

function elementText({ val, timeout, comment }: ElementBody, datatype: Datatype): string {
  return [
    valueText(val, datatype),
    ...(timeout === undefined ? [] : [`timeout ${number(timeout)}s`]),
    ...(comment === undefined ? [] : [quotedComment(comment)]),
  ].join(' ')
}
