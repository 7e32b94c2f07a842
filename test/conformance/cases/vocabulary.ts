/**
 * The words of our own table of cases. Every pod is on two networks: net1 on x/red (IPv4 and IPv6), net2 on x/blue
 * (IPv4). x/a, x/b, x/c are of namespace x, y/a and y/b of namespace y, and `out` is on both networks without being a
 * pod of the cluster. A pod has the label `app`, its name; a namespace the label `team`, its name.
 *
 * A step states the whole cluster as it differs from that, and who reaches whom: everyone does to begin with, and each
 * line changes that for some; a later line wins. A pod always reaches itself, which no line can change.
 */
import type { Service } from '../expectation.ts'
import type { ContainerPort, Labels } from '../world.ts'

export interface SemanticsCase {
  /** As in the tables that users' questions were collected in: 1 to 31 for the spec, P1 to P11 for `policy-for`. */
  readonly number: string
  readonly name: string
  readonly steps: readonly SemanticsStep[]
}

export interface SemanticsStep {
  readonly policies: readonly StepPolicy[]
  readonly pods?: Readonly<Record<string, PodChange>>
  /** Labels, in place of the usual ones. */
  readonly namespaces?: Readonly<Record<string, Labels>>
  /** The CNI type of networks that are not macvlan, by `namespace/name`; undefined where there is no such network. */
  readonly networks?: Readonly<Record<string, string | undefined>>
  readonly reach: readonly Line[]
  /** Services to ask for besides the usual ones. */
  readonly asks?: readonly Service[]
  /** What the daemon must warn of; where nothing is said here, of nothing. */
  readonly warns?: readonly RegExp[]
}

export interface StepPolicy {
  /** Default x. */
  readonly namespace?: string
  /** The annotation `policy-for`, default `red`; undefined for no annotation. */
  readonly for: string | undefined
  readonly spec: unknown
}

export type Segment = 'red' | 'blue'

export interface PodChange {
  /** In place of the usual ones. */
  readonly labels?: Labels
  readonly ports?: readonly ContainerPort[]
  readonly initPorts?: readonly ContainerPort[]
  /** The network of an interface, where it is another than usual. */
  readonly networks?: Readonly<Partial<Record<Segment, string>>>
  /** The interface that is the default network's. */
  readonly default?: Segment
  readonly hostNetwork?: boolean
  readonly phase?: string
  /** Not in the cluster: its addresses are nobody's. */
  readonly absent?: boolean
}

export interface Line {
  readonly allowed: boolean
  /** `x/a`, `x/*` or `*`, default all. */
  readonly from: string
  readonly to: string
  /** Default red, where most policies are. */
  readonly on: Segment | 'both'
  /** Default both. */
  readonly family?: 4 | 6
  /** `TCP/80`, or `TCP` for all its ports; default all. */
  readonly service?: string
}

export const deny = (line: Partial<Line>): Line => ({ ...ALL, ...line, allowed: false })
export const allow = (line: Partial<Line>): Line => ({ ...ALL, ...line, allowed: true })

const ALL = { from: '*', to: '*', on: 'red' } as const

export function policy(spec: unknown, more: Partial<StepPolicy> = {}): StepPolicy {
  return { for: 'red', ...more, spec }
}

/** The spec of an ingress policy for x/a. */
export function intoA(...ingress: readonly unknown[]): Readonly<Record<string, unknown>> {
  return { ...A, policyTypes: ['Ingress'], ingress }
}

export function outOfA(...egress: readonly unknown[]): Readonly<Record<string, unknown>> {
  return { ...A, policyTypes: ['Egress'], egress }
}

/** A peer, or the selecting part of a policy. */
export function app(...names: readonly [string, ...string[]]): { readonly podSelector: unknown } {
  const [first, ...others] = names
  if (others.length === 0) return { podSelector: { matchLabels: { app: first } } }
  return { podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: names }] } }
}

export function team(name: string): { readonly namespaceSelector: unknown } {
  return { namespaceSelector: { matchLabels: { team: name } } }
}

export function block(cidr: string, ...except: readonly string[]): unknown {
  return { ipBlock: { cidr, ...(except.length > 0 && { except }) } }
}

export function port(name: string, containerPort: number, protocol = 'TCP'): ContainerPort {
  return { name, containerPort, protocol }
}

/** Nobody listens there, so that what is allowed is answered by an error. The kernel sends few of those a second. */
export const UNSERVED: Service = 'UDP/82'

export const A: { readonly podSelector: unknown } = app('a')
/** Nobody reaches x/a on red. */
export const A_CLOSED: Line = deny({ to: 'x/a' })
export const B_REACHES_A: Line = allow({ from: 'x/b', to: 'x/a' })
