/** Which policies need the ports of other nodes' pods, and how long such a policy waits for them. */
import { describe, expect, test } from 'vitest'
import type { Policy } from '../../../../src/compile/model.ts'
import { needsPortsOfPeers, PortDemand } from '../../../../src/watch/kube/port-demand.ts'
import { parsePolicy } from '../../../../src/watch/parse/policy.ts'
import { VirtualClock } from './virtual-clock.ts'

function policy(spec: object, name = 'p'): Policy {
  return parsePolicy({ metadata: { name }, spec: { podSelector: {}, ...spec } }) as Policy
}

const toWeb = { egress: [{ ports: [{ port: 'web' }] }] }

describe('ports of peers are needed', () => {
  test.for([
    ['by an egress rule with a named port', toWeb, true],
    ['by one of several', { egress: [{}, { ports: [{ port: 80 }, { port: 'web' }] }] }, true],
    ['not by numbers', { egress: [{ ports: [{ port: 80 }] }] }, false],
    ['not on ingress, where they are the governed pod’s', { ingress: [{ ports: [{ port: 'web' }] }] }, false],
    ['not where egress is not governed', { ...toWeb, policyTypes: ['Ingress'] }, false],
    ['not where no peer is left', { egress: [{ to: [{}], ports: [{ port: 'web' }] }] }, false],
  ] as const)('%s', ([, spec, expected]) => {
    expect(needsPortsOfPeers(policy(spec))).toBe(expected)
  })
})

describe('the demand for ports', () => {
  const signal = new AbortController().signal

  test('follows the policies', () => {
    const demand = new PortDemand()
    let changes = 0
    demand.onChange(() => changes++)
    demand.take([{ kind: 'replaced', of: 'MultiNetworkPolicy', objects: [policy(toWeb)] }])
    expect(demand.wanted).toBe(true)
    demand.take([{ kind: 'changed', object: policy(toWeb, 'q') }])
    demand.take([{ kind: 'deleted', of: 'MultiNetworkPolicy', key: 'default/p' }])
    expect(demand.wanted).toBe(true)
    demand.take([{ kind: 'changed', object: policy({}, 'q') }])
    expect(demand.wanted).toBe(false)
    expect(changes).toBe(4)
  })

  test('has policies wait until it is met', async () => {
    const demand = new PortDemand()
    demand.take([{ kind: 'changed', object: policy(toWeb) }])
    let told = false
    const waits = demand.untilMet(10_000, new VirtualClock(), signal).then(() => {
      told = true
    })
    await Promise.resolve()
    expect(told).toBe(false)
    demand.met = true
    await waits
    await demand.untilMet(10_000, new VirtualClock(), signal)
  })

  test('has them wait so long and no longer, and the next not at all', async () => {
    const demand = new PortDemand()
    const clock = new VirtualClock()
    demand.take([{ kind: 'changed', object: policy(toWeb) }])
    const waits = demand.untilMet(10_000, clock, signal)
    await clock.sleeping(10_000)
    clock.advance(10_000)
    await waits
    demand.met = false
    await demand.untilMet(10_000, clock, signal)
    expect(clock.sleepers).toBe(0)
  })
})
