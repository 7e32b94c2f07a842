/**
 * The options of iptables that a rule file may use, each with the match or target that it belongs to and the shape of
 * its values. What is not here is refused, however harmless: the list is what both backends can say.
 */
import { type Family, parseAddress } from '../address.ts'

export interface Option {
  /** The long name, by which its rules are looked up; `name` and `short` mean the same to iptables. */
  readonly name: string
  readonly short?: string
  readonly aliases?: readonly string[]
  /** Why a value is none, in words, or undefined; one check for each value. */
  readonly values: readonly Check[]
  /** Matches of which one must be there, or the target. */
  readonly of?: readonly string[]
  readonly negatable: boolean
}

type Check = (value: string, family: Family) => string | undefined

/** The matches that `-m` may name. */
export const MATCHES: readonly string[] = [
  ...['tcp', 'udp', 'sctp', 'dccp', 'icmp', 'icmp6', 'multiport', 'iprange'],
  ...['state', 'conntrack', 'limit', 'comment', 'pkttype', 'length', 'ttl', 'hl'],
]

export const TARGETS: readonly string[] = ['ACCEPT', 'DROP', 'REJECT', 'LOG', 'RETURN']

/** Protocols by name and number; others are given by number. The names of one number mean the same. */
export const PROTOCOL_NUMBERS: ReadonlyMap<string, number> = new Map([
  ['icmp', 1],
  ['igmp', 2],
  ['tcp', 6],
  ['udp', 17],
  ['dccp', 33],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['icmpv6', 58],
  ['ipv6-icmp', 58],
  ['ospf', 89],
  ['pim', 103],
  ['ipcomp', 108],
  ['comp', 108],
  ['vrrp', 112],
  ['sctp', 132],
  ['udplite', 136],
])

export function protocolNumber(value: string): number | undefined {
  if (/^[0-9]{1,3}$/.test(value)) return Number(value) > 255 ? undefined : Number(value)
  return PROTOCOL_NUMBERS.get(value.toLowerCase())
}

const shape =
  (pattern: RegExp, reason: string): Check =>
  (value) =>
    pattern.test(value) ? undefined : reason

const PORT = '(?:[0-9]{1,5}|[a-z][a-z0-9-]{0,30})'
const port = shape(new RegExp(`^(?:${PORT}|${PORT}?:${PORT}?)$`, 'i'), 'is no port or range of ports')
const ports = shape(
  new RegExp(`^${PORT}(?::${PORT})?(?:,${PORT}(?::${PORT})?)*$`, 'i'),
  'is no list of ports',
)
const flags = shape(
  /^(?:SYN|ACK|FIN|RST|URG|PSH|ALL|NONE)(?:,(?:SYN|ACK|FIN|RST|URG|PSH))*$/i,
  'is no list of TCP flags',
)
const states = shape(
  /^(?:NEW|ESTABLISHED|RELATED|INVALID|UNTRACKED)(?:,(?:NEW|ESTABLISHED|RELATED|INVALID|UNTRACKED))*$/i,
  'is no list of NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED',
)
const device = shape(/^[A-Za-z0-9._-]{1,15}\+?$/, 'is no name of an interface')
const number = (most: number): Check =>
  function natural(value) {
    return /^[0-9]{1,10}$/.test(value) && Number(value) <= most ? undefined : `is no number up to ${most}`
  }
const lengths = shape(/^[0-9]{1,5}(?::[0-9]{1,5})?$/, 'is no length or range of lengths')
const anything: Check = () => undefined
const addresses: Check = (value, family) => {
  const [first, last, ...more] = value.split('-')
  const all = [first, last].every((each) => {
    const address = parseAddress(each ?? '')
    return address !== undefined && address.includes(':') === (family === 6)
  })
  return all && more.length === 0 ? undefined : `is no range of IPv${family} addresses`
}

const yes = { negatable: true } as const
const no = { negatable: false } as const
const PORTED = ['tcp', 'udp', 'sctp', 'dccp'] as const

