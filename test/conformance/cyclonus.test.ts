/**
 * All 230 cases of cyclonus' generator, with what its own matcher expects, on MultiNetworkPolicies and real packets:
 * nine pods on one network, every ordered pair, ports 80 and 81, TCP and UDP after each step. SCTP is asked of
 * `mnpd matrix`, and so is the rest once more.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { corrected, loadCyclonusCases } from './cyclonus-cases.ts'
import { runCase } from './run-case.ts'
import { Tally } from './tally.ts'
import { BACKENDS, Testbed } from './testbed.ts'
import { podSpecs, SEGMENT, worldStep } from './world.ts'

const { cases, addresses } = loadCyclonusCases()

describe.each(BACKENDS)('cyclonus, %s', (backend) => {
  const tally = new Tally(`cyclonus, ${backend}`)
  let bed: Testbed

  beforeAll(async () => {
    bed = await Testbed.create({ name: 'cyclonus', backend, segments: [SEGMENT], pods: podSpecs(addresses) })
  })

  afterAll(async () => {
    await bed?.[Symbol.asyncDispose]()
    console.log(String(tally))
  })

  test('has as many cases as its generator is known to make', () => {
    expect([cases.length, cases.filter((each) => each.default).length]).toEqual([230, 112])
  })

  for (const { number, description, steps, ...each } of cases) {
    test(`${number}. ${description}`, async () => {
      const tags = [...each.tags, each.default ? '(by default)' : '(on request)']
      await runCase(
        bed,
        tally,
        tags,
        steps.map((step) =>
          worldStep(
            step.world,
            corrected(step, (what) => tally.note(what, 1)),
            (name) => bed.pod(name),
          ),
        ),
      )
    })
  }
})
