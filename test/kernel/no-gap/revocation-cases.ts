/**
 * The table of the revocation suite: connections that stand when a policy comes, and what D2 and D3 make of them. One
 * that the policies allow lives, one that they do not stops, and what decides is who opened it:
 *
 * - the peer opened it: it is the pod's ingress, and lives unless the pod is isolated there with no rule for the peer;
 * - the pod opened it: it is the pod's egress, and the same holds there.
 *
 * The other direction is not asked: replies pass.
 */
import type { Family } from '../../lab/pod.ts'
import type { TransferKind } from '../../lab/protocol.ts'

/** Whether a direction is isolated, and then whether there is a rule for the peer. */
export type Isolation = 'open' | 'allowed' | 'denied'

export interface PolicyCase {
  readonly name: string
  readonly Ingress: Isolation
  readonly Egress: Isolation
}

export const POLICIES: readonly PolicyCase[] = [
  { name: 'ingress denied', Ingress: 'denied', Egress: 'open' },
  { name: 'egress denied', Ingress: 'open', Egress: 'denied' },
  { name: 'both denied', Ingress: 'denied', Egress: 'denied' },
  { name: 'ingress allowed, egress denied', Ingress: 'allowed', Egress: 'denied' },
  { name: 'egress allowed, ingress denied', Ingress: 'denied', Egress: 'allowed' },
  { name: 'ingress allowed', Ingress: 'allowed', Egress: 'open' },
  { name: 'egress allowed', Ingress: 'open', Egress: 'allowed' },
]

/**
 * When the policies come: `tightened` while the daemon runs and governs the pod by policies that allow the peer both
 * ways; `first policy` while it runs and the pod has no rules, so that nothing in it tracked the connection; and `first
 * start`, where the daemon itself comes after the connection.
 */
export const MOMENTS = ['tightened', 'first policy', 'first start'] as const
export type Moment = (typeof MOMENTS)[number]

export interface ConnectionCase {
  readonly opener: 'peer' | 'pod'
  readonly protocol: 'tcp' | 'udp'
  readonly kind: TransferKind
  readonly family: Family
}

const KINDS: readonly TransferKind[] = ['to server', 'to client', 'echo']

export const CONNECTIONS: readonly ConnectionCase[] = (['peer', 'pod'] as const).flatMap((opener) => [
  ...KINDS.map((kind) => ({ opener, protocol: 'tcp' as const, kind, family: 4 as const })),
  { opener, protocol: 'tcp', kind: 'echo', family: 6 },
  ...KINDS.map((kind) => ({ opener, protocol: 'udp' as const, kind, family: 4 as const })),
])

export type Outcome = 'lives' | 'stops' | 'either'

export function outcome(policy: PolicyCase, moment: Moment, connection: ConnectionCase): Outcome {
  const [opened, answered] =
    connection.opener === 'peer' ? [policy.Ingress, policy.Egress] : [policy.Egress, policy.Ingress]
  if (connection.protocol === 'udp' && connection.kind === 'to client')
    return outcomeOfAnswersAlone(opened, answered, moment)
  return opened === 'denied' ? 'stops' : 'lives'
}

/**
 * Answers over UDP that nobody asks for any more. A direction in which the pod is not isolated is not touched (G6), so there
 * they pass. Where they could as well be a flow of their own that a rule allows, or where nothing tracked the flow and so
 * nobody can tell who opened it, both are right.
 */
function outcomeOfAnswersAlone(opened: Isolation, answered: Isolation, moment: Moment): Outcome {
  if (answered === 'open') return 'lives'
  if (answered === 'allowed') return opened === 'denied' ? 'either' : 'lives'
  if (opened === 'denied') return 'stops'
  return moment === 'tightened' ? 'lives' : 'either'
}

/**
 * Cases where the right outcome is a matter of chance today, by `moment: policy: connection outcome`, each with its reason.
 * Those that go wrong are shown as skipped.
 */
export const KNOWN: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  {
    pattern: /^first (policy|start): .*: udp v4 opened by the (peer|pod), data both ways (stops|lives)$/,
    reason:
      'Nothing tracked the flow and its sockets are not connected: the first packet seen, which may be an answer, counts as the first of it.',
  },
]

export function describeConnection({ opener, protocol, kind, family }: ConnectionCase): string {
  return `${protocol} v${family} opened by the ${opener}, data ${kind === 'echo' ? 'both ways' : kind}`
}
