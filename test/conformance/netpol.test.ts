/** The cases of Kubernetes' own end-to-end tests of NetworkPolicy, on MultiNetworkPolicies and real packets. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NETPOL_ADDRESSES, NETPOL_CASES, netpolExpectations, netpolWorld } from './netpol-cases.ts'
import { runCase } from './run-case.ts'
import { Tally } from './tally.ts'
import { BACKENDS, Testbed } from './testbed.ts'
import { podSpecs, SEGMENT, worldStep } from './world.ts'

describe.each(BACKENDS)('Kubernetes’ netpol cases, %s', (backend) => {
  const tally = new Tally(`Kubernetes’ netpol cases, ${backend}`)
  let bed: Testbed

  beforeAll(async () => {
    bed = await Testbed.create({
      name: 'netpol',
      backend,
      segments: [SEGMENT],
      pods: podSpecs(NETPOL_ADDRESSES),
    })
  })

  afterAll(async () => {
    await bed?.[Symbol.asyncDispose]()
    console.log(String(tally))
  })

  test('all 48 are here, each once', () => {
    expect(NETPOL_CASES.map(({ number }) => number)).toEqual(
      Array.from({ length: 48 }, (_, index) => index + 1),
    )
  })

  for (const { number, name, asserts, steps } of NETPOL_CASES) {
    test(`${number}. ${name}: ${asserts}`, async () => {
      await runCase(
        bed,
        tally,
        [],
        steps.map((step) => worldStep(netpolWorld(step), netpolExpectations(step), (name) => bed.pod(name))),
      )
    })
  }
})
