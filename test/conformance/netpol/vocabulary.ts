/**
 * The words in which Kubernetes' own cases are stated here: a case is a list of steps, and a step says how the cluster
 * stands (policies, and labels besides the usual ones) and who reaches whom. As in the original, everyone reaches
 * everyone to begin with, and each line changes that for some pairs; a later line wins.
 *
 * Pods are named by pattern: `x/a`, `x/*`, `*` for all. Each has the label `pod`, its name; each namespace has the label
 * `kubernetes.io/metadata.name`.
 */
import type { Service } from '../expectation.ts'
import type { Labels, Policy } from '../world.ts'

export interface NetpolCase {
  /** The original's place among the cases of `network_policy.go`, 1 to 48. */
  readonly number: number
  readonly name: string
  readonly asserts: string
  readonly steps: readonly NetpolStep[]
}

export interface NetpolStep {
  readonly policies: readonly Policy[]
  /** Added to those that pods and namespaces have anyway. */
  readonly podLabels?: Readonly<Record<string, Labels>>
  readonly namespaceLabels?: Readonly<Record<string, Labels>>
  /** Only these services are asked for. */
  readonly reach: Readonly<Partial<Record<Service, readonly Line[]>>>
}

export interface Line {
  readonly from: string
  readonly to: string
  readonly allowed: boolean
}

export const allow = (from: string, to: string): Line => ({ from, to, allowed: true })
export const deny = (from: string, to: string): Line => ({ from, to, allowed: false })

const NAMESPACE_NAME = 'kubernetes.io/metadata.name'

interface Expression {
  readonly key: string
  readonly operator: 'In' | 'NotIn'
  readonly values: readonly string[]
}

export interface Selector {
  readonly matchLabels?: Labels
  readonly matchExpressions?: readonly Expression[]
}

export interface Peer {
  readonly podSelector?: Selector
  readonly namespaceSelector?: Selector
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] }
}

export interface PolicyPort {
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP'
  readonly port?: number | string
}

/** Of either direction; `peers` becomes `from` or `to`. */
export interface Rule {
  readonly peers?: readonly Peer[]
  readonly ports?: readonly PolicyPort[]
}

export const EVERYTHING: Selector = {}

export function labelled(matchLabels: Labels): Selector {
  return { matchLabels }
}

export function podNamed(name: string): Selector {
  return labelled({ pod: name })
}

export function podIn(...values: readonly string[]): Selector {
  return { matchExpressions: [{ key: 'pod', operator: 'In', values }] }
}

export function namespaceNamed(name: string): Selector {
  return labelled({ [NAMESPACE_NAME]: name })
}

export function namespaceIs(operator: Expression['operator'], ...values: readonly string[]): Selector {
  return { matchExpressions: [{ key: NAMESPACE_NAME, operator, values }] }
}

/** A policy of namespace x unless told otherwise, for that one direction. */
export function ingress(
  name: string,
  podSelector: Selector,
  rules: readonly Rule[],
  namespace = 'x',
): Policy {
  return {
    metadata: { namespace, name },
    spec: { podSelector, policyTypes: ['Ingress'], ingress: rules.map((rule) => ruleOf('from', rule)) },
  }
}

export function egress(name: string, podSelector: Selector, rules: readonly Rule[], namespace = 'x'): Policy {
  return {
    metadata: { namespace, name },
    spec: { podSelector, policyTypes: ['Egress'], egress: rules.map((rule) => ruleOf('to', rule)) },
  }
}

export function bothWays(
  name: string,
  podSelector: Selector,
  rules: { readonly ingress: readonly Rule[]; readonly egress: readonly Rule[] },
): Policy {
  return {
    metadata: { namespace: 'x', name },
    spec: {
      podSelector,
      policyTypes: ['Ingress', 'Egress'],
      ingress: rules.ingress.map((rule) => ruleOf('from', rule)),
      egress: rules.egress.map((rule) => ruleOf('to', rule)),
    },
  }
}

function ruleOf(field: 'from' | 'to', { peers, ports }: Rule): unknown {
  return { ...(peers && { [field]: peers }), ...(ports && { ports }) }
}
