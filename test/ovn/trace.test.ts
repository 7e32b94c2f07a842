/**
 * Made-up clusters on networks of ovn-kubernetes: our rows in a real northbound database, made flows of by ovn-northd, and
 * what ovn-trace says of packets, held against the reference model.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { difference } from '../../src/apply/ovn/difference.ts'
import { PORTS_AND_OURS } from '../../src/apply/ovn/northbound.ts'
import { portsOf } from '../../src/apply/ovn/ports.ts'
import { compileOvn, type OvnCompileOptions } from '../../src/compile/ovn/compile.ts'
import { OVN_CNI_TYPE, portName } from '../../src/compile/ovn/ports.ts'
import type { Cluster } from '../model/cluster.ts'
import { arbitraryCluster, type Question, questions } from '../model/generate.ts'
import { judge } from '../model/verdict.ts'
import { clusterOf } from '../product.ts'
import { seed } from '../seed.ts'
import { OPTIONS } from '../unit/compile/ovn-cluster.ts'
import { type PodPort, podPorts } from './trace-ports.ts'
import {
  OUTSIDE_MAC,
  outsidePort,
  type PortSpec,
  switchName,
  type Topology,
  topologyRows,
} from './trace-topology.ts'
import { type Snapshot, TraceWorld } from './trace-world.ts'

const CLUSTERS = Number(process.env['CLUSTERS'] ?? 60)
const QUESTIONS = 150
const MODEL = { networkPlugins: [OVN_CNI_TYPE] }
const COMPILE: OvnCompileOptions = { ...OPTIONS, node: 'node-1', networkPlugins: new Set() }

let world: TraceWorld
beforeAll(async () => {
  world = await TraceWorld.make()
})
afterAll(() => world[Symbol.asyncDispose]())

for (const topology of ['layer2', 'layer3', 'localnet'] as const) {
  describe(`on networks of topology ${topology}`, () => {
    for (const bad of [false, true]) {
      test(`made-up clusters${bad ? ' with bad parts' : ''}: ovn-trace agrees with the reference model`, async () => {
        let asked = 0
        for (const made of fc.sample(arbitraryCluster({ bad }), { seed, numRuns: CLUSTERS })) {
          const cluster = onOvn(made)
          const ports = podPorts(cluster)
          await program(topology, cluster, ports)
          await using snapshot = await world.snapshot()
          asked += await agrees(topology, snapshot, cluster, ports)
        }
        expect(asked).toBeGreaterThan(CLUSTERS * 10)
      }, 600_000)
    }
  })
}

/** The generator's own type for networks that are enforced, replaced by ovn-kubernetes'. */
function onOvn(cluster: Cluster): Cluster {
  const text = JSON.stringify(cluster.networkAttachmentDefinitions).replaceAll('macvlan', OVN_CNI_TYPE)
  return { ...cluster, networkAttachmentDefinitions: JSON.parse(text) as typeof cluster.policies }
}

/** Empties the database, and puts the networks and then our rows into it. */
async function program(topology: Topology, cluster: Cluster, ports: readonly PodPort[]): Promise<void> {
  const { client } = world
  const made = await client.transact([
    { op: 'delete', table: 'Logical_Switch', where: [] },
    { op: 'delete', table: 'Port_Group', where: [] },
    { op: 'delete', table: 'Address_Set', where: [] },
    ...topologyRows(topology, ports),
  ])
  expect(made, JSON.stringify(made)).toMatchObject({ kind: 'committed' })
  using monitor = client.monitor(PORTS_AND_OURS)
  await monitor[Symbol.asyncIterator]().next()
  const { rows } = compileOvn(clusterOf(Object.values(cluster).flat()), portsOf(monitor.tables), COMPILE)
  const absent = new Set(['ACL.tier'])
  const operations = difference(rows, monitor.tables, { absent, removals: true, reclaim: false })
  expect(await client.transact(operations)).toMatchObject({ kind: 'committed' })
  await world.synced()
}

async function agrees(
  topology: Topology,
  snapshot: Snapshot,
  cluster: Cluster,
  ports: readonly PodPort[],
): Promise<number> {
  let asked = 0
  for (const question of questions(cluster, QUESTIONS)) {
    const { end, direction, packet } = question
    const port = ports.find(
      (each) => each.namespace === end.namespace && each.pod === end.pod && each.interface === end.interface,
    )
    if (port === undefined) continue
    asked += 1
    const expected = judge(cluster, MODEL, end, direction, packet)
    const told = await snapshot.trace(
      switchName(topology, port.network, port.node),
      microflow(topology, port, question),
    )
    const out =
      direction === 'ingress' ? lspName(port) : outsidePort(switchName(topology, port.network, port.node))
    const verdict = told.includes(`output to "${out}"`) ? 'allow' : 'deny'
    if (verdict !== expected)
      expect.fail(
        `the model says ${expected} to ${JSON.stringify(question)} in ${JSON.stringify(cluster, undefined, 1)}\n${told}\n${await world.nbctl('list', 'ACL')}\n${await world.nbctl('list', 'Address_Set')}`,
      )
  }
  return asked
}

function lspName({ network, namespace, pod }: PortSpec): string {
  return portName(network, namespace, pod)
}

function microflow(topology: Topology, port: PodPort, { direction, packet }: Question): string {
  const outside = outsidePort(switchName(topology, port.network, port.node))
  const [from, source, destination] =
    direction === 'ingress' ? [outside, OUTSIDE_MAC, port.mac] : [lspName(port), port.mac, OUTSIDE_MAC]
  const ip = packet.source.includes(':') ? 'ip6' : 'ip4'
  return [
    `inport == "${from}" && eth.src == ${source} && eth.dst == ${destination}`,
    `${ip}.src == ${packet.source} && ${ip}.dst == ${packet.destination} && ip.ttl == 64`,
    transport(packet, ip),
  ].join(' && ')
}

function transport({ protocol, port = 0 }: Question['packet'], ip: string): string {
  switch (protocol) {
    case 'ICMP':
      return ip === 'ip4' ? 'icmp4.type == 8' : 'icmp6.type == 128'
    case 'OTHER':
      return 'ip.proto == 47'
    default: {
      const name = protocol.toLowerCase()
      return `${name}.src == 40000 && ${name}.dst == ${port}`
    }
  }
}
