/**
 * OVN mode down to the wire, with Open vSwitch in user space: from a policy being saved to the first packet that is dropped
 * for it and to the first that passes again; and the flows of the switch by the number of an ipBlock's excepts.
 */
import { now } from '../test/lab/clock.ts'
import { EnforcedWorld } from '../test/ovn/testbed/enforced.ts'
import { addressOn, appSelector, policyFor } from '../test/ovn/testbed/world.ts'
import type { Figure } from './figures.ts'

const NAD = 'shop/l2'
const EDITS = 20
const PER_SECOND = 500
const PATIENCE_MS = 30_000
const NS_PER_MS = 1e6
const EXCEPTS = [0, 1, 2, 4, 8, 16, 32, 64]

export async function ovnWire(): Promise<readonly Figure[]> {
  await using world = await EnforcedWorld.start('bench', [NAD])
  const edits = await editToWire(world)
  const flows: Figure[] = []
  for (const count of EXCEPTS) {
    const except = Array.from({ length: count }, (_, n) => `10.${n * 4 + 1}.7.0/24`)
    await world.enforce([letIn({ ipBlock: { cidr: '10.0.0.0/8', except } })])
    const samples = [await switchFlows(world)]
    flows.push({ name: `OVN: flows of the switch, an ipBlock with ${count} excepts`, unit: 'rows', samples })
  }
  return [
    { name: 'OVN: manifest saved → first packet dropped', unit: 'ms', samples: edits.dropped },
    { name: 'OVN: manifest saved → first packet passes', unit: 'ms', samples: edits.passed },
    ...flows,
  ]
}

async function editToWire(
  world: EnforcedWorld,
): Promise<{ readonly dropped: readonly number[]; readonly passed: readonly number[] }> {
  const { bed, pods } = world.world
  const [client, other] = [letIn(appSelector('client')), letIn(appSelector('other'))]
  await world.enforce([client])
  const stream = await bed.stream({
    from: pods.client.pod,
    to: addressOn(NAD, 'server', 4),
    receiver: pods.server.pod,
    protocol: 'udp',
    port: 80,
    packetsPerSecond: PER_SECOND,
  })
  await stream.until('passed', { timeoutMs: PATIENCE_MS })
  const samples = { dropped: [] as number[], passed: [] as number[] }
  for (let edit = 0; edit < EDITS; edit += 1) {
    for (const [policy, fate, into] of [
      [other, 'lost', samples.dropped],
      [client, 'passed', samples.passed],
    ] as const) {
      const after = now()
      const enforced = world.enforce([policy])
      into.push(((await stream.until(fate, { after, timeoutMs: PATIENCE_MS })) - after) / NS_PER_MS)
      await enforced
    }
  }
  await stream.stop()
  return samples
}

/** Those of OpenFlow, of all tables. */
async function switchFlows({ world: { bed } }: EnforcedWorld): Promise<number> {
  const { pid } = bed.program('vswitchd')
  if (pid === undefined) throw new Error('vswitchd does not run')
  const printed = await bed.central.vswitchd(pid, 'bridge/dump-flows', 'br-int')
  return printed.split('\n').filter((line) => line !== '').length
}

function letIn(peer: unknown): ReturnType<typeof policyFor> {
  return policyFor(NAD, 'server', { policyTypes: ['Ingress'], ingress: [{ from: [peer] }] })
}
