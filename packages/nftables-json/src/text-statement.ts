/**
 * Statements in nft's text, and rules of them:
 *
 *     iifname "net1" ip saddr @peers tcp dport 80 counter accept comment "ns/policy ingress 0"
 */
import { datatypeOf, isList, single } from './datatypes.ts'
import { InvalidValue } from './errors.ts'
import type { Expression } from './expression-types.ts'
import { checkLogPrefix } from './quotable.ts'
import { BIT_TYPES } from './symbols.ts'
import {
  keyText,
  name,
  number,
  pairsText,
  quotedComment,
  valueText,
  verdictText,
  word,
} from './text-expression.ts'
import type { Limit, Log, Match, Reject, Rule, Statement } from './types.ts'
import { rejectCodeType } from './walk.ts'

/** One line, without its chain. */
export function ruleText({ expr, comment }: Rule): string {
  return [...expr.map(statementText), ...(comment === undefined ? [] : [quotedComment(comment)])].join(' ')
}

export function statementText(statement: Statement): string {
  if ('match' in statement) return matchText(statement.match)
  if ('vmap' in statement) {
    const { key, data } = statement.vmap
    return `${keyText(key)} vmap ${pairsText(data, key, 'verdict')}`
  }
  if ('counter' in statement) return counterText(statement.counter)
  if ('limit' in statement) return limitText(statement.limit)
  if ('log' in statement) return logText(statement.log)
  if ('reject' in statement) return rejectText(statement.reject)
  if ('mangle' in statement) {
    const { key, value } = statement.mangle
    return `${keyText(key)} set ${valueText(value, datatypeOf(key))}`
  }
  if ('ct count' in statement) {
    const { val, inv } = statement['ct count']
    return `ct count ${over(inv)}${number(val)}`
  }
  if ('notrack' in statement) return 'notrack'
  const verdict = 'unknown' in statement ? undefined : verdictText(statement)
  if (verdict === undefined) throw new InvalidValue('the text', statement, 'cannot be printed')
  return verdict
}

function matchText({ op, left, right }: Match['match']): string {
  const datatype = datatypeOf(left)
  const bits = BIT_TYPES.has(single(datatype))
  if (op === 'in') return `${keyText(left)} ${valueText(right, datatype)}`
  if (bits && !isSet(right)) return `${keyText(left)} ${operator(op)} ${bitsText(right, datatype)}`
  if (op === '==') return `${keyText(left)} ${valueText(right, datatype)}`
  return `${keyText(left)} ${operator(op)} ${valueText(right, datatype)}`
}

function operator(op: string): string {
  if (!['==', '!=', '<', '>', '<=', '>='].includes(op)) {
    throw new InvalidValue('the text', op, 'is no operator')
  }
  return op
}

const isSet = (value: Expression): boolean =>
  typeof value === 'object' && !isList(value) && ('set' in value || 'ref' in value)

/** With an operator, bits are joined by `|`: a comma would ask for any of them. */
function bitsText(value: Expression, datatype: ReturnType<typeof datatypeOf>): string {
  return isList(value) ? value.map((bit) => valueText(bit, datatype)).join(' | ') : valueText(value, datatype)
}

function counterText(counter: null | string | { readonly packets: number; readonly bytes: number }): string {
  if (counter === null) return 'counter'
  if (typeof counter === 'string') return `counter name "${name(counter)}"`
  return `counter packets ${number(counter.packets)} bytes ${number(counter.bytes)}`
}

const over = (inv: boolean | undefined): string => (inv === true ? 'over ' : '')

function limitText({ rate, per, rate_unit, burst, burst_unit, inv }: Limit['limit']): string {
  const unit = rate_unit === undefined || rate_unit === 'packets' ? '' : ` ${word(rate_unit)}`
  const bursts = unit === '' ? 'packets' : word(burst_unit ?? 'bytes')
  const tail = burst === undefined || burst === 0 ? '' : ` burst ${number(burst)} ${bursts}`
  return `limit rate ${over(inv)}${number(rate)}${unit}/${word(per)}${tail}`
}

function logText(log: Log['log']): string {
  if (log === null) return 'log'
  const { prefix, group, snaplen, level, flags } = log
  const queue = log['queue-threshold']
  if (prefix !== undefined) checkLogPrefix('the text', prefix)
  const listed = flags === undefined ? [] : typeof flags === 'string' ? [flags] : flags
  return [
    'log',
    ...(prefix === undefined ? [] : [`prefix "${prefix}"`]),
    ...(group === undefined ? [] : [`group ${number(group)}`]),
    ...(snaplen === undefined ? [] : [`snaplen ${number(snaplen)}`]),
    ...(queue === undefined ? [] : [`queue-threshold ${number(queue)}`]),
    ...(level === undefined ? [] : [`level ${word(level)}`]),
    ...listed.map((flag) => `flags ${word(flag)}`),
  ].join(' ')
}

function rejectText(reject: Reject['reject']): string {
  if (reject === null) return 'reject'
  const { type, expr } = reject
  if (type === undefined) return 'reject'
  if (type === 'tcp reset') return 'reject with tcp reset'
  // Without a code nft's JSON takes 0, while its text would be a syntax error.
  return `reject with ${word(type)} ${valueText(expr ?? 0, rejectCodeType(type))}`
}
