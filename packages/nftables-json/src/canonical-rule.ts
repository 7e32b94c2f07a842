/**
 * Rules in one spelling. What nft does to a rule between `add` and `list` was measured (1.0.6):
 * - it drops `meta l4proto tcp` before `tcp dport`, and `meta nfproto ipv4` before `ip saddr`, however many
 *   matches lie between, but not across a counter, a log or a verdict map;
 * - it lists `meta l4proto tcp` with `th dport` as `tcp dport`;
 * - it drops `meta nfproto ipv4` beside `meta l4proto icmp`, and `ipv6` beside `ipv6-icmp`;
 * - it joins matches on neighbouring bytes and lists them in the bytes' order: `tcp dport` and then
 *   `tcp sport` comes back the other way round, and `th sport` with `th dport` as one raw number.
 *
 * So a rule is cut into runs: matches, of which the order says nothing, up to the next statement that does
 * something. Each run is sorted, and loses what it implies.
 */
import { canonicalKey, type Known, l4Of, nfOf, protocolsIn } from './canonical-key.ts'
import { canonicalStatement } from './canonical-statement.ts'
import { canonicalValues } from './canonical-values.ts'
import { datatypeOf, single } from './datatypes.ts'
import type { Expression } from './expression-types.ts'
import { BIT_TYPES } from './symbols.ts'
import type { Family, Match, Rule, Statement } from './types.ts'

/** The statements as text, and a comment as one more. */
export function canonicalRule({ expr, comment }: Rule, family: Family): readonly string[] {
  let known: Known = TABLES[family] ?? {}
  let run: Match[] = []
  const statements: string[] = []
  for (const statement of [...expr, undefined]) {
    if (statement !== undefined && 'match' in statement) {
      run.push(...unjoined(statement))
      continue
    }
    known = learn(known, run, statement)
    const last = statement === undefined ? '' : canonicalStatement(statement, known)
    statements.push(...runForm(run, statement, last, known), ...(last === '' ? [] : [last]))
    run = []
  }
  return comment === undefined ? statements : [...statements, `comment ${JSON.stringify(comment)}`]
}

/** In a table of one address family, its packets' protocol is known, and the header says the transport. */
const TABLES: { readonly [family in Family]?: Known } = {
  ip: { nf: '2', network: 'meta protocol == { 2048 }', header: 'ip protocol' },
  ip6: { nf: '10', network: 'meta protocol == { 34525 }', header: 'ip6 nexthdr' },
}

/** By the number of the address family. */
const ETHER_TYPES: Readonly<Record<string, number>> = { '2': 0x0800, '10': 0x86dd }

/** `@th,0,32 == n` as the two ports that nft had joined. */
function unjoined(statement: Match): readonly Match[] {
  const { op, left, right } = statement.match
  if (typeof left !== 'object' || !('payload' in left) || !('base' in left.payload)) return [statement]
  const { base, offset, len } = left.payload
  if (op !== '==' || base !== 'th' || offset !== 0 || len !== 32 || typeof right !== 'number')
    return [statement]
  const port = (field: string, value: number): Match => ({
    match: { op, left: { payload: { protocol: 'th', field } }, right: value },
  })
  return [port('sport', Math.floor(right / 0x10000)), port('dport', right % 0x10000)]
}

function learn(known: Known, run: readonly Match[], last: Statement | undefined): Known {
  const protocols = keysOf(run, last).flatMap(protocolsIn)
  const only = (question: string): string | undefined =>
    run.map((match) => equals(match, question)).find(Boolean)
  const l4 = only('meta l4proto') ?? only('ip protocol') ?? only('ip6 nexthdr')
  return {
    ...known,
    l4: l4 ?? protocols.map(l4Of).find(Boolean) ?? known.l4,
    nf: only('meta nfproto') ?? protocols.map(nfOf).find(Boolean) ?? known.nf,
  }
}

/** The one number that the match compares the key with for equality, if it is that key and one number. */
function equals({ match: { op, left, right } }: Match, key: string): string | undefined {
  if ((op !== '==' && op !== 'in') || canonicalKey(left, {}) !== key) return undefined
  return /^\{ ([0-9]+) \}$/.exec(canonicalValues(right, datatypeOf(left)))?.[1]
}

function keysOf(run: readonly Match[], last: Statement | undefined): readonly Expression[] {
  const keys = run.map(({ match }) => match.left)
  if (last === undefined) return keys
  if ('vmap' in last) return [...keys, last.vmap.key]
  return 'mangle' in last ? [...keys, last.mangle.key, last.mangle.value] : keys
}

function runForm(
  run: readonly Match[],
  last: Statement | undefined,
  lastForm: string,
  known: Known,
): readonly string[] {
  const forms = run.map(({ match }) => matchForm(match, known))
  if (lastForm === 'reject tcp reset') forms.push('meta l4proto == { 6 }')
  const implied = new Set(keysOf(run, last).flatMap((key) => impliedBy(key, known)))
  if (known.network !== undefined) implied.add(known.network)
  for (const [l4, nf] of OF_ONE_FAMILY) if (forms.includes(l4)) implied.add(nf)
  if (lastForm.startsWith('reject icmp ')) implied.add('meta nfproto == { 2 }')
  if (lastForm.startsWith('reject icmpv6 ')) implied.add('meta nfproto == { 10 }')
  return [...new Set(forms)].filter((form) => !implied.has(form)).sort()
}

/** Transports of which nft takes the family for granted when it lists, though a packet of the other could have them. */
const OF_ONE_FAMILY = [
  ['meta l4proto == { 1 }', 'meta nfproto == { 2 }'],
  ['meta l4proto == { 58 }', 'meta nfproto == { 10 }'],
] as const

function impliedBy(key: Expression, { l4: known, header = 'meta l4proto' }: Known): readonly string[] {
  return protocolsIn(key).flatMap((protocol) => {
    const l4 = protocol === 'th' ? known : l4Of(protocol)
    const nf = nfOf(protocol)
    return [
      ...(l4 === undefined ? [] : [`meta l4proto == { ${l4} }`, `${header} == { ${l4} }`]),
      ...(nf === undefined ? [] : [`meta nfproto == { ${nf} }`, `meta protocol == { ${ETHER_TYPES[nf]} }`]),
    ]
  })
}

function matchForm({ op, left, right }: Match['match'], known: Known): string {
  const datatype = datatypeOf(left)
  const bits = BIT_TYPES.has(single(datatype))
  const set = typeof right === 'object' && ('set' in right || 'ref' in right)
  const asked = op === 'in' && (!bits || set) ? '==' : op
  return `${canonicalKey(left, known)} ${asked} ${canonicalValues(right, datatype)}`
}
