/**
 * What kind of value goes with an expression: an address with `ip saddr`, a port with `tcp dport`, an
 * interface's name with `meta iifname`. The names are nft's own (`nft describe ip saddr`), the same as in a
 * set's declaration. Everything that looks at a value asks here first, since a string's meaning hangs on it:
 * `tcp` is a protocol in one place, and an interface that somebody named so in another.
 */
import type { Expression } from './expression-types.ts'

/** A data type's name, or one for each part of a concatenation; `integer` is any number. */
export type Datatype = string | readonly string[]

/** The type of what an expression yields. What is not listed below counts as `integer`. */
export function datatypeOf(expression: Expression): Datatype {
  if (typeof expression !== 'object' || isList(expression)) return 'integer'
  if ('concat' in expression) return expression.concat.map((part) => single(datatypeOf(part)))
  if ('&' in expression) return datatypeOf(expression['&'][0] ?? 0)
  if ('|' in expression) return datatypeOf(expression['|'][0] ?? 0)
  if ('^' in expression) return datatypeOf(expression['^'][0] ?? 0)
  return singleTypeOf(expression)
}

/** The type of one part of a value: the n-th of a concatenation's, or the only one. */
export function partOf(datatype: Datatype, n: number): string {
  return typeof datatype === 'string' ? datatype : (datatype[n] ?? 'integer')
}

/** For a value that has no parts. */
export function single(datatype: Datatype): string {
  return typeof datatype === 'string' ? datatype : 'integer'
}

/** Whether values are strings to be quoted, rather than numbers or nft's symbols. */
export const isText = (datatype: string): boolean =>
  datatype === 'ifname' || datatype === 'iface_index' || datatype === 'string'

/** An array has the properties `concat` and `map` itself, so ask this before asking for those of an expression. */
export function isList(value: unknown): value is readonly Expression[] {
  return Array.isArray(value)
}

function singleTypeOf(expression: object): string {
  const [kind, body] = Object.entries(expression)[0] ?? []
  const lookup = kind === undefined ? undefined : BY_KIND[kind]
  return lookup === undefined ? 'integer' : (lookup(body) ?? 'integer')
}

type Lookup = (body: { readonly [key: string]: unknown }) => string | undefined

const BY_KIND: Readonly<Record<string, Lookup>> = {
  payload: ({ protocol, field }) =>
    HEADERS[`${protocol} ${field}`] ?? (field === 'sport' || field === 'dport' ? 'inet_service' : undefined),
  meta: ({ key }) => META[String(key)],
  ct: ({ key }) => CT[String(key)],
  fib: ({ result }) => FIB[String(result)],
  rt: ({ key, family }) => (key === 'nexthop' ? (family === 'ip6' ? 'ipv6_addr' : 'ipv4_addr') : undefined),
}

const HEADERS: Readonly<Record<string, string>> = {
  'ip saddr': 'ipv4_addr',
  'ip daddr': 'ipv4_addr',
  'ip protocol': 'inet_proto',
  'ip dscp': 'dscp',
  'ip6 saddr': 'ipv6_addr',
  'ip6 daddr': 'ipv6_addr',
  'ip6 nexthdr': 'inet_proto',
  'ip6 dscp': 'dscp',
  'icmp type': 'icmp_type',
  'icmp code': 'icmp_code',
  'icmpv6 type': 'icmpv6_type',
  'icmpv6 code': 'icmpv6_code',
  'tcp flags': 'tcp_flag',
  'ether saddr': 'ether_addr',
  'ether daddr': 'ether_addr',
  'ether type': 'ether_type',
  'vlan type': 'ether_type',
  'arp saddr ip': 'ipv4_addr',
  'arp daddr ip': 'ipv4_addr',
  'arp saddr ether': 'ether_addr',
  'arp daddr ether': 'ether_addr',
}

const META: Readonly<Record<string, string>> = {
  l4proto: 'inet_proto',
  nfproto: 'nf_proto',
  protocol: 'ether_type',
  iif: 'iface_index',
  oif: 'iface_index',
  sdif: 'iface_index',
  iifname: 'ifname',
  oifname: 'ifname',
  ibrname: 'ifname',
  obrname: 'ifname',
  sdifname: 'ifname',
  iifkind: 'ifname',
  oifkind: 'ifname',
  mark: 'mark',
  pkttype: 'pkt_type',
}

const CT: Readonly<Record<string, string>> = {
  state: 'ct_state',
  status: 'ct_status',
  direction: 'ct_dir',
  mark: 'mark',
  l3proto: 'nf_proto',
  protocol: 'inet_proto',
  'ip saddr': 'ipv4_addr',
  'ip daddr': 'ipv4_addr',
  'ip6 saddr': 'ipv6_addr',
  'ip6 daddr': 'ipv6_addr',
  'proto-src': 'inet_service',
  'proto-dst': 'inet_service',
  helper: 'string',
}

const FIB: Readonly<Record<string, string>> = {
  type: 'fib_addrtype',
  oif: 'iface_index',
  oifname: 'ifname',
}
