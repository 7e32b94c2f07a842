/**
 * A rule as nft listed it back, held against what a rule file may say, and in the form in which it is kept: without
 * counters, since the printer sets one, and with the match of its family where the kernel would not have one anyway.
 * What is not in the lists below is refused, so that nothing of nft that is newer than this file gets through.
 */
import { anonymousSet, type Expression, match, meta, range, type Statement } from 'nftables-json'
import type { Family } from '../address.ts'
import { protocolNumber } from './iptables-options.ts'
import { type Judged, refused, taken } from './rules.ts'

/** @param listed as `parseListing` gives them. */
export function checkStatements(listed: readonly Statement[], family: Family): Judged<readonly Statement[]> {
  const problem = listed.map((statement) => statementProblem(statement, family)).find(Boolean)
  if (problem !== undefined) return refused(problem)
  const rule = listed.filter((statement) => !('counter' in statement)).map(withoutNegatedBits)
  const distinct = rule.filter(
    (statement, index) => !repeatsProtocol(statement, index, rule) && !saysFamily(statement),
  )
  if (distinct.length === 0 && rule.length === 0) return refused('holds nothing but a counter')
  const guard = match(meta('nfproto'), family === 4 ? 'ipv4' : 'ipv6')
  return taken(readsHeaderOf(family, distinct) ? distinct : [guard, ...distinct])
}

/** Whether the statement is a verdict, or one that ends the rule otherwise. */
export function isVerdict(statement: Statement): boolean {
  return 'accept' in statement || 'drop' in statement || 'return' in statement || 'reject' in statement
}

/** A key's parts, as `ip saddr`; undefined where it is none that a rule file may use. */
export function keyNames(key: Expression): readonly string[] | undefined {
  if (typeof key !== 'object' || isList(key)) return undefined
  if ('payload' in key && 'field' in key.payload) return [`${key.payload.protocol} ${key.payload.field}`]
  if ('meta' in key) return [`meta ${key.meta.key}`]
  if ('ct' in key && key.ct.dir === undefined) return [`ct ${key.ct.key}`]
  if ('&' in key) {
    const [bits, mask] = key['&']
    const names = bits === undefined || mask === undefined || !isConstant(mask) ? undefined : keyNames(bits)
    return names?.[0] === 'tcp flags' ? names : undefined
  }
  if (!('concat' in key)) return undefined
  const parts = key.concat.map(keyNames)
  return parts.every((part) => part !== undefined) ? parts.flat() : undefined
}

/** An array has the properties of expressions too, so ask this first. */
export function isList(value: unknown): value is readonly Expression[] {
  return Array.isArray(value)
}

/** The members of a set or list, or the one value. */
export function membersOf(value: Expression): readonly Expression[] {
  if (typeof value !== 'object') return [value]
  if (isList(value)) return value
  if (!('set' in value)) return [value]
  const members: unknown = value.set
  return isList(members) ? members : [value.set as Expression]
}

/** The conntrack states that the statement asks for, of those that there are; undefined where it asks for none. */
export function statesOf(statement: Statement): readonly string[] | undefined {
  if (!('match' in statement) || keyNames(statement.match.left)?.join() !== 'ct state') return undefined
  const { op, right } = statement.match
  const named = membersOf(right)
  return STATES.filter((state) => named.includes(state) !== (op === '!='))
}

const KEYS: ReadonlySet<string> = new Set([
  ...['ip saddr', 'ip daddr', 'ip protocol', 'ip ttl', 'ip length', 'ip dscp'],
  ...['ip6 saddr', 'ip6 daddr', 'ip6 nexthdr', 'ip6 hoplimit', 'ip6 length', 'ip6 dscp'],
  ...['icmp type', 'icmp code', 'icmpv6 type', 'icmpv6 code', 'tcp flags'],
  ...['tcp', 'udp', 'udplite', 'sctp', 'dccp', 'th'].flatMap((each) => [`${each} sport`, `${each} dport`]),
  ...['meta l4proto', 'meta nfproto', 'meta iifname', 'meta oifname', 'meta pkttype', 'meta length'],
  ...['ct state', 'ct direction'],
])

const OPERATORS: ReadonlySet<string> = new Set(['==', '!=', 'in', '<', '>', '<=', '>='])

function statementProblem(statement: Statement, family: Family): string | undefined {
  if ('match' in statement) return matchProblem(statement.match, family)
  if ('counter' in statement)
    return typeof statement.counter === 'string' ? 'names a counter of the table' : undefined
  if ('log' in statement) {
    const other = Object.keys(statement.log ?? {}).find((key) => !['prefix', 'level', 'flags'].includes(key))
    return other === undefined ? undefined : `has ${other} of log, which is not for rule files`
  }
  if ('reject' in statement) {
    const of = statement.reject?.type
    const wrong = of === (family === 4 ? 'icmpv6' : 'icmp')
    return wrong ? `rejects by ${of}, which is not of IPv${family}` : undefined
  }
  if ('limit' in statement || isVerdict(statement)) return undefined
  const [kind = ''] = Object.keys('unknown' in statement ? Object(statement.unknown) : statement)
  return `has the statement ${kind}, which is not for rule files`
}

