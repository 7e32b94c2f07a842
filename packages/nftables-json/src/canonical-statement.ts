/** Statements that are no matches, in one spelling: defaults written out, counts left out. */
import { canonicalKey, type Known } from './canonical-key.ts'
import { canonicalElement, canonicalMember } from './canonical-values.ts'
import { datatypeOf, isList } from './datatypes.ts'
import type { Expression } from './expression-types.ts'
import type { Limit, LimitUnit, Log, Reject, Statement } from './types.ts'
import { isPair, rejectCodeType } from './walk.ts'

export function canonicalStatement(statement: Statement, known: Known): string {
  if ('counter' in statement) {
    return typeof statement.counter === 'string' ? `counter name ${statement.counter}` : 'counter'
  }
  if ('vmap' in statement) {
    const { key, data } = statement.vmap
    return `${canonicalKey(key, known)} vmap ${pairsForm(data, key)}`
  }
  if ('limit' in statement) return limitForm(statement.limit)
  if ('log' in statement) return logForm(statement.log)
  if ('reject' in statement) return rejectForm(statement.reject, known)
  if ('mangle' in statement) {
    const { key, value } = statement.mangle
    const form = isKey(value) ? canonicalKey(value, known) : canonicalMember(value, datatypeOf(key))
    return `${canonicalKey(key, known)} set ${form}`
  }
  if ('ct count' in statement) {
    const { val, inv = false } = statement['ct count']
    return `ct count ${inv ? 'over ' : ''}${val}`
  }
  return JSON.stringify(statement)
}

const isKey = (value: Expression): boolean =>
  typeof value === 'object' && ('meta' in value || 'ct' in value || 'payload' in value)

function pairsForm(data: Expression, key: Expression): string {
  if (typeof data === 'object' && 'ref' in data) return `@${data.ref}`
  if (typeof data !== 'object' || !('set' in data) || !isList(data.set)) return JSON.stringify(data)
  const members = data.set.map((member) =>
    isPair(member)
      ? `${canonicalElement(member[0], datatypeOf(key))} : ${JSON.stringify(member[1])}`
      : JSON.stringify(member),
  )
  return `{ ${members.sort().join(', ')} }`
}

/** nft's default burst is 5 packets, and 0 stands for it; of bytes there is none. */
function limitForm({ rate, per, rate_unit, burst = 0, burst_unit, inv = false }: Limit['limit']): string {
  const packets = rate_unit === undefined || rate_unit === 'packets'
  const much = packets ? rate : rate * BYTES[rate_unit]
  const more = packets ? burst || 5 : burst * BYTES[burst_unit ?? 'bytes']
  return `limit ${inv ? 'over ' : ''}${much} ${packets ? 'packets' : 'bytes'}/${per} burst ${more}`
}

const BYTES: { readonly [unit in LimitUnit]: number } = {
  packets: 1,
  bytes: 1,
  kbytes: 1024,
  mbytes: 1024 * 1024,
}

/** The level `warn` is the default and not listed. */
function logForm(log: Log['log']): string {
  const { flags = [], level, ...rest } = log ?? {}
  const options = {
    ...rest,
    ...(level === undefined || level === 'warn' ? {} : { level }),
    flags: typeof flags === 'string' ? [flags] : flags.toSorted(),
  }
  const entries = Object.entries(options).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `log ${JSON.stringify(entries)}`
}

/** Without options nft picks the code by what it knows of the packet's family. */
function rejectForm(reject: Reject['reject'], { nf }: Known): string {
  const type = reject?.type
  if (type === 'tcp reset') return 'reject tcp reset'
  const code = type === undefined ? '1' : canonicalMember(reject?.expr ?? 0, rejectCodeType(type))
  if (type === 'icmp' || type === 'icmpv6') return `reject ${type} ${code}`
  if (nf === '2') return `reject icmp ${ICMPX[Number(code)]?.[0]}`
  return nf === '10' ? `reject icmpv6 ${ICMPX[Number(code)]?.[1]}` : `reject icmpx ${code}`
}

/** The codes that the kernel sends for those of icmpx: in IPv4, in IPv6 (net/netfilter/nft_reject.c). */
const ICMPX: readonly (readonly [number, number])[] = [
  [0, 0],
  [3, 4],
  [1, 3],
  [13, 1],
]