/** Checks of `anything` are made where the value is parsed for good, in `iptables-line.ts`. */
export const OPTIONS: readonly Option[] = [
  { name: '--protocol', short: '-p', aliases: ['--proto'], values: [anything], ...yes },
  { name: '--source', short: '-s', aliases: ['--src'], values: [anything], ...yes },
  { name: '--destination', short: '-d', aliases: ['--dst'], values: [anything], ...yes },
  { name: '--in-interface', short: '-i', values: [device], ...yes },
  { name: '--out-interface', short: '-o', values: [device], ...yes },
  { name: '--match', short: '-m', values: [anything], ...no },
  { name: '--jump', short: '-j', values: [anything], ...no },
  { name: '--sport', aliases: ['--source-port'], values: [port], of: PORTED, ...yes },
  { name: '--dport', aliases: ['--destination-port'], values: [port], of: PORTED, ...yes },
  { name: '--tcp-flags', values: [flags, flags], of: ['tcp'], ...yes },
  { name: '--syn', values: [], of: ['tcp'], ...yes },
  { name: '--icmp-type', values: [anything], of: ['icmp'], ...yes },
  { name: '--icmpv6-type', values: [anything], of: ['icmp6'], ...yes },
  { name: '--sports', aliases: ['--source-ports'], values: [ports], of: ['multiport'], ...yes },
  { name: '--dports', aliases: ['--destination-ports'], values: [ports], of: ['multiport'], ...yes },
  { name: '--src-range', values: [addresses], of: ['iprange'], ...yes },
  { name: '--dst-range', values: [addresses], of: ['iprange'], ...yes },
  { name: '--state', values: [states], of: ['state'], ...yes },
  { name: '--ctstate', values: [states], of: ['conntrack'], ...yes },
  {
    name: '--ctdir',
    values: [shape(/^(?:ORIGINAL|REPLY)$/i, 'is neither ORIGINAL nor REPLY')],
    of: ['conntrack'],
    ...no,
  },
  {
    name: '--limit',
    values: [shape(/^[0-9]{1,6}(?:\/[a-z]{1,6})?$/i, 'is no rate')],
    of: ['limit'],
    ...no,
  },
  { name: '--limit-burst', values: [number(10_000)], of: ['limit'], ...no },
  { name: '--comment', values: [anything], of: ['comment'], ...no },
  {
    name: '--pkt-type',
    values: [shape(/^(?:unicast|broadcast|multicast)$/i, 'is no packet type')],
    of: ['pkttype'],
    ...yes,
  },
  { name: '--length', values: [lengths], of: ['length'], ...yes },
  { name: '--ttl-eq', aliases: ['--ttl'], values: [number(255)], of: ['ttl'], ...yes },
  { name: '--ttl-lt', values: [number(255)], of: ['ttl'], ...no },
  { name: '--ttl-gt', values: [number(255)], of: ['ttl'], ...no },
  { name: '--hl-eq', aliases: ['--hl'], values: [number(255)], of: ['hl'], ...yes },
  { name: '--hl-lt', values: [number(255)], of: ['hl'], ...no },
  { name: '--hl-gt', values: [number(255)], of: ['hl'], ...no },
  {
    name: '--log-prefix',
    values: [shape(/^[^"'\\$]{0,29}$/, 'is longer than 29 characters, or has a quote, \\ or $')],
    of: ['LOG'],
    ...no,
  },
  { name: '--log-level', values: [shape(/^[a-z0-9]{1,8}$/i, 'is no level')], of: ['LOG'], ...no },
  { name: '--log-tcp-sequence', values: [], of: ['LOG'], ...no },
  { name: '--log-tcp-options', values: [], of: ['LOG'], ...no },
  { name: '--log-ip-options', values: [], of: ['LOG'], ...no },
  { name: '--log-uid', values: [], of: ['LOG'], ...no },
  {
    name: '--reject-with',
    values: [shape(/^[a-z0-9-]{1,30}$/i, 'is no way to reject')],
    of: ['REJECT'],
    ...no,
  },
]

const BY_NAME: ReadonlyMap<string, Option> = new Map(
  OPTIONS.flatMap((option) =>
    [option.name, option.short, ...(option.aliases ?? [])].flatMap((name) =>
      name === undefined ? [] : [[name, option] as const],
    ),
  ),
)

export function optionOf(name: string): Option | undefined {
  return BY_NAME.get(name)
}

/** Why an option that iptables has may not stand in a rule file. */
export function optionProblem(name: string): string {
  if (/^(?:-t|--table)$/.test(name)) return 'names a table; rules of a file stand in the filter of the pod'
  if (
    /^(?:-[ADIRLSFZNXPEC]|--(?:append|delete|insert|replace|list|list-rules|flush|zero|new-chain|delete-chain|policy|rename-chain|check))$/.test(
      name,
    )
  )
    return 'is a command; a line holds what comes after -A CHAIN'
  if (/^(?:-g|--goto)$/.test(name)) return 'leads to another chain'
  if (/^(?:-f|--fragment)$/.test(name))
    return 'is not needed: fragments are put together before they are judged'
  if (name === '--ports') return 'is not taken; write one line with --sports and one with --dports'
  return 'is no option that a rule file may use'
}
