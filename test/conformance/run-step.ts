/**
 * One step of a case: the cluster is put in place, everything is asked, and where the answers differ a report says so
 * that can be read without the case at hand.
 */
import { stringify } from 'yaml'
import type { KubeObject } from '../manifests.ts'
import { type Expectation, isSctp, type Observation, sideBySide } from './expectation.ts'
import { byMatrix, byPackets, wrongOnes } from './observe.ts'
import type { Testbed } from './testbed.ts'

export interface StepPlan {
  /** The whole cluster. */
  readonly objects: readonly KubeObject[]
  readonly byPackets: readonly Expectation[]
  readonly byMatrix: readonly Expectation[]
  /** Expectations that neither way can answer. */
  readonly unasked?: number
  /** What the daemon must warn of: all of these, and where there are none, of nothing. */
  readonly warns: readonly RegExp[]
  /** Whether the pods are others than before; see {@link Testbed.renew}. */
  readonly anew?: boolean
}

export interface StepResult {
  readonly probes: number
  /** Held against `mnpd matrix`. */
  readonly asked: number
  /** Those among them that no packet can be sent for. */
  readonly sctp: number
  readonly unasked: number
  /** Empty where all is as expected. */
  readonly report: string
}

/** @param title names the step in the report */
export async function runStep(bed: Testbed, title: string, plan: StepPlan): Promise<StepResult> {
  if (plan.anew) await bed.renew()
  const since = await bed.enforce(plan.objects)
  const [seen, told] = await Promise.all([byPackets(bed, plan.byPackets), byMatrix(bed, plan.byMatrix)])
  const missing = await missingWarnings(bed, since, plan.warns)
  const unwanted = plan.warns.length === 0 ? bed.warnings(since) : []
  const parts = [
    describe('by packets', seen),
    describe('mnpd matrix', told),
    list('the daemon did not warn of', missing.map(String)),
    list('the daemon should have nothing to warn of', unwanted),
  ].filter((part) => part !== '')
  const warned = list('the daemon warned of', bed.warnings(since))
  return {
    probes: seen.length,
    asked: told.length,
    sctp: told.filter(isSctp).length,
    unasked: plan.unasked ?? 0,
    report: parts.length === 0 ? '' : [title, describePolicies(plan.objects), ...parts, warned].join('\n\n'),
  }
}

async function missingWarnings(
  bed: Testbed,
  since: number,
  warns: readonly RegExp[],
): Promise<readonly RegExp[]> {
  const came = await Promise.all(warns.map((pattern) => bed.warned(since, pattern)))
  return warns.filter((_, index) => !came[index])
}

function describe(how: string, observations: readonly Observation[]): string {
  const wrong = wrongOnes(observations)
  if (wrong.length === 0) return ''
  const planes = [...Map.groupBy(observations, ({ on }) => (on ? `${on.segment} IPv${on.family}` : ''))]
  return [
    `${how}: ${wrong.length} of ${observations.length} not as expected`,
    ...planes.flatMap(([plane, own]) => (wrongOnes(own).length === 0 ? [] : [plane, sideBySide(own)])),
  ].join('\n')
}

function describePolicies(objects: readonly KubeObject[]): string {
  const policies = objects.filter(({ kind }) => kind === 'MultiNetworkPolicy')
  return policies.length === 0
    ? 'no policies'
    : policies.map((policy) => stringify(policy).trimEnd()).join('\n---\n')
}

function list(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [`${title}:`, ...lines].join('\n  ')
}
