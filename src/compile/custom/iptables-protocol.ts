/**
 * What a rule of nft says of the transport protocol, in one place or several, as iptables' `-p`, and ICMP's type and
 * code, of which iptables makes one option.
 */
import { match, type Statement } from 'nftables-json'
import { protocolNumber } from './iptables-options.ts'
import { type Judged, refused, taken } from './rules.ts'
import { keyNames, membersOf } from './statements.ts'

export interface Protocols {
  /** One rule for each; a sole undefined: a rule without `-p`, or with what `negated` says. */
  readonly protocols: readonly (string | undefined)[]
  readonly negated: readonly string[]
  /** The statements that are left. ICMP's type and code are one of them, on a concatenated key. */
  readonly rest: readonly Statement[]
}

export function iptablesProtocols(statements: readonly Statement[]): Judged<Protocols> {
  const rest = joinIcmp(statements.filter((statement) => !isAbout(PROTOCOL_KEYS, statement)))
  const said = statements.filter((statement) => isAbout(PROTOCOL_KEYS, statement))
  const read = new Set(rest.flatMap(headersOf).filter((header) => header !== 'th'))
  const [header, second] = read
  if (second !== undefined)
    return refused(`reads headers of ${[...read].join(' and ')}, and iptables has one -p`)
  const asked = said.map(valuesOf)
  if (said.length > 1 || asked.includes(undefined))
    return refused('says more of the protocol than one -p can')
  const [values] = asked
  const negated = said.some((statement) => 'match' in statement && statement.match.op === '!=')
  if (header !== undefined) {
    const fits = values === undefined || values.includes(NUMBERS[header] ?? -1) !== negated
    return fits
      ? taken({ protocols: [NAMES[header] ?? header], negated: [], rest })
      : refused('matches nothing')
  }
  if (values === undefined) {
    const ports = rest.flatMap(headersOf).length > 0
    return ports
      ? refused('compares ports of any protocol')
      : taken({ protocols: [undefined], negated: [], rest })
  }
  if (!negated) return taken({ protocols: values.map(nameOf), negated: [], rest })
  const [value, more] = values
  return value === undefined || more !== undefined || rest.flatMap(headersOf).length > 0
    ? refused('excludes protocols in a way that -p cannot')
    : taken({ protocols: [undefined], negated: ['!', '-p', nameOf(value)], rest })
}

const PROTOCOL_KEYS: ReadonlySet<string> = new Set(['meta l4proto', 'ip protocol'])

const NUMBERS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  dccp: 33,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
}

/** Where iptables has another name. */
const NAMES: Readonly<Record<string, string>> = { icmpv6: 'ipv6-icmp' }

function nameOf(number: number): string {
  const header = Object.keys(NUMBERS).find((name) => NUMBERS[name] === number)
  return header === undefined ? String(number) : (NAMES[header] ?? header)
}

function isAbout(keys: ReadonlySet<string>, statement: Statement): boolean {
  return 'match' in statement && keys.has(keyNames(statement.match.left)?.join() ?? '')
}

/** The transport headers that a match reads. */
function headersOf(statement: Statement): readonly string[] {
  const names = 'match' in statement ? (keyNames(statement.match.left) ?? []) : []
  return names.flatMap((name) => {
    const [header = ''] = name.split(' ')
    return header === 'th' || NUMBERS[header] !== undefined ? [header] : []
  })
}

function valuesOf(statement: Statement): readonly number[] | undefined {
  if (!('match' in statement) || !['==', '!=', 'in'].includes(statement.match.op)) return undefined
  const numbers = membersOf(statement.match.right).map((value) => protocolNumber(String(value)))
  return numbers.every((number) => number !== undefined) ? numbers : undefined
}

/** `icmp type 3 icmp code 4` as `icmp type . icmp code { 3 . 4 }`. */
function joinIcmp(statements: readonly Statement[]): readonly Statement[] {
  const types = statements.filter((each) => isAbout(ICMP_TYPES, each))
  const codes = statements.filter((each) => isAbout(ICMP_CODES, each))
  const [type, code] = [types[0], codes[0]]
  if (types.length !== 1 || codes.length !== 1 || type === undefined || code === undefined) return statements
  if (!('match' in type && 'match' in code) || type.match.op !== '==' || code.match.op !== '==')
    return statements
  const pairs = membersOf(type.match.right).flatMap((t) =>
    membersOf((code as typeof type).match.right).map((c) => ({ concat: [t, c] })),
  )
  const joined = match({ concat: [type.match.left, code.match.left] }, { set: pairs })
  return statements.flatMap((each) => (each === type ? [joined] : each === code ? [] : [each]))
}

const ICMP_TYPES: ReadonlySet<string> = new Set(['icmp type', 'icmpv6 type'])
const ICMP_CODES: ReadonlySet<string> = new Set(['icmp code', 'icmpv6 code'])
