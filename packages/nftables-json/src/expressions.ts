/**
 * Small constructors, so that a rule reads like nft's own text: `match(payload('tcp', 'dport'), 80), accept`.
 * They only build; the transaction is where values are checked.
 */
import type {
  AnonymousSet,
  Concat,
  Ct,
  Element,
  Expression,
  Fib,
  FibFlag,
  FibResult,
  Goto,
  HeaderProtocol,
  Jump,
  MapPair,
  Meta,
  MetaKey,
  Payload,
  Prefix,
  Range,
  SetReference,
  Verdict,
  Wildcard,
} from './expression-types.ts'
import type { CounterStatement, Limit, LimitPer, Log, Match, MatchOperator, Reject, Vmap } from './types.ts'

/** `ip saddr`, `tcp dport`, `th dport` … */
export const payload = (protocol: HeaderProtocol, field: string): Payload => ({
  payload: { protocol, field },
})

/** `meta iifname`, `meta l4proto` … */
export const meta = (key: MetaKey): Meta => ({ meta: { key } })

/** `ct state`, `ct direction`, and with a direction `ct original ip saddr`. */
export const ct = (key: string, dir?: 'original' | 'reply'): Ct => ({
  ct: { key, ...(dir === undefined ? {} : { dir }) },
})

/** `fib daddr type` and the like. */
export const fib = (result: FibResult, flags: FibFlag | readonly FibFlag[]): Fib => ({
  fib: { result, flags },
})

/** `left op right`; the operator is always written, since nft's JSON has no default for it. */
export const match = (left: Expression, right: Expression, op: MatchOperator = '=='): Match => ({
  match: { op, left, right },
})

/** `@name`: a named set or map of the rule's own table. */
export const setRef = (name: string): SetReference => ({ ref: name })

/** `"eth*"`, from `wildcard('eth')`. */
export const wildcard = (start: string): Wildcard => ({ wildcard: start })

/** `10.0.0.0/24`. */
export const prefix = (addr: Expression, len: number): Prefix => ({ prefix: { addr, len } })

/** `first-last`, both included. */
export const range = (first: Expression, last: Expression): Range => ({ range: [first, last] })

/** `a . b`, of keys as well as of values. */
export const concat = (...parts: readonly Expression[]): Concat => ({ concat: parts })

/** `{ a, b }`. */
export const anonymousSet = (members: readonly Expression[]): AnonymousSet => ({ set: members })

/** An element with a comment, or a life time in seconds. */
export const element = (
  val: Expression,
  properties: { readonly comment?: string; readonly timeout?: number },
): Element => ({ elem: { val, ...properties } })

/** `key vmap { value : verdict, … }`, or, with a reference, `key vmap @name`. */
export const vmap = (
  key: Expression,
  data: readonly (readonly [Expression, Verdict])[] | SetReference,
): Vmap => ({ vmap: { key, data: 'ref' in data ? data : { set: data satisfies readonly MapPair[] } } })

/** The rule's own counter, or, with a name, a counter of the table. */
export const counter = (name?: string): CounterStatement => ({ counter: name ?? null })

/** `limit rate 10/second burst 5 packets`. */
export const limit = (rate: number, per: LimitPer, burst?: number): Limit => ({
  limit: { rate, per, ...(burst === undefined ? {} : { burst }) },
})

export const log = (options: NonNullable<Log['log']> = {}): Log => ({ log: options })

/** Without options: port unreachable, by the ICMP of the packet's own family. */
export const reject = (options?: NonNullable<Reject['reject']>): Reject => ({ reject: options ?? null })

export const accept: { readonly accept: null } = Object.freeze({ accept: null })
export const drop: { readonly drop: null } = Object.freeze({ drop: null })
/** Goes on with the next rule; useful in a verdict map only. The underscore is since `continue` is a keyword. */
export const continue_: { readonly continue: null } = Object.freeze({ continue: null })
/** Back to the chain that jumped here. */
export const return_: { readonly return: null } = Object.freeze({ return: null })
export const jump = (target: string): Jump => ({ jump: { target } })
/** Like jump, but what returns from the target returns past this chain. */
export const goto_ = (target: string): Goto => ({ goto: { target } })
