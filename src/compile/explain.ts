/** May A reach B, and which rule of which policy decides at each end: asked of the rulesets that are enforced. */
import { FAMILIES, type Family } from './address.ts'
import type { Cluster } from './cluster.ts'
import type { Compilation } from './compilation.ts'
import { addressesOf, type End, type Ends } from './ends.ts'
import { type Direction, type NamespacedName, nameOf } from './model.ts'
import type { Protocol } from './port.ts'
import { type Decision, decide } from './verdict.ts'

export type Verdict = 'allow' | 'deny' | 'mixed'

export interface Service {
  readonly protocol: Protocol | 'ICMP'
  readonly port: number
}

/** One end's part of the answer, in one family. */
export interface EndAnswer {
  readonly verdict: 'allow' | 'deny'
  readonly decision: Decision | { readonly kind: 'no-pod' } | { readonly kind: 'own-address' }
}

export interface FamilyAnswer {
  readonly family: Family
  readonly verdict: 'allow' | 'deny'
  readonly egress: EndAnswer
  readonly ingress: EndAnswer
}

export interface Explanation {
  readonly verdict: Verdict
  /** One for each pair of addresses of the families asked for. */
  readonly answers: readonly FamilyAnswer[]
}

/** @param families those to judge; ends without addresses in one of them give no answer for it. */
export function explain(
  compilation: Compilation,
  ends: Ends,
  service: Service,
  families: readonly Family[] = FAMILIES,
): Explanation {
  const answers = families.flatMap((family) =>
    addressesOf(ends.from, family).flatMap((source) =>
      addressesOf(ends.to, family).map((destination): FamilyAnswer => {
        const own = isOwn(ends)
        const egress =
          own ?? judge(compilation, ends.from, 'egress', { own: source, peer: destination, ...service })
        const ingress =
          own ?? judge(compilation, ends.to, 'ingress', { own: destination, peer: source, ...service })
        const verdict = egress.verdict === 'allow' && ingress.verdict === 'allow' ? 'allow' : 'deny'
        return { family, verdict, egress, ingress }
      }),
    ),
  )
  return { verdict: combine(answers.map(({ verdict }) => verdict)), answers }
}

export function combine(verdicts: readonly ('allow' | 'deny')[]): Verdict {
  const [first = 'deny', ...others] = verdicts
  return others.every((verdict) => verdict === first) ? first : 'mixed'
}

/** The networks that each policy is for, as its annotation resolves. */
export function networksOf(cluster: Cluster, policy: NamespacedName): readonly NamespacedName[] {
  return cluster.policies.get(policy)?.networks ?? []
}

/** A pod reaches its own addresses by loopback, past every policy. */
function isOwn({ from, to }: Ends): EndAnswer | undefined {
  const same = from.kind === 'interface' && to.kind === 'interface' && nameOf(from.pod) === nameOf(to.pod)
  return same ? { verdict: 'allow', decision: { kind: 'own-address' } } : undefined
}

function judge(
  compilation: Compilation,
  end: End,
  direction: Direction,
  packet: Parameters<typeof decide>[3],
): EndAnswer {
  if (end.kind === 'address') return { verdict: 'allow', decision: { kind: 'no-pod' } }
  const ruleset = compilation.targets.get(nameOf(end.pod))?.ruleset
  const decision = decide(ruleset, end.attachment.interface ?? '', direction, packet)
  return { verdict: decision.kind === 'denied' ? 'deny' : 'allow', decision }
}
