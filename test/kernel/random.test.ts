/**
 * Made-up clusters, real packets: each cluster's pods as network namespaces, the daemon on its objects, and every ordered
 * pair on a segment tried with TCP, UDP and ICMP over both families, against the reference model.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { asExpected, renderTable } from '../lab/table.ts'
import { located, makePods } from '../made-up-pods.ts'
import { type KubeObject, Manifests } from '../manifests.ts'
import { type Cluster, nameOf, namespaceOf } from '../model/cluster.ts'
import { arbitraryCluster, generatedOptions } from '../model/generate.ts'
import type { JsonObject } from '../model/json.ts'
import { reaches } from '../model/verdict.ts'
import { seed } from '../seed.ts'

const CLUSTERS = 36
/** Numbers that generated rules and named ports use. */
const PORTS = [80, 443]

let manifests: Manifests
let daemon: DaemonProcess

beforeAll(async () => {
  manifests = await Manifests.create()
  daemon = await DaemonProcess.start([
    `--manifests=${manifests.directory}`,
    '--hostname-override=node-1',
    '--log-level=debug',
  ])
  await daemon.ready()
})
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await manifests?.[Symbol.asyncDispose]()
})

const clusters = fc.sample(arbitraryCluster({ sctp: false }), { seed, numRuns: CLUSTERS })

for (const [index, cluster] of clusters.entries()) {
  test(`cluster ${index} of SEED=${seed}: packets pass as the model says`, async () => {
    await using lab = await Lab.create('random')
    const pods = await makePods(lab, cluster)
    await enforce(cluster, pods)
    const ends = new Map([...pods].map(([raw, pod]) => [pod, raw] as const))
    const rows = await lab.matrix({
      pods: [...pods.values()],
      ports: PORTS,
      expect: ({ from, to, segment, family, protocol, port }) => {
        const end = (pod: Pod) => {
          const raw = ends.get(pod) ?? expect.fail(`no object of ${pod.name}`)
          const link = pod.interfaces.find(
            (each) =>
              each.segment === segment &&
              each.addresses.some((one) => one.family === family && one.scope === 'global'),
          )
          return { namespace: namespaceOf(raw), pod: nameOf(raw), interface: link?.name ?? '' }
        }
        const verdict = reaches(
          cluster,
          generatedOptions,
          end(from),
          end(to),
          family,
          protocol === 'icmp' ? 'ICMP' : protocol === 'tcp' ? 'TCP' : 'UDP',
          port,
        )
        return verdict === 'allow' ? 'open' : 'blocked'
      },
    })
    const why = `\n${renderTable(rows)}\n${JSON.stringify(cluster)}`
    expect(rows.every(asExpected), why).toBe(true)
  })
}

/** Has the daemon enforce the cluster, with the pods' namespaces where the lab made them. */
async function enforce(cluster: Cluster, pods: ReadonlyMap<JsonObject, Pod>): Promise<void> {
  const objects = [
    ...cluster.namespaces,
    ...located(cluster, pods),
    ...cluster.networkAttachmentDefinitions,
    ...cluster.policies,
  ]
  const seen = daemon.log.length
  await manifests.save('cluster', objects as unknown as readonly KubeObject[])
  await daemon.settled(seen)
}
