/**
 * Whether nft would take a statement, beyond its values: words that come from types but may be anything at run
 * time, limits, prefixes, and expressions that this package does not know. nft would refuse most of it too, but
 * with "Invalid argument" and no word of where.
 */
import { datatypeOf, isList } from './datatypes.ts'
import { InvalidValue } from './errors.ts'
import type { Expression, Verdict } from './expression-types.ts'
import { checkName } from './names.ts'
import { checkLogPrefix } from './quotable.ts'
import type { Statement } from './types.ts'
import { checkShape, safeLeaf } from './values.ts'
import { isPair, mapStatement } from './walk.ts'

/**
 * The statement as it can be written. Throws a TransactionError unless nft takes it for what it says. What it
 * refers to is checked elsewhere.
 */
export function safeStatement(where: string, statement: Statement): Statement {
  if ('unknown' in statement) throw new InvalidValue(where, statement.unknown, 'is unknown to this package')
  if ('match' in statement) {
    checkKey(where, statement.match.left)
    checkShape(where, statement.match.right, datatypeOf(statement.match.left))
  }
  if ('vmap' in statement) {
    checkKey(where, statement.vmap.key)
    checkVerdicts(where, statement.vmap.key, statement.vmap.data)
  }
  if ('mangle' in statement) {
    checkKey(where, statement.mangle.key)
    checkShape(where, statement.mangle.value, datatypeOf(statement.mangle.key))
  }
  checkWords(where, statement)
  if ('log' in statement && statement.log?.prefix !== undefined) checkLogPrefix(where, statement.log.prefix)
  if ('jump' in statement) checkName(statement.jump.target)
  if ('goto' in statement) checkName(statement.goto.target)
  return mapStatement(statement, (leaf, datatype, whole) => safeLeaf(where, leaf, datatype, whole))
}

/** Throws InvalidValue unless the expression is a verdict. */
export function checkVerdict(where: string, verdict: Expression): asserts verdict is Verdict {
  const kind = typeof verdict === 'object' ? (Object.keys(verdict)[0] ?? '') : ''
  if (!VERDICTS.has(kind)) throw new InvalidValue(where, verdict, 'is no verdict')
}

const VERDICTS: ReadonlySet<string> = new Set(['accept', 'drop', 'continue', 'return', 'jump', 'goto'])

/** Words of nft that stand for fields, keys and flags: nothing that could end one statement and begin another. */
const WORDS = /^[A-Za-z0-9][A-Za-z0-9_-]*(?: [A-Za-z0-9][A-Za-z0-9_-]*)*$/

/** What holds values, names or free text, each checked by its own rules, and no words. */
const NO_WORDS: ReadonlySet<string> = new Set(['right', 'data', 'value', 'target'])

/** These hold a name or free text when they hold a string. */
const TEXTS: ReadonlySet<string> = new Set(['counter', 'prefix'])

const OPERATORS: ReadonlySet<string> = new Set(['==', '!=', 'in', '<', '>', '<=', '>='])

function checkWords(where: string, node: unknown): void {
  if (typeof node === 'number' && (!Number.isSafeInteger(node) || node < 0)) {
    throw new InvalidValue(where, node, 'is no natural number')
  }
  if (typeof node === 'string' && !WORDS.test(node)) throw new InvalidValue(where, node, 'is no word of nft')
  if (typeof node !== 'object' || node === null) return
  for (const [key, value] of Object.entries(node)) {
    if (key === 'op') {
      if (!OPERATORS.has(value)) throw new InvalidValue(where, value, 'is no operator')
    } else if (!NO_WORDS.has(key) && !(typeof value === 'string' && TEXTS.has(key))) {
      checkWords(where, value)
    }
  }
}

/** A key must say where the value comes from; a constant on the left would be taken for one. */
function checkKey(where: string, key: Expression): void {
  if (typeof key !== 'object' || isList(key)) throw new InvalidValue(where, key, 'is no key, but a constant')
  if ('unknown' in key) throw new InvalidValue(where, key.unknown, 'is unknown to this package')
  if ('concat' in key) for (const part of key.concat) checkKey(where, part)
}

function checkVerdicts(where: string, key: Expression, data: Expression): void {
  if (typeof data === 'object' && 'ref' in data) return
  const members = typeof data === 'object' && 'set' in data && isList(data.set) ? data.set : []
  if (members.length === 0) throw new InvalidValue(where, data, 'is no verdict map')
  for (const member of members) {
    if (!isPair(member)) throw new InvalidValue(where, member, 'is no pair of a value and a verdict')
    checkShape(where, member[0], datatypeOf(key))
    checkVerdict(where, member[1])
  }
}
