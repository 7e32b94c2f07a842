/**
 * A line in nft syntax, or a translated one, before nft sees it: words that are known, numbers, addresses and quoted
 * text, nothing else. So no line can end its rule or its chain, read a file, set a variable, name a set or a chain, or
 * have nft ask DNS or the services file.
 */
import { parseAddress, parseCidr } from '../address.ts'
import { NFT_CODES, NFT_TYPES } from './icmp.ts'
import { PROTOCOL_NUMBERS } from './iptables-options.ts'
import { type Judged, quoted, refused, taken } from './rules.ts'

/** The line's rule for nft, its `comment` taken off. */
export function parseNftLine(text: string): Judged<string> {
  const tokens = splitTokens(text)
  if (tokens.kind === 'refused') return tokens
  const rule = tokens.value.at(-2) === 'comment' ? tokens.value.slice(0, -2) : tokens.value
  for (const [index, token] of rule.entries()) {
    const problem = tokenProblem(token, rule, index)
    if (problem !== undefined) return refused(`${quoted(token)} ${problem}`)
  }
  if (!isBalanced(rule)) return refused('has a brace that is not closed, or one within another')
  if (isDivided(rule))
    return refused(
      'compares headers both before and after a limit, log or counter; compare first, then limit',
    )
  return rule.length === 0 ? refused('holds no rule') : taken(rule.join(' '))
}

/** Of a log's prefix; nft 1.0.6 crashes on longer ones. */
const MOST_TEXT = 127

const TOKEN = /^(?:"[^"]*"|[A-Za-z0-9_.:/*+-]+|[!=<>]=|[{},=!<>&|()])/

function splitTokens(text: string): Judged<readonly string[]> {
  const tokens: string[] = []
  for (let rest = text.trim(); rest !== ''; ) {
    const token = TOKEN.exec(rest)?.[0]
    if (token === undefined)
      return refused(
        rest.startsWith('"')
          ? 'has a quote that is not closed'
          : `${quoted(rest.slice(0, 1))} has no place in a rule`,
      )
    tokens.push(token)
    rest = rest.slice(token.length).trimStart()
  }
  return taken(tokens)
}

function tokenProblem(token: string, rule: readonly string[], index: number): string | undefined {
  if (token.startsWith('"')) {
    if (token.length - 2 > MOST_TEXT) return `is longer than ${MOST_TEXT} characters`
    return /[\\$]/.test(token) ? 'has a \\ or $ in its text' : undefined
  }
  if (/^[{},=!<>&|().]+=?$/.test(token) || WORDS.has(token) || isValue(token)) return undefined
  if (LEADS_AWAY.has(token)) return 'is not for rule files: a rule matches, limits, logs, and has a verdict'
  const [before, beforeThat] = [rule[index - 1] ?? '', rule[index - 2] ?? '']
  const names = /^[io]ifname$/
  const isName = names.test(before) || (/^[!=]=$/.test(before) && names.test(beforeThat))
  if (isName && /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}\*?$/.test(token)) return undefined
  return 'is nothing that a rule file may say; ports and addresses are written as numbers'
}

function isValue(token: string): boolean {
  if (/^(?:[0-9]+|0x[0-9a-f]+)(?:-(?:[0-9]+|0x[0-9a-f]+))?$/i.test(token)) return true
  if (/^[0-9]+\/(?:second|minute|hour|day|week)$/.test(token)) return true
  const ends = token.split('-')
  return (
    ends.length <= 2 && ends.every((end) => parseAddress(end) !== undefined || parseCidr(end) !== undefined)
  )
}

function isBalanced(rule: readonly string[]): boolean {
  let depth = 0
  for (const token of rule) {
    if (token === '{') depth += 1
    if (token === '}') depth -= 1
    if (depth < 0 || depth > 1) return false
  }
  return depth === 0
}

/**
 * nft 1.0.6 joins comparisons of neighbouring fields behind what stands between them, so that a limit would count
 * packets that it should not see.
 */
function isDivided(rule: readonly string[]): boolean {
  const reject = rule.indexOf('reject')
  const words = reject < 0 ? rule : rule.slice(0, reject)
  const acts = words.findIndex((word) => ACTIONS.has(word))
  const isField = (word: string): boolean => FIELDS.has(word)
  return acts >= 0 && words.slice(0, acts).some(isField) && words.slice(acts).some(isField)
}

const ACTIONS: ReadonlySet<string> = new Set(['limit', 'log', 'counter'])

/** Fields of headers. */
const FIELDS: ReadonlySet<string> = new Set([
  ...['saddr', 'daddr', 'protocol', 'nexthdr', 'ttl', 'hoplimit', 'dscp'],
  ...['sport', 'dport', 'type', 'code'],
])

/** What leads out of the rule or changes something: refused with a reason of its own. */
const LEADS_AWAY: ReadonlySet<string> = new Set([
  ...[
    'jump',
    'goto',
    'vmap',
    'map',
    'queue',
    'dup',
    'fwd',
    'set',
    'add',
    'delete',
    'update',
    'notrack',
    'nat',
  ],
  ...['snat', 'dnat', 'masquerade', 'tproxy', 'synproxy', 'include', 'define', 'chain', 'table', 'continue'],
  ...['quota', 'meter', 'flow', 'mark', 'group', 'snaplen', 'flush', 'insert', 'rule'],
])

const WORDS: ReadonlySet<string> = new Set([
  ...FIELDS,
  ...['ip', 'ip6', 'icmp', 'icmpv6', 'tcp', 'udp', 'udplite', 'sctp', 'dccp', 'th', 'meta', 'ct', '.', '/'],
  ...['length', 'flags', 'l4proto', 'nfproto', 'ipv4', 'ipv6', 'iifname', 'oifname', 'pkttype'],
  ...['unicast', 'broadcast', 'multicast', 'host', 'other'],
  ...['eq', 'ne', 'lt', 'gt', 'le', 'ge'],
  ...['state', 'direction', 'original', 'reply', 'new', 'established', 'related', 'invalid', 'untracked'],
  ...['limit', 'rate', 'over', 'burst', 'packets', 'bytes', 'kbytes', 'mbytes'],
  ...['bytes/second', 'kbytes/second', 'mbytes/second', 'bytes/minute', 'kbytes/minute', 'mbytes/minute'],
  ...['log', 'prefix', 'level', 'emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'],
  ...['sequence', 'options', 'skuid', 'ether', 'all', 'counter'],
  ...['accept', 'drop', 'return', 'reject', 'with', 'reset', 'icmpx', 'no-route', 'port-unreachable'],
  ...['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr'],
  ...[...PROTOCOL_NUMBERS.keys()],
  ...[NFT_TYPES, NFT_CODES].flatMap((names) => [...Object.keys(names[4]), ...Object.keys(names[6])]),
])
