/**
 * Every case of the conformance suites on OVN: cyclonus' 230, those of Kubernetes' own end-to-end tests, and our own table,
 * as rows that the daemon wrote to a real northbound database, by ovn-trace's verdicts. Case 28 of our own, a connection
 * that outlives its policy, is no verdict on a first packet: see packets-changes.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EVERYONE, networkOf, SEMANTICS_PODS, semanticsObjects } from '../conformance/cases/cluster.ts'
import type { Segment, SemanticsStep } from '../conformance/cases/vocabulary.ts'
import { SEMANTICS_CASES, semanticsExpectations } from '../conformance/cases.ts'
import { corrected, loadCyclonusCases } from '../conformance/cyclonus-cases.ts'
import { type Expectation, sideBySide } from '../conformance/expectation.ts'
import {
  NETPOL_ADDRESSES,
  NETPOL_CASES,
  netpolExpectations,
  netpolWorld,
} from '../conformance/netpol-cases.ts'
import { wrongOnes } from '../conformance/observe.ts'
import { labName, SEGMENT, type World, worldStep } from '../conformance/world.ts'
import { type Plug, placedPod, TraceLab } from './trace-lab.ts'

let lab: TraceLab
beforeAll(async () => {
  lab = await TraceLab.start()
})
afterAll(() => lab?.[Symbol.asyncDispose]())

async function expectVerdicts(expectations: readonly Expectation[]): Promise<void> {
  const seen = await lab.observe(expectations)
  expect(seen.length).toBeGreaterThan(0)
  if (wrongOnes(seen).length > 0) expect.fail(`\n${sideBySide(seen)}`)
}

/** Nine pods on one network. */
async function expectWorld(
  world: World,
  addresses: ReadonlyMap<string, string>,
  expectations: readonly Expectation[],
): Promise<void> {
  const plugs = [...addresses].map(
    ([who, address]): Plug => ({ who, segment: SEGMENT, addresses: [address], nad: `x/${SEGMENT}` }),
  )
  const { objects } = worldStep(world, [], (name) => placedPod(plugs, name))
  await lab.stand(plugs, objects)
  await expectVerdicts(expectations)
}

describe('cyclonus', () => {
  const { cases, addresses } = loadCyclonusCases()

  test('all of its cases are here', () => {
    expect(cases).toHaveLength(230)
  })

  for (const { number, description, steps } of cases) {
    test(`${number}. ${description}`, async () => {
      for (const step of steps) await expectWorld(step.world, addresses, corrected(step))
    })
  }
})

describe('Kubernetes’ netpol cases', () => {
  for (const { number, name, asserts, steps } of NETPOL_CASES) {
    test(`${number}. ${name}: ${asserts}`, async () => {
      for (const step of steps)
        await expectWorld(netpolWorld(step), NETPOL_ADDRESSES, netpolExpectations(step))
    })
  }
})

describe('what a MultiNetworkPolicy means', () => {
  for (const { number, name, steps } of SEMANTICS_CASES) {
    test(`${number}. ${name}`, async () => {
      for (const [index, step] of steps.entries()) {
        const plugs = plugsOf(step)
        const title = `case-${number.toLowerCase()}-${index + 1}`
        const objects = semanticsObjects(step, title, (pod) => placedPod(plugs, pod))
        await lab.stand(plugs, objects, step.warns)
        await expectVerdicts(semanticsExpectations(step))
      }
    })
  }
})

/** Everybody is on both segments, whoever of them is a pod with a port that ovn-kubernetes calls a secondary one. */
function plugsOf(step: SemanticsStep): readonly Plug[] {
  return EVERYONE.flatMap((who) => {
    const { absent, hostNetwork, default: defaultSegment } = step.pods?.[who] ?? {}
    const isPod = who !== 'out' && absent !== true && hostNetwork !== true
    const attachments = SEMANTICS_PODS.find(({ name }) => name === labName(who))?.attachments ?? []
    return attachments.map(({ segment, addresses = [] }): Plug => {
      const isSecondary = isPod && segment !== defaultSegment
      const nad = isSecondary ? networkOf(step, who, segment as Segment) : undefined
      const plain = addresses.map((each) => each.replace(/\/.*/, ''))
      // Red comes first.
      const again = segment === 'blue' && nad !== undefined && nad === networkOf(step, who, 'red') ? 1 : 0
      return { who, segment, addresses: plain, nad, again }
    })
  })
}
