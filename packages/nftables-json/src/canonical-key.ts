/** Keys in one spelling, and what a key says about the packet that it is read from. */

import { canonicalMember } from './canonical-values.ts'
import { datatypeOf, isList } from './datatypes.ts'
import type { Expression } from './expression-types.ts'
import { mapKey } from './walk.ts'

/** What a rule has said so far of the packet's protocols, as numbers. */
export type Known = {
  readonly l4?: string | undefined
  readonly nf?: string | undefined
  /** In tables of one family only: the match that says nothing, and the key that names the transport. */
  readonly network?: string
  readonly header?: string
}

/** nft's text where there is one word for it (`tcp dport`), and JSON for the rest. */
export function canonicalKey(key: Expression, known: Known): string {
  if (typeof key !== 'object' || isList(key)) return JSON.stringify(key)
  if ('payload' in key) {
    if ('base' in key.payload) return rawForm(key.payload, known)
    return `${named(key.payload.protocol, known)} ${key.payload.field}`
  }
  if ('meta' in key) return `meta ${key.meta.key}`
  if ('concat' in key) return key.concat.map((part) => canonicalKey(part, known)).join(' . ')
  if ('fib' in key) {
    const { flags, result } = key.fib
    return `fib ${(typeof flags === 'string' ? [flags] : flags.toSorted()).join(' . ')} ${result}`
  }
  const [operator, operands] = Object.entries(key)[0] ?? []
  if (operator !== undefined && isList(operands) && operands[0] !== undefined) {
    const datatype = datatypeOf(operands[0])
    const rest = operands.slice(1).map((operand) => canonicalMember(operand, datatype))
    return [canonicalKey(operands[0], known), ...rest].join(` ${operator} `)
  }
  return JSON.stringify(sorted(mapKey(key, (leaf) => leaf)))
}

/** The headers that a key reads: `tcp`, `ip` … */
export function protocolsIn(key: Expression): readonly string[] {
  if (typeof key !== 'object' || isList(key)) return []
  if ('payload' in key) return 'protocol' in key.payload ? [key.payload.protocol] : []
  if ('concat' in key) return key.concat.flatMap(protocolsIn)
  if ('map' in key) return protocolsIn(key.map.key)
  const operands = Object.values(key)[0]
  return isList(operands) ? operands.flatMap(protocolsIn) : []
}

/** The number of a header's transport protocol, if it is one. */
export const l4Of = (protocol: string): string | undefined => TRANSPORT[protocol]

/** The number of a header's address family, if it is bound to one. */
export const nfOf = (protocol: string): string | undefined => FAMILY[protocol]

const TRANSPORT: Readonly<Record<string, string>> = {
  icmp: '1',
  igmp: '2',
  tcp: '6',
  udp: '17',
  dccp: '33',
  esp: '50',
  ah: '51',
  icmpv6: '58',
  comp: '108',
  sctp: '132',
  udplite: '136',
}

const FAMILY: Readonly<Record<string, string>> = { ip: '2', icmp: '2', igmp: '2', ip6: '10', icmpv6: '10' }

/** Where the transport protocol is known and has ports, `th` is it. */
const WITH_PORTS: Readonly<Record<string, string>> = {
  '6': 'tcp',
  '17': 'udp',
  '33': 'dccp',
  '132': 'sctp',
  '136': 'udplite',
}

function named(protocol: string, { l4 }: Known): string {
  return protocol === 'th' && l4 !== undefined ? (WITH_PORTS[l4] ?? protocol) : protocol
}

function rawForm(payload: { base: string; offset: number; len: number }, known: Known): string {
  const field =
    payload.base === 'th' && payload.len === 16 ? ['sport', 'dport'][payload.offset / 16] : undefined
  if (field !== undefined) return `${named('th', known)} ${field}`
  return `@${payload.base},${payload.offset},${payload.len}`
}

/** With properties in one order, for the JSON of it. */
function sorted(node: unknown): unknown {
  if (typeof node !== 'object' || node === null) return node
  if (Array.isArray(node)) return node.map(sorted)
  const entries = Object.entries(node).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, value]) => [name, sorted(value)]))
}
