import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileOvn, expectedPorts } from '../../../src/compile/ovn/compile.ts'
import { ovnLines } from '../../../src/compile/ovn/text.ts'
import { arbitraryCluster } from '../../model/generate.ts'
import { clusterOf } from '../../product.ts'
import { seed } from '../../seed.ts'
import { OPTIONS } from './ovn-cluster.ts'

test('rows do not depend on the order in which anything came', { timeout: 120_000 }, () => {
  const printed = (
    objects: readonly unknown[],
    turn: <T>(list: readonly T[]) => readonly T[],
  ): readonly string[] => {
    const cluster = clusterOf(objects)
    const options = { ...OPTIONS, track: true }
    return ovnLines(compileOvn(cluster, turn(expectedPorts(cluster)), options).rows, () => undefined)
  }
  let lines = 0
  fc.assert(
    fc.property(arbitraryCluster(), (made) => {
      const text = JSON.stringify(made).replaceAll('macvlan', 'ovn-k8s-cni-overlay')
      const objects = Object.values(JSON.parse(text) as object).flat() as readonly unknown[]
      const there = printed(objects, (list) => list)
      expect(printed(objects.toReversed(), (list) => list.toReversed())).toEqual(there)
      lines += there.length
    }),
    { seed, numRuns: 200 },
  )
  expect(lines).toBeGreaterThan(1_000)
})