type Compared = { readonly op: string; readonly left: Expression; readonly right: Expression }

function matchProblem({ op, left, right }: Compared, family: Family): string | undefined {
  const names = keyNames(left)
  const odd = names?.find((name) => !KEYS.has(name))
  if (names === undefined || odd !== undefined)
    return `compares ${odd ?? 'something'} that a rule file may not`
  const other = family === 4 ? /^(?:ip6|icmpv6) / : /^(?:ip|icmp) /
  const foreign = names.find((name) => other.test(name))
  if (foreign !== undefined) return `compares ${foreign}, and the file is for IPv${family}`
  if (!OPERATORS.has(op) && !(op === '!' && isBits(names)))
    return `has the operator ${op}, which is not for rule files`
  if (!isConstant(right)) return `compares ${names.join(' . ')} with something other than constants`
  if (names[0] === 'meta nfproto' && !isFamily(op, right, family)) return `is not of IPv${family}`
  const protocol = ['meta l4proto', 'ip protocol', 'ip6 nexthdr'].includes(names[0] ?? '') && op === '=='
  const foreignProtocol = family === 4 ? 58 : 1
  return protocol && protocolNumber(String(right)) === foreignProtocol
    ? `is ICMP of the other family, and the file is for IPv${family}`
    : undefined
}

const isFamily = (op: string, right: Expression, family: Family): boolean =>
  op === '=='
    ? right === (family === 4 ? 'ipv4' : 'ipv6')
    : op === '!=' && right === (family === 4 ? 'ipv6' : 'ipv4')

const isBits = ([name]: readonly string[]): boolean => name === 'ct state' || name === 'tcp flags'

/** Numbers, words, ranges, prefixes, and sets without a name of those. */
function isConstant(value: Expression): boolean {
  if (typeof value !== 'object') return true
  if (isList(value)) return value.every(isConstant)
  if ('wildcard' in value) return true
  if ('prefix' in value) return typeof value.prefix.addr === 'string'
  if ('range' in value) return value.range.every((end) => typeof end !== 'object')
  if ('concat' in value) return value.concat.every(isConstant)
  if ('|' in value) return value['|'].every(isConstant)
  if (!('set' in value)) return false
  return membersOf(value).every(isConstant)
}

const STATES = ['invalid', 'established', 'related', 'new', 'untracked']

/** nft lists "none of these bits" with an operator that its JSON does not take back; it leaves a range alone. */
function withoutNegatedBits(statement: Statement): Statement {
  if (!('match' in statement) || (statement.match.op as string) !== '!') return statement
  const { left, right } = statement.match
  const bits = membersOf(right)
  if (keyNames(left)?.[0] === 'ct state')
    return match(left, anonymousSet(STATES.filter((state) => !bits.includes(state))))
  const [first = 0, ...more] = bits
  return match({ '&': [left, more.length === 0 ? first : bits] }, range(0, 0))
}

/** `ip protocol tcp` beside `meta l4proto tcp`, in IPv4 the same; one of them again, or beside a field of TCP's header. */
function repeatsProtocol(statement: Statement, index: number, rule: readonly Statement[]): boolean {
  const number = protocolOf(statement, ['meta l4proto', 'ip protocol'])
  if (number === undefined) return false
  const isWeaker = protocolOf(statement, ['ip protocol']) !== undefined
  return rule.some((each, place) => {
    const says = protocolOf(each, ['meta l4proto']) === number && (isWeaker || place < index)
    return says || readsHeader(each, number)
  })
}

function protocolOf(statement: Statement, names: readonly string[]): number | undefined {
  if (!('match' in statement) || statement.match.op !== '==') return undefined
  const { left, right } = statement.match
  return names.includes(keyNames(left)?.join() ?? '') ? protocolNumber(String(right)) : undefined
}

function readsHeader(statement: Statement, number: number): boolean {
  const names = 'match' in statement ? (keyNames(statement.match.left) ?? []) : []
  return names.some((name) => protocolNumber(name.split(' ')[0] ?? '') === number)
}

const saysFamily = (statement: Statement): boolean =>
  'match' in statement && keyNames(statement.match.left)?.join() === 'meta nfproto'

/** Whether the kernel compares the family first by itself: for a field of its header, or of its ICMP. */
function readsHeaderOf(family: Family, rule: readonly Statement[]): boolean {
  const header = family === 4 ? /^ip / : /^ip6 /
  const [first] = rule
  return (
    first !== undefined &&
    'match' in first &&
    keyNames(first.match.left)?.some((name) => header.test(name)) === true
  )
}
