/**
 * Made-up clusters, real packets: each cluster's pods as network namespaces, the daemon on its objects, and every ordered
 * pair on a segment tried with TCP, UDP and ICMP over both families, against the reference model.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { formatPrefix, parseAddress, parseCidr } from '../../src/compile/address.ts'
import { DaemonProcess } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import type { Attachment, Pod } from '../lab/pod.ts'
import { asExpected, renderTable } from '../lab/table.ts'
import { type KubeObject, Manifests } from '../manifests.ts'
import { attachmentsOf, isLive } from '../model/attachment.ts'
import { type Cluster, nameOf, namespaceOf } from '../model/cluster.ts'
import { arbitraryCluster, generatedOptions } from '../model/generate.ts'
import { asObject, at, type JsonObject } from '../model/json.ts'
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

/** Every live pod, with those of its attachments that can exist side by side. */
async function makePods(lab: Lab, cluster: Cluster): Promise<ReadonlyMap<JsonObject, Pod>> {
  const taken = new Set<string>()
  const live = cluster.pods.filter(isLive)
  const specs = live.map((raw) => ({
    name: `${namespaceOf(raw)}-${nameOf(raw)}`,
    attachments: attachable(raw, taken),
  }))
  for (const segment of new Set(specs.flatMap(({ attachments }) => attachments.map((each) => each.segment))))
    await lab.segment(segment)
  const pods = await lab.addPods(specs)
  return new Map(pods.map((pod, index) => [live[index] as JsonObject, pod]))
}

/**
 * An interface each. Left out are those without a name that `ip` can be told or without an address, those with the name of another, those with an
 * address that another has on the segment, and, since routing could not tell them apart, those on the subnet of another.
 */
function attachable(raw: JsonObject, taken: Set<string>): readonly Attachment[] {
  const own = new Set<string>()
  return attachmentsOf(raw).flatMap(({ network, interface: name, addresses }) => {
    // Two definitions that share one segment, as in the model's own world.
    const segment = network === 'alpha/side' ? 'alpha-net' : network.replace('/', '-')
    const texts = addresses.map(({ text }) => parseAddress(text) ?? text)
    const [claims, subnets] = [texts.map((text) => `${segment} ${text}`), texts.map(subnetOf)]
    if (name === undefined || name.includes('"') || own.has(name) || texts.length === 0) return []
    if (claims.some((claim) => taken.has(claim)) || subnets.some((subnet) => own.has(subnet))) return []
    for (const each of [name, ...subnets]) own.add(each)
    for (const claim of claims) taken.add(claim)
    // The model asks about an interface's first address of a family.
    const first = [4, 6].map((family) => texts.find((text) => text.includes(':') === (family === 6)))
    const prefixed = first.flatMap((text) =>
      text === undefined ? [] : [`${text}/${text.includes(':') ? 64 : 24}`],
    )
    return [{ segment, interface: name, addresses: prefixed }]
  })
}

/** The /24 or /64 that an address is in, as text. */
function subnetOf(text: string): string {
  const prefix = parseCidr(`${text}/${text.includes(':') ? 64 : 24}`)
  return prefix === undefined ? text : formatPrefix(prefix)
}

/** Has the daemon enforce the cluster, with the pods' namespaces where the lab made them. */
async function enforce(cluster: Cluster, pods: ReadonlyMap<JsonObject, Pod>): Promise<void> {
  const located = cluster.pods.map((raw) => {
    const pod = pods.get(raw)
    const annotations = {
      ...asObject(at(raw, 'metadata', 'annotations')),
      ...(pod === undefined ? {} : { 'multi-networkpolicyd/netns': pod.netns }),
    }
    return { ...raw, metadata: { ...asObject(at(raw, 'metadata')), annotations } }
  })
  const objects = [
    ...cluster.namespaces,
    ...located,
    ...cluster.networkAttachmentDefinitions,
    ...cluster.policies,
  ]
  const seen = daemon.log.length
  await manifests.save('cluster', objects as unknown as readonly KubeObject[])
  await daemon.settled(seen)
}
