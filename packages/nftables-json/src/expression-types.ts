/**
 * Expressions of nft's JSON: what a rule compares, and the values it compares with. The shapes are those of
 * libnftables-json(5) with two exceptions, both for the same reason. In nft's JSON a plain string is sometimes
 * data and sometimes syntax: "@x" names a set, and "eth*" is a wildcard. Here a plain string is always data;
 * what is syntax has a shape of its own, {@link SetReference} and {@link Wildcard}, and becomes nft's string
 * only when a transaction is printed.
 */

/** Any JSON value, as `JSON.parse` gives it. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

/** What this package has no type for. Listings keep it, comparisons respect it, transactions refuse it. */
export type Unknown = { readonly unknown: Json }

/** A named set or map of the same table: `@name` in nft. */
export type SetReference = { readonly ref: string }

/** Every string that begins so: `"eth*"` in nft. Only interface names and the like can be matched with one. */
export type Wildcard = { readonly wildcard: string }

/** A constant. A string is data (an address, an interface name) or a symbol of nft (`established`). */
export type Immediate = string | number | boolean

export type HeaderProtocol =
  | 'ether'
  | 'vlan'
  | 'arp'
  | 'ip'
  | 'ip6'
  | 'icmp'
  | 'igmp'
  | 'icmpv6'
  | 'tcp'
  | 'udp'
  | 'udplite'
  | 'sctp'
  | 'dccp'
  | 'th'
  | 'ah'
  | 'esp'
  | 'comp'

/** A field of a packet's header. `th` is any transport header, whose ports lie at the same place. */
export type Payload = { readonly payload: { readonly protocol: HeaderProtocol; readonly field: string } }

/** Bits of a packet at a place. Offset and length are in bits. `ih`, the inner header, needs nft 1.0.2. */
export type RawPayload = {
  readonly payload: {
    readonly base: 'll' | 'nh' | 'th' | 'ih'
    readonly offset: number
    readonly len: number
  }
}

export type MetaKey =
  | 'length'
  | 'protocol'
  | 'priority'
  | 'random'
  | 'mark'
  | 'iif'
  | 'iifname'
  | 'iiftype'
  | 'oif'
  | 'oifname'
  | 'oiftype'
  | 'skuid'
  | 'skgid'
  | 'nftrace'
  | 'rtclassid'
  | 'ibriport'
  | 'obriport'
  | 'ibrname'
  | 'obrname'
  | 'ibrpvid'
  | 'ibrvproto'
  | 'pkttype'
  | 'cpu'
  | 'iifgroup'
  | 'oifgroup'
  | 'cgroup'
  | 'nfproto'
  | 'l4proto'
  | 'secpath'
  | 'iifkind'
  | 'oifkind'
  | 'sdif'
  | 'sdifname'
  | 'time'
  | 'day'
  | 'hour'

export type Meta = { readonly meta: { readonly key: MetaKey } }

/**
 * Conntrack. `dir` goes with keys of the tuple only: `ip saddr`, `ip6 daddr`, `proto-dst`, `bytes` … The family
 * is part of the key, as nft lists it; the property `family` of the manual page is not taken by nft 1.0.6.
 */
export type Ct = { readonly ct: { readonly key: string; readonly dir?: 'original' | 'reply' } }

export type FibFlag = 'saddr' | 'daddr' | 'mark' | 'iif' | 'oif'
export type FibResult = 'oif' | 'oifname' | 'type'

/** A question to the routing table, for example the type of the destination's address. */
export type Fib = {
  readonly fib: { readonly result: FibResult; readonly flags: FibFlag | readonly FibFlag[] }
}

/** An IPv6 extension header; without a field, whether it is there (compare with a boolean). */
export type Exthdr = {
  readonly exthdr: { readonly name: string; readonly field?: string; readonly offset?: number }
}

export type TcpOption = { readonly 'tcp option': { readonly name: string; readonly field?: string } }

export type Rt = { readonly rt: { readonly key: string; readonly family?: 'ip' | 'ip6' } }

/** Bit arithmetic, as in `tcp flags & (syn | ack)`. nft lists a chain of `|` with more than two operands. */
export type BinaryOperation =
  | { readonly '&': readonly Expression[] }
  | { readonly '|': readonly Expression[] }
  | { readonly '^': readonly Expression[] }
  | { readonly '<<': readonly Expression[] }
  | { readonly '>>': readonly Expression[] }

export type Prefix = { readonly prefix: { readonly addr: Expression; readonly len: number } }

/** From the first to the second, both included. */
export type Range = { readonly range: readonly [Expression, Expression] }

export type Concat = { readonly concat: readonly Expression[] }

/** A set without a name. In a map's data the members are pairs; nft lists a set of one without its array. */
export type AnonymousSet = { readonly set: Expression | readonly (Expression | MapPair)[] }

/** A key and what it maps to. */
export type MapPair = readonly [Expression, Expression]

/** An expression that is looked up: the value of `key` in `data`. For verdicts there is the statement `vmap`. */
export type MapLookup = { readonly map: { readonly key: Expression; readonly data: Expression } }

/** An element with properties of its own. Times are in seconds. */
export type Element = {
  readonly elem: {
    readonly val: Expression
    readonly timeout?: number
    readonly expires?: number
    readonly comment?: string
    readonly counter?: { readonly packets: number; readonly bytes: number }
  }
}

export type Jump = { readonly jump: { readonly target: string } }
export type Goto = { readonly goto: { readonly target: string } }

/** What happens to the packet. */
export type Verdict =
  | { readonly accept: null }
  | { readonly drop: null }
  | { readonly continue: null }
  | { readonly return: null }
  | Jump
  | Goto

/** Several values at once: with the operator `in`, any of these bits, as in `ct state { established, related }`. */
export type List = readonly Expression[]

export type Expression =
  | Immediate
  | List
  | SetReference
  | Wildcard
  | Payload
  | RawPayload
  | Meta
  | Ct
  | Fib
  | Exthdr
  | TcpOption
  | Rt
  | BinaryOperation
  | Prefix
  | Range
  | Concat
  | AnonymousSet
  | MapLookup
  | Element
  | Verdict
  | Unknown
