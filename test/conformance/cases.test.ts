/** Our own table of cases, on real packets of both families and on two networks at once. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SEMANTICS_PODS, semanticsObjects } from './cases/cluster.ts'
import { app, intoA, policy, type SemanticsStep, type StepPolicy } from './cases/vocabulary.ts'
import { SEMANTICS_CASES, semanticsExpectations } from './cases.ts'
import { isSctp } from './expectation.ts'
import { runCase } from './run-case.ts'
import type { StepPlan } from './run-step.ts'
import { Tally } from './tally.ts'
import { BACKENDS, Testbed } from './testbed.ts'

describe.each(BACKENDS)('what a MultiNetworkPolicy means, %s', (backend) => {
  const tally = new Tally(`what a MultiNetworkPolicy means, ${backend}`)
  let bed: Testbed

  beforeAll(async () => {
    bed = await Testbed.create({
      name: 'cases',
      backend,
      segments: ['red', 'blue'],
      pods: SEMANTICS_PODS,
    })
  })

  afterAll(async () => {
    await bed?.[Symbol.asyncDispose]()
    console.log(String(tally))
  })

  test('all 31 and 11 are here, each once', () => {
    const numbers = [
      ...Array.from({ length: 31 }, (_, index) => `${index + 1}`),
      ...Array.from({ length: 11 }, (_, index) => `P${index + 1}`),
    ]
    expect([...SEMANTICS_CASES.map(({ number }) => number), '28'].sort()).toEqual(numbers.sort())
  })

  for (const { number, name, steps } of SEMANTICS_CASES) {
    test(`${number}. ${name}`, async () => {
      const plans = steps.map((step, index) => ({
        ...planOf(bed, step, `case-${number.toLowerCase()}-${index + 1}`),
        anew: index === 0 || networksOf(step) !== networksOf(steps[index - 1]),
      }))
      await runCase(bed, tally, [], plans)
    })
  }

  test('28. a connection lives while it is allowed, is silent while it is not, and goes on once it is again', async () => {
    const enforce = async (...policies: readonly StepPolicy[]): Promise<void> => {
      await bed.enforce(planOf(bed, { policies, reach: [] }, 'case-28').objects)
    }
    await bed.renew()
    await enforce(policy(intoA({ from: [app('b')], ports: [{ port: 80 }] })))
    const connection = await bed.pod('x.b').connection({ to: bed.pod('x.a').address(4, 'red'), port: 80 })
    await connection.answered()
    await enforce(policy(intoA({ from: [app('b', 'c')] })))
    await connection.answered()
    await enforce(policy(intoA({ from: [app('c')] })))
    await connection.silent()
    await enforce()
    await connection.answered()
    await enforce(policy(intoA()))
    await connection.silent()
    await connection.close()
  })
})

function planOf(bed: Testbed, step: SemanticsStep, name: string): StepPlan {
  const expectations = semanticsExpectations(step)
  const inCluster = ({ from, to }: { readonly from: string; readonly to: string }) =>
    from !== to && from !== 'out' && to !== 'out'
  return {
    objects: semanticsObjects(step, name, (pod) => bed.pod(pod)),
    byPackets: expectations.filter((each) => !isSctp(each)),
    byMatrix: expectations.filter((each) => isSctp(each) && inCluster(each)),
    unasked: expectations.filter((each) => isSctp(each) && !inCluster(each)).length,
    warns: step.warns ?? [],
  }
}

/** What only another pod can have. */
function networksOf(step: SemanticsStep | undefined): string {
  const changes = Object.entries(step?.pods ?? {})
  return JSON.stringify(
    changes
      .map(([pod, change]) => [pod, change.networks, change.default])
      .filter(([, ...own]) => own.some((each) => each !== undefined)),
  )
}
