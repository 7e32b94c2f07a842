/**
 * OVN mode on a real northbound database with ovn-northd: the first sync of 1,000 ACLs on 200 ports, a policy's edit until
 * ovn-northd has made flows of it, and the rows and logical flows that an ipBlock takes by the number of its excepts.
 */

import { run } from '../packages/ovsdb/test/ovn/servers.ts'
import { topologyRows } from '../test/ovn/trace-topology.ts'
import { TraceWorld } from '../test/ovn/trace-world.ts'
import { clusterWith, podOf, policy, portOf } from '../test/ovn/writer-cluster.ts'
import { Mode } from '../test/ovn/writer-mode.ts'
import { Watcher } from '../test/ovn/writer-watcher.ts'
import type { Figure } from './figures.ts'

const PORTS = Array.from({ length: 200 }, (_, n) => portOf(`pod-${n}`, n + 10))
const PODS = PORTS.map((_, n) => podOf(`pod-${n}`, n + 10, { labels: { n: `${n % 50}` } }))
const EDITS = 15

export async function ovnRows(): Promise<readonly Figure[]> {
  await using world = await TraceWorld.make()
  await world.client.transact(topologyRows('layer2', PORTS))
  await world.synced()
  await using mode = new Mode(world.nb.endpoint)
  await mode.settle(clusterWith())
  const policies = Array.from({ length: 250 }, (_, n) => fourRules(n, 1))
  const commit = await timed(() => mode.settle(clusterWith(...PODS, ...policies)))
  const northd = await timed(() => world.synced())
  const edits: number[] = []
  const flows: number[] = []
  for (let turn = 0; turn < EDITS; turn += 1) {
    const edited = clusterWith(...PODS, fourRules(0, 2 + turn), ...policies.slice(1))
    edits.push(await timed(() => mode.settle(edited)))
    flows.push(await timed(() => world.synced()))
  }
  return [
    { name: 'OVN: first sync of 1,000 ACLs on 200 ports, to the commit', unit: 'ms', samples: [commit] },
    { name: 'OVN: the same, ovn-northd after the commit', unit: 'ms', samples: [northd] },
    { name: 'OVN: one of 250 policies edited, relisted whole, to the commit', unit: 'ms', samples: edits },
    { name: 'OVN: the same, ovn-northd after the commit', unit: 'ms', samples: flows },
    ...(await byExcepts(world, mode)),
  ]
}

async function byExcepts(world: TraceWorld, mode: Mode): Promise<readonly Figure[]> {
  await using watcher = await Watcher.of(world.nb.endpoint)
  const figures: Figure[] = []
  for (const count of [0, 1, 2, 4, 8, 16, 32, 64]) {
    const except = Array.from({ length: count }, (_, n) => `10.${n * 4 + 1}.7.0/24`)
    const spec = { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except } }] }] }
    await mode.settle(clusterWith(...PODS, policy('block', spec)))
    await world.synced()
    await watcher.now()
    const prefixes = watcher.rows('Address_Set').flatMap(({ addresses }) => [...addresses]).length
    figures.push(
      { name: `OVN: prefixes of an ipBlock with ${count} excepts`, unit: 'rows', samples: [prefixes] },
      { name: `OVN: logical flows with it`, unit: 'rows', samples: [await logicalFlows(world)] },
    )
  }
  return figures
}

async function logicalFlows(world: TraceWorld): Promise<number> {
  const { stdout } = await run('ovsdb-client', [
    'query',
    world.southbound,
    JSON.stringify([
      'OVN_Southbound',
      { op: 'select', table: 'Logical_Flow', where: [], columns: ['_uuid'] },
    ]),
  ])
  const [{ rows }] = JSON.parse(stdout) as [{ readonly rows: readonly unknown[] }]
  return rows.length
}

function fourRules(index: number, port: number): object {
  return policy(`p${index}`, {
    podSelector: { matchLabels: { n: `${index % 50}` } },
    ingress: Array.from({ length: 4 }, (_, at) => ({
      from: [{ podSelector: { matchLabels: { n: `${(index + at) % 50}` } } }],
      ports: [{ port: port + index * 4 + at }],
    })),
  })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}
