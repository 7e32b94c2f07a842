/**
 * The objects of nft's JSON, libnftables-json(5), and the commands on them. Only what a packet filter uses has
 * a type; the rest of nft (flow tables, quotas, NAT …) is `Unknown` when it is listed and refused when written.
 */
import type { Expression, Unknown, Verdict } from './expression-types.ts'

export type Family = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev'

export type TableKey = { readonly family: Family; readonly name: string }

/** nft 1.0.6 ignores `comment` in JSON (see README, "What nft's JSON loses"). */
export type Table = TableKey & { readonly comment?: string }

export type ChainType = 'filter' | 'nat' | 'route'
export type Hook = 'ingress' | 'egress' | 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
export type ChainPolicy = 'accept' | 'drop'

/** Where a base chain hangs. A lower priority runs earlier; `policy` is the verdict when no rule gave one. */
export type BaseChainHook = {
  readonly type: ChainType
  readonly hook: Hook
  readonly prio: number
  readonly policy: ChainPolicy
  /** Only in family netdev, and in inet with hook ingress. */
  readonly dev?: string
}

/** A chain: with `hook` a base chain that packets enter by themselves, without it one that is jumped to. */
export type Chain = { readonly name: string; readonly hook?: BaseChainHook; readonly comment?: string }

export type SetFlag = 'constant' | 'interval' | 'timeout' | 'dynamic'

/** `ipv4_addr`, `inet_service`, `ifname` …; several make a concatenation. */
export type SetType = string | readonly string[]

type SetProperties = {
  readonly name: string
  readonly type: SetType
  readonly flags?: readonly SetFlag[]
  readonly policy?: 'performance' | 'memory'
  /** Elements' life time, in seconds. */
  readonly timeout?: number
  /** In seconds. */
  readonly 'gc-interval'?: number
  /** The most elements that the set can hold. */
  readonly size?: number
  readonly comment?: string
}

export type NamedSet = SetProperties & { readonly map?: never; readonly elem?: readonly Expression[] }

/** A map's value type: `verdict`, or a type of data. */
export type MapElement = readonly [Expression, Expression]
export type NamedMap = SetProperties & { readonly map: SetType; readonly elem?: readonly MapElement[] }

export type Counter = {
  readonly name: string
  readonly packets?: number
  readonly bytes?: number
  readonly comment?: string
}

export type MatchOperator = '==' | '!=' | 'in' | '<' | '>' | '<=' | '>='

export type Match = {
  readonly match: { readonly op: MatchOperator; readonly left: Expression; readonly right: Expression }
}

/** `null` and an object are the rule's own counter (the object's figures are where it starts); a string names one. */
export type CounterStatement = {
  readonly counter: null | string | { readonly packets: number; readonly bytes: number }
}

export type LimitUnit = 'packets' | 'bytes' | 'kbytes' | 'mbytes'
export type LimitPer = 'second' | 'minute' | 'hour' | 'day' | 'week'

/** Matches as long as the rate is not exceeded, or, with `inv`, from when it is. */
export type Limit = {
  readonly limit: {
    readonly rate: number
    readonly per: LimitPer
    readonly rate_unit?: LimitUnit
    readonly burst?: number
    readonly burst_unit?: LimitUnit
    readonly inv?: boolean
  }
}

export type LogLevel = 'emerg' | 'alert' | 'crit' | 'err' | 'warn' | 'notice' | 'info' | 'debug' | 'audit'
export type LogFlag = 'tcp sequence' | 'tcp options' | 'ip options' | 'skuid' | 'ether' | 'all'

/** With `group` to whoever listens to that nfnetlink group, else to the kernel's log. They exclude each other. */
export type Log = {
  readonly log: null | {
    readonly prefix?: string
    readonly group?: number
    readonly snaplen?: number
    readonly 'queue-threshold'?: number
    readonly level?: LogLevel
    readonly flags?: LogFlag | readonly LogFlag[]
  }
}

export type Reject = {
  readonly reject: null | {
    readonly type?: 'tcp reset' | 'icmpx' | 'icmp' | 'icmpv6'
    readonly expr?: Expression
  }
}

/** A verdict by key: `data` is an anonymous set of pairs, or a reference to a verdict map. */
export type Vmap = { readonly vmap: { readonly key: Expression; readonly data: Expression } }

/** Changes a packet, its metadata or its conntrack entry: `meta mark set 1`. */
export type Mangle = { readonly mangle: { readonly key: Expression; readonly value: Expression } }

export type Notrack = { readonly notrack: null }

/** Matches up to that many connections, or, with `inv`, beyond. */
export type CtCount = { readonly 'ct count': { readonly val: number; readonly inv?: boolean } }

export type Statement =
  | Match
  | CounterStatement
  | Limit
  | Log
  | Reject
  | Vmap
  | Mangle
  | Notrack
  | CtCount
  | Verdict
  | Unknown

export type Rule = { readonly expr: readonly Statement[]; readonly comment?: string }

type In = { readonly family: Family; readonly table: string }
type ChainKey = In & { readonly name: string }
type RuleKey = In & { readonly chain: string; readonly handle: number }
type NamedKey = In & { readonly name: string }

/**
 * Elements of a set or map. `type` and `map` are those of its declaration; they are not nft's JSON, which has
 * no need of them, but its text does, to quote what must be quoted. `toJSON` leaves them out.
 */
export type ElementsObject = NamedKey & {
  readonly elem: readonly (Expression | MapElement)[]
  readonly type?: SetType
  readonly map?: SetType
}

/** A chain as nft's JSON has it, the hook's properties beside the name. */
export type ChainObject = ChainKey & Partial<BaseChainHook> & { readonly comment?: string }
export type SetObject = In & NamedSet
export type MapObject = In & NamedMap
export type CounterObject = In & Counter
/** `handle` or `index` say after (add) or before (insert) which rule this one goes. */
export type RuleObject = In &
  Rule & { readonly chain: string; readonly handle?: number; readonly index?: number }

export type AddObject =
  | { readonly table: Table }
  | { readonly chain: ChainObject }
  | { readonly rule: RuleObject }
  | { readonly set: SetObject }
  | { readonly map: MapObject }
  | { readonly element: ElementsObject }
  | { readonly counter: CounterObject }

export type DeleteObject =
  | { readonly table: TableKey }
  | { readonly chain: ChainKey }
  | { readonly rule: RuleKey }
  | { readonly set: NamedKey }
  | { readonly map: NamedKey }
  | { readonly element: ElementsObject }
  | { readonly counter: NamedKey }

export type FlushObject =
  | { readonly ruleset: null }
  | { readonly table: TableKey }
  | { readonly chain: ChainKey }
  | { readonly set: NamedKey }
  | { readonly map: NamedKey }

/**
 * One command. `create` fails where `add` finds the object in place; `destroy` (nft 1.0.7, Linux 6.3) does
 * not fail where `delete` finds none.
 */
export type Command =
  | { readonly add: AddObject }
  | { readonly create: AddObject }
  | { readonly insert: { readonly rule: RuleObject } }
  | { readonly replace: { readonly rule: RuleObject & { readonly handle: number } } }
  | { readonly delete: DeleteObject }
  | { readonly destroy: DeleteObject }
  | { readonly flush: FlushObject }
