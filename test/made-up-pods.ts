/** The pods of a made-up cluster as network namespaces: what the packet tests of generated clusters stand on. */
import { formatPrefix, parseAddress, parseCidr } from '../src/compile/address.ts'
import type { Lab } from './lab/lab.ts'
import type { Attachment, Pod } from './lab/pod.ts'
import { attachmentsOf, isLive } from './model/attachment.ts'
import { type Cluster, nameOf, namespaceOf } from './model/cluster.ts'
import { asObject, at, type JsonObject } from './model/json.ts'

/** Every live pod, with those of its attachments that can exist side by side. */
export async function makePods(lab: Lab, cluster: Cluster): Promise<ReadonlyMap<JsonObject, Pod>> {
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

/** The cluster's pods, telling of the namespaces where the lab made them. */
export function located(cluster: Cluster, pods: ReadonlyMap<JsonObject, Pod>): readonly JsonObject[] {
  return cluster.pods.map((raw) => {
    const pod = pods.get(raw)
    const annotations = {
      ...asObject(at(raw, 'metadata', 'annotations')),
      ...(pod === undefined ? {} : { 'multi-networkpolicyd/netns': pod.netns }),
    }
    return { ...raw, metadata: { ...asObject(at(raw, 'metadata')), annotations } }
  })
}

/**
 * An interface each. Left out are those without a name that `ip` can be told or without an address, those with the name
 * of another, those with an address that another has on the segment, and, since routing could not tell them apart, those
 * on the subnet of another.
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
