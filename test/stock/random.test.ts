/**
 * Made-up clusters with SCTP in them, real packets of all four protocols: each cluster's pods as network namespaces, the
 * daemon on its objects, and every ordered pair on a segment against the reference model.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Pod } from '../lab/pod.ts'
import { asExpected, renderTable } from '../lab/table.ts'
import { located, makePods } from '../made-up-pods.ts'
import type { KubeObject } from '../manifests.ts'
import { type Cluster, nameOf, namespaceOf } from '../model/cluster.ts'
import { arbitraryCluster, generatedOptions } from '../model/generate.ts'
import type { JsonObject } from '../model/json.ts'
import type { Protocol } from '../model/port.ts'
import { type End, reaches } from '../model/verdict.ts'
import { seed } from '../seed.ts'
import { StockCluster } from './cluster.ts'
import { DATAPLANES } from './dataplane.ts'
import { SctpAgents, type SctpCell } from './sctp.ts'

const CLUSTERS = 6
/** Numbers that generated rules and named ports use. */
const PORTS = [80, 443]
const MODEL: Readonly<Record<string, Protocol>> = { tcp: 'TCP', udp: 'UDP', icmp: 'ICMP', sctp: 'SCTP' }

const clusters = fc.sample(arbitraryCluster({ sctp: true, bad: false }), { seed, numRuns: CLUSTERS })

for (const [index, cluster] of clusters.entries()) {
  const dataplane = DATAPLANES[index % DATAPLANES.length] ?? 'nftables'
  test(`cluster ${index} of SEED=${seed}, ${dataplane}: packets pass as the model says`, async () => {
    await using stock = await StockCluster.create('random', [])
    const { lab } = stock
    const pods = await makePods(lab, cluster)
    await using sctp = await SctpAgents.serve([...pods.values()], PORTS)
    await stock.save('cluster', objectsOf(cluster, pods))
    await stock.start(dataplane, [])
    const expected = byModel(cluster, pods)
    const every = { pods: [...pods.values()], ports: PORTS }
    const rows = [
      ...(await lab.matrix({ ...every, expect: expected, timeoutMs: 1000 })),
      ...(await sctp.matrix({ ...every, expect: (cell) => expected({ ...cell, protocol: 'sctp' }) })),
    ]
    expect(rows.every(asExpected), `\n${renderTable(rows)}\n${JSON.stringify(cluster)}`).toBe(true)
  })
}

type AnyCell = Omit<SctpCell, 'port'> & { readonly port?: number; readonly protocol: string }

function byModel(cluster: Cluster, pods: ReadonlyMap<JsonObject, Pod>) {
  const objects = new Map([...pods].map(([raw, pod]) => [pod, raw]))
  return ({ from, to, segment, family, protocol, port }: AnyCell): 'open' | 'blocked' => {
    const end = (pod: Pod): End => {
      const raw = objects.get(pod) ?? expect.fail(`no object of ${pod.name}`)
      const link = pod.interfaces.find(
        (each) =>
          each.segment === segment &&
          each.addresses.some((one) => one.family === family && one.scope === 'global'),
      )
      return { namespace: namespaceOf(raw), pod: nameOf(raw), interface: link?.name ?? '' }
    }
    const asked = [end(from), end(to), family, MODEL[protocol] ?? 'ICMP', port] as const
    return reaches(cluster, generatedOptions, ...asked) === 'allow' ? 'open' : 'blocked'
  }
}

function objectsOf(cluster: Cluster, pods: ReadonlyMap<JsonObject, Pod>): readonly KubeObject[] {
  const all = [
    ...cluster.namespaces,
    ...located(cluster, pods),
    ...cluster.networkAttachmentDefinitions,
    ...cluster.policies,
  ]
  return all as unknown as readonly KubeObject[]
}
