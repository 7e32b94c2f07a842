/**
 * A custom rule as it reads for the replies of the connections that it is about: what it says of the source is said of
 * the destination, and the other way round. With it the replies of a connection can be judged by what let it begin.
 */
import type { Expression, Statement } from 'nftables-json'
import { icmpCounterpart, icmpTypeNumber } from './icmp.ts'
import type { CustomRule } from './rules.ts'
import { isList, keyNames, membersOf, statesOf } from './statements.ts'

export interface MirroredRule {
  /** Matches and the verdict; neither `ct state` nor logs. */
  readonly statements: readonly Statement[]
  /**
   * The states in which the rule matches a packet of the original direction: `new`, `established` …; undefined where it
   * asks for none. A reply is always `established`, so it cannot be asked of replies.
   */
  readonly states: readonly string[] | undefined
}

/**
 * @returns undefined where it cannot be said: rules about conntrack's direction, TCP flags, lengths, hop limits and
 * rates, which say nothing of a reply, and about ICMP messages that nothing answers.
 */
export function mirrored({ statements }: Pick<CustomRule, 'statements'>): MirroredRule | undefined {
  const turned: Statement[] = []
  let states: readonly string[] | undefined
  for (const statement of statements) {
    if ('log' in statement) continue
    if ('limit' in statement) return undefined
    const asked = statesOf(statement)
    if (asked !== undefined) {
      const before: readonly string[] | undefined = states
      states = before === undefined ? asked : asked.filter((state) => before.includes(state))
      continue
    }
    const mirror = 'match' in statement ? mirroredMatch(statement.match) : statement
    if (mirror === undefined) return undefined
    turned.push(mirror)
  }
  return { statements: turned, states }
}

type Compared = Extract<Statement, { match: unknown }>['match']

function mirroredMatch({ op, left, right }: Compared): Statement | undefined {
  const names = keyNames(left) ?? []
  if (names.length === 1 && /^icmp(?:v6)? type$/.test(names[0] ?? '')) {
    const value = mirroredTypes(op, right, names[0] === 'icmp type' ? 4 : 6)
    return value === undefined ? undefined : { match: { op, left, right: value } }
  }
  const key = mirroredKey(left)
  return key === undefined ? undefined : { match: { op, left: key, right } }
}

const SAME: ReadonlySet<string> = new Set([
  ...['ip protocol', 'ip6 nexthdr', 'icmp code', 'icmpv6 code', 'meta l4proto', 'meta nfproto'],
])

function mirroredKey(key: Expression): Expression | undefined {
  if (typeof key !== 'object' || isList(key)) return undefined
  if ('concat' in key) {
    const parts = key.concat.map(mirroredKey)
    return parts.every((part) => part !== undefined) ? { concat: parts } : undefined
  }
  if (SAME.has(keyNames(key)?.join() ?? '')) return key
  if ('payload' in key && 'field' in key.payload) {
    const field = OTHER_END[key.payload.field]
    return field === undefined ? undefined : { payload: { protocol: key.payload.protocol, field } }
  }
  if (!('meta' in key)) return undefined
  if (key.meta.key === 'iifname') return { meta: { key: 'oifname' } }
  return key.meta.key === 'oifname' ? { meta: { key: 'iifname' } } : undefined
}

const OTHER_END: Readonly<Record<string, string>> = {
  saddr: 'daddr',
  daddr: 'saddr',
  sport: 'dport',
  dport: 'sport',
}

/** A type that nothing answers has no replies, so it leaves a set; with `!=` it cannot be said. */
function mirroredTypes(op: string, right: Expression, family: 4 | 6): Expression | undefined {
  if (!['==', 'in', '!='].includes(op)) return undefined
  const types = membersOf(right).map((value) => {
    const number = icmpTypeNumber(family, value)
    return number === undefined ? undefined : icmpCounterpart(family, number)
  })
  const known = types.filter((type) => type !== undefined)
  const [first, ...more] = known
  if (first === undefined || (op === '!=' && known.length < types.length)) return undefined
  return more.length === 0 ? first : { set: known }
}
