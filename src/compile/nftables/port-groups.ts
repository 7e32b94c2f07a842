/**
 * Rules of a chain in groups by their ports, so that a packet is held against those that its port can meet. All of them only
 * accept, so their order is of no account, and a packet that leaves a group without a verdict goes on to the next.
 *
 *     chain policy-0-ingress {
 *       tcp dport 80-443 jump policy-0-ingress-0 comment "blue/web"
 *       tcp dport 5432-9090 jump policy-0-ingress-1 comment "blue/web"
 *     }
 *
 * A group's rules are next to each other by their ports, and there are about as many groups as rules in each.
 */
import { PROTOCOLS, type Protocol } from '../port.ts'
import type { PortSpan } from './allow.ts'

export interface PortGroup<T> {
  /** From the first port of any of them to the last. */
  readonly span: PortSpan
  readonly members: readonly T[]
}

export interface Grouped<T> {
  /** In the order in which they were given. */
  readonly alone: readonly T[]
  readonly groups: readonly PortGroup<T>[]
}

/** Up to that many rules of a protocol are tried one by one. */
const FEW = 16

export function groupByPort<T extends { readonly span?: PortSpan }>(rules: readonly T[]): Grouped<T> {
  const groups = PROTOCOLS.flatMap((protocol) => groupsOf(protocol, rules))
  const grouped = new Set(groups.flatMap(({ members }) => members))
  return { alone: rules.filter((rule) => !grouped.has(rule)), groups }
}

function groupsOf<T extends { readonly span?: PortSpan }>(
  protocol: Protocol,
  rules: readonly T[],
): readonly PortGroup<T>[] {
  const spanned = rules.flatMap((rule) => (rule.span?.protocol === protocol ? { rule, span: rule.span } : []))
  if (spanned.length <= FEW) return []
  const sorted = spanned.toSorted((a, b) => a.span.first - b.span.first || a.span.last - b.span.last)
  const size = Math.ceil(Math.sqrt(sorted.length))
  return Array.from({ length: Math.ceil(sorted.length / size) }, (_, at) => {
    const some = sorted.slice(at * size, (at + 1) * size)
    const [first, last] = [some.map(({ span }) => span.first), some.map(({ span }) => span.last)]
    return {
      span: { protocol, first: Math.min(...first), last: Math.max(...last) },
      members: some.map(({ rule }) => rule),
    }
  })
}
