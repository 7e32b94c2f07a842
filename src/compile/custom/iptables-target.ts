/** How a rule of nft ends, as iptables' targets: LOG goes on, so a rule that logs and judges becomes two. */
import type { Statement } from 'nftables-json'
import type { Family } from '../address.ts'
import { type Judged, refused, taken } from './rules.ts'
import { isVerdict } from './statements.ts'

type Words = readonly string[]

/** One list of arguments for each rule to write. */
export function iptablesTargets(statements: readonly Statement[], family: Family): Judged<readonly Words[]> {
  const ends = statements.filter((statement) => 'log' in statement || isVerdict(statement))
  const logs = statements.findIndex((statement) => 'log' in statement)
  if (logs >= 0 && statements.slice(logs).some((statement) => !ends.includes(statement)))
    return refused('compares or limits after it logs')
  const targets: Words[] = []
  for (const end of ends) {
    const words = targetWords(end, family)
    if (words.kind === 'refused') return words
    targets.push(words.value)
  }
  return taken(targets.length === 0 ? [[]] : targets)
}

function targetWords(statement: Statement, family: Family): Judged<Words> {
  if ('accept' in statement) return taken(['-j', 'ACCEPT'])
  if ('drop' in statement) return taken(['-j', 'DROP'])
  if ('return' in statement) return taken(['-j', 'RETURN'])
  if ('log' in statement) return logWords(statement.log ?? {})
  return 'reject' in statement ? rejectWords(statement.reject ?? {}, family) : refused('ends unlike iptables')
}

type LogOptions = NonNullable<Extract<Statement, { log: unknown }>['log']>

function logWords({ prefix, level, flags = [] }: LogOptions): Judged<Words> {
  if ((prefix?.length ?? 0) > 29) return refused('has a log prefix longer than the 29 characters of iptables')
  const words = ['-j', 'LOG', ...(prefix === undefined ? [] : ['--log-prefix', prefix])]
  if (level === 'audit') return refused('logs at a level that iptables does not have')
  if (level !== undefined) words.push('--log-level', level)
  for (const flag of typeof flags === 'string' ? [flags] : flags) {
    const option = LOG_FLAGS[flag]
    if (option === undefined) return refused(`logs with flags ${flag}, which iptables does not have`)
    words.push(option)
  }
  return taken(words)
}

const LOG_FLAGS: Readonly<Record<string, string>> = {
  'tcp sequence': '--log-tcp-sequence',
  'tcp options': '--log-tcp-options',
  'ip options': '--log-ip-options',
  skuid: '--log-uid',
}

type RejectOptions = NonNullable<Extract<Statement, { reject: unknown }>['reject']>

function rejectWords({ type, expr }: RejectOptions, family: Family): Judged<Words> {
  if (type === 'tcp reset') return taken(['-j', 'REJECT', '--reject-with', 'tcp-reset'])
  if (expr === undefined) return taken(['-j', 'REJECT'])
  const names = type === undefined || type === 'icmpx' ? ANY_FAMILY[family] : REJECTS[family]
  const name = names[String(expr)]
  return name === undefined
    ? refused(`rejects with ${String(expr)}, which iptables does not have`)
    : taken(['-j', 'REJECT', '--reject-with', name])
}

const REJECTS: Readonly<Record<Family, Readonly<Record<string, string>>>> = {
  4: {
    'net-unreachable': 'icmp-net-unreachable',
    'host-unreachable': 'icmp-host-unreachable',
    'prot-unreachable': 'icmp-proto-unreachable',
    'port-unreachable': 'icmp-port-unreachable',
    'net-prohibited': 'icmp-net-prohibited',
    'host-prohibited': 'icmp-host-prohibited',
    'admin-prohibited': 'icmp-admin-prohibited',
  },
  6: {
    'no-route': 'icmp6-no-route',
    'admin-prohibited': 'icmp6-adm-prohibited',
    'addr-unreachable': 'icmp6-addr-unreachable',
    'port-unreachable': 'icmp6-port-unreachable',
    'policy-fail': 'icmp6-policy-fail',
    'reject-route': 'icmp6-reject-route',
  },
}

/** `reject with icmpx`: one word for both families. */
const ANY_FAMILY: typeof REJECTS = {
  4: {
    'no-route': 'icmp-net-unreachable',
    'port-unreachable': 'icmp-port-unreachable',
    'host-unreachable': 'icmp-host-unreachable',
    'admin-prohibited': 'icmp-admin-prohibited',
  },
  6: {
    'no-route': 'icmp6-no-route',
    'port-unreachable': 'icmp6-port-unreachable',
    'host-unreachable': 'icmp6-addr-unreachable',
    'admin-prohibited': 'icmp6-adm-prohibited',
  },
}
