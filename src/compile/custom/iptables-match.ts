/** One match of nft as iptables' matches: a list of words, or several of which any may hold. */
import type { Expression, Statement } from 'nftables-json'
import type { Family } from '../address.ts'
import { icmpCodeNumber, icmpTypeNumber } from './icmp.ts'
import { addressWords, either, portWords } from './iptables-ends.ts'
import { type Judged, refused, taken } from './rules.ts'
import { isList, keyNames, membersOf, statesOf } from './statements.ts'

/** Never none: any of them is what the match says. */
export type Alternatives = readonly (readonly string[])[]

export interface Place {
  readonly family: Family
  /** What `-p` says. */
  readonly protocol: string | undefined
  /** Options that the rule has, of those that it may have once. */
  readonly used: Set<string>
}

export function iptablesMatch(statement: Statement, place: Place): Judged<Alternatives> {
  if ('limit' in statement) return limitWords(statement.limit)
  if (!('match' in statement)) return taken([[]])
  const { left } = statement.match
  const names = keyNames(left) ?? []
  const name = names.join(' . ')
  const states = statesOf(statement)
  if (states !== undefined)
    return states.length === 0
      ? refused('asks for no state')
      : taken([['-m', 'conntrack', '--ctstate', states.join().toUpperCase()]])
  if (name === 'meta nfproto') return taken([[]])
  const write = WRITERS.find(([pattern]) => pattern.test(name))?.[1]
  const words = write?.(statement.match, place, name)
  return words === undefined ? refused(`compares ${name} in a way that iptables cannot`) : taken(words)
}

export type Compared = Extract<Statement, { match: unknown }>['match']

/** @returns undefined where iptables cannot say it. */
type Writer = (match: Compared, place: Place, name: string) => Alternatives | undefined

const WRITERS: readonly (readonly [RegExp, Writer])[] = [
  [/^ip6? [sd]addr$/, addressWords],
  [/^[a-z]+ [sd]port$/, portWords],
  [/^icmp(?:v6)? type(?: \. icmp(?:v6)? code)?$/, icmpWords],
  [/^tcp flags$/, flagWords],
  [/^meta [io]ifname$/, interfaceWords],
  [/^ct direction$/, ({ op, right }) => plain(op, right, ['-m', 'conntrack'], '--ctdir')],
  [/^meta pkttype$/, packetTypeWords],
  [/^meta length$/, ({ op, right }) => plain(op, right, ['-m', 'length'], '--length')],
  [/^ip ttl$/, ({ op, right }) => hopWords(op, right, 'ttl')],
  [/^ip6 hoplimit$/, ({ op, right }) => hopWords(op, right, 'hl')],
]

function limitWords(limit: Extract<Statement, { limit: unknown }>['limit']): Judged<Alternatives> {
  const { rate, per, burst = 5, inv = false, rate_unit } = limit
  if (inv || rate_unit !== undefined || per === 'week')
    return refused('has a limit that iptables does not have')
  return taken([['-m', 'limit', '--limit', `${rate}/${per}`, '--limit-burst', String(burst)]])
}

function icmpWords({ op, right }: Compared, { family }: Place): Alternatives | undefined {
  const [module, option] = family === 4 ? ['icmp', '--icmp-type'] : ['icmp6', '--icmpv6-type']
  const not = op === '!=' ? ['!'] : []
  const members = membersOf(right).map((value) => {
    const [type, code] =
      typeof value === 'object' && !isList(value) && 'concat' in value ? value.concat : [value]
    const numbers = [
      icmpTypeNumber(family, type),
      ...(code === undefined ? [] : [icmpCodeNumber(family, code)]),
    ]
    if (!numbers.every((number) => number !== undefined)) return undefined
    return ['-m', module ?? '', ...not, option ?? '', numbers.join('/')]
  })
  return members.every((words) => words !== undefined) ? either(op, members) : undefined
}

const FLAGS = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg']

/** `tcp flags & mask == flags`; `tcp flags syn` asks for any of the bits. */
function flagWords({ op, left, right }: Compared): Alternatives | undefined {
  const mask =
    typeof left === 'object' && !isList(left) && '&' in left ? flagText(left['&'][1] ?? 0) : undefined
  const flags = flagText(right)
  if (flags === undefined || flags === 'NONE') {
    const none = mask !== undefined && mask !== 'NONE' && flags === 'NONE' && (op === '==' || op === '!=')
    return none ? [['-m', 'tcp', ...(op === '!=' ? ['!'] : []), '--tcp-flags', mask, 'NONE']] : undefined
  }
  if (mask === undefined) return op === 'in' ? [['-m', 'tcp', '!', '--tcp-flags', flags, 'NONE']] : undefined
  if (op !== '==' && op !== '!=') return undefined
  return [['-m', 'tcp', ...(op === '!=' ? ['!'] : []), '--tcp-flags', mask, flags]]
}

function flagText(value: Expression): string | undefined {
  if (value === 0 || (typeof value === 'object' && 'range' in value && value.range.join() === '0,0'))
    return 'NONE'
  const bits =
    typeof value === 'object' && !isList(value) && '|' in value ? value['|'] : isList(value) ? value : [value]
  return bits.every((bit) => typeof bit === 'string' && FLAGS.includes(bit))
    ? bits.join().toUpperCase()
    : undefined
}

function interfaceWords({ op, right }: Compared, place: Place, name: string): Alternatives | undefined {
  const option = name === 'meta iifname' ? '-i' : '-o'
  const not = op === '!=' ? ['!'] : []
  const names = membersOf(right).map((value) => {
    if (typeof value === 'object') return 'wildcard' in value ? `${value.wildcard}+` : undefined
    return String(value).endsWith('+') ? undefined : String(value)
  })
  const repeated = place.used.has(option) || (op === '!=' && names.length > 1)
  if (repeated || !names.every((each) => each !== undefined)) return undefined
  place.used.add(option)
  return either(
    op,
    names.map((each) => [...not, option, each]),
  )
}

function packetTypeWords({ op, right }: Compared): Alternatives | undefined {
  const members = membersOf(right).map((value) => (value === 'host' ? 'unicast' : String(value)))
  if (!members.every((each) => ['unicast', 'broadcast', 'multicast'].includes(each))) return undefined
  const not = op === '!=' ? ['!'] : []
  return either(
    op,
    members.map((each) => ['-m', 'pkttype', ...not, '--pkt-type', each]),
  )
}

function hopWords(op: string, right: Expression, match: 'ttl' | 'hl'): Alternatives | undefined {
  const end = { '==': 'eq', '!=': 'eq', '<': 'lt', '>': 'gt' }[op]
  if (end === undefined || typeof right === 'object') return undefined
  return [['-m', match, ...(op === '!=' ? ['!'] : []), `--${match}-${end}`, String(right)]]
}

/** An option with one value or a range. */
function plain(
  op: string,
  right: Expression,
  match: readonly string[],
  option: string,
): Alternatives | undefined {
  const members = membersOf(right).map((value) => {
    if (typeof value !== 'object') return option === '--ctdir' ? String(value).toUpperCase() : String(value)
    return 'range' in value ? value.range.map(String).join(':') : undefined
  })
  if (!members.every((each) => each !== undefined)) return undefined
  const not = op === '!=' ? ['!'] : []
  if (option === '--ctdir' && (op === '!=' || members.length > 1)) return undefined
  return either(
    op,
    members.map((each) => [...match, ...not, option, each]),
  )
}
