/** The cases of Kubernetes' own end-to-end tests of NetworkPolicy on a layer2 network of OVN, by ovn-trace's verdicts. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sideBySide } from '../conformance/expectation.ts'
import {
  NETPOL_ADDRESSES,
  NETPOL_CASES,
  netpolExpectations,
  netpolWorld,
} from '../conformance/netpol-cases.ts'
import { wrongOnes } from '../conformance/observe.ts'
import { ConformanceWorld } from './testbed/conformance.ts'

let world: ConformanceWorld
beforeAll(async () => {
  world = await ConformanceWorld.start('netpol', NETPOL_ADDRESSES)
})
afterAll(() => world?.[Symbol.asyncDispose]())

for (const { number, name, asserts, steps } of NETPOL_CASES) {
  test(`${number}. ${name}: ${asserts}`, async () => {
    for (const step of steps) {
      const seen = await world.observe(netpolWorld(step), netpolExpectations(step))
      expect(seen.length).toBeGreaterThan(0)
      expect(wrongOnes(seen), `\n${sideBySide(seen)}`).toEqual([])
    }
  })
}
