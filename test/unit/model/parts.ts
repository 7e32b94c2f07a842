/** The parts of a raw cluster that the corners are looked for in, as flat lists. */
import { parseBlock } from '../../model/address.ts'
import { attachmentsOf, isLive } from '../../model/attachment.ts'
import { asText, at, items, type JsonObject, parseJson } from '../../model/json.ts'
import type { Cluster } from '../../model/verdict.ts'

export function specs(cluster: Cluster): readonly JsonObject[] {
  return cluster.policies.map((policy) => at(policy, 'spec') as JsonObject)
}

export function fields(cluster: Cluster, name: string): readonly unknown[] {
  return specs(cluster).map((spec) => spec[name])
}

export function rules(cluster: Cluster): readonly unknown[] {
  return specs(cluster).flatMap((spec) => [...items(spec['ingress']), ...items(spec['egress'])])
}

export function peers(cluster: Cluster): readonly unknown[] {
  return rules(cluster).flatMap((rule) => [...items(at(rule, 'from')), ...items(at(rule, 'to'))])
}

export function ports(cluster: Cluster): readonly unknown[] {
  return rules(cluster).flatMap((rule) => items(at(rule, 'ports')))
}

export function blocks(cluster: Cluster): readonly unknown[] {
  return rules(cluster).flatMap(blocksOf)
}

export function blocksOf(rule: unknown): readonly unknown[] {
  return [...items(at(rule, 'from')), ...items(at(rule, 'to'))]
    .map((peer) => at(peer, 'ipBlock'))
    .filter((block) => block !== undefined)
}

export function cidrs(cluster: Cluster): readonly string[] {
  return blocks(cluster).map((block) => `${at(block, 'cidr')}`)
}

export function excepts(block: unknown): readonly string[] {
  return items(at(block, 'except')).flatMap((cidr) => parseBlock(`${cidr}`)?.prefix ?? [])
}

export function pairs<Item>(list: readonly Item[]): readonly (readonly [Item, Item])[] {
  return list.flatMap((one, place) =>
    list.flatMap((other, elsewhere) => (place === elsewhere ? [] : [[one, other] as const])),
  )
}

export function isWithin(inner: string, outer: string): boolean {
  return inner.length > outer.length && inner.startsWith(outer)
}

export function areSiblings(one: string, other: string): boolean {
  return one !== other && one.length === other.length && one.slice(0, -1) === other.slice(0, -1)
}

export function repeats(list: readonly string[]): boolean {
  return new Set(list).size < list.length
}

export function statusKeys(pod: JsonObject): readonly string[] {
  return Object.keys(at(pod, 'metadata', 'annotations') ?? {})
}

export function statuses(pod: JsonObject): readonly string[] {
  return Object.values(at(pod, 'metadata', 'annotations') ?? {})
}

export function entries(cluster: Cluster): readonly unknown[] {
  return cluster.pods.flatMap((pod) => statuses(pod).flatMap((text) => items(parseJson(text))))
}

export function familiesOf(cluster: Cluster): readonly string[] {
  return cluster.pods.flatMap((pod) =>
    attachmentsOf(pod).map((attachment) => attachment.addresses.map((address) => address.family).join('')),
  )
}

export function hasShared(cluster: Cluster): boolean {
  const held = cluster.pods
    .filter(isLive)
    .flatMap((pod) =>
      attachmentsOf(pod).flatMap(({ network, addresses }) =>
        addresses.map(({ bits }) => ({ pod, network, bits })),
      ),
    )
  return pairs(held).some(
    ([one, other]) => one.bits === other.bits && one.pod !== other.pod && one.network !== other.network,
  )
}

export function numbersOfNames(pod: JsonObject): readonly (readonly unknown[])[] {
  const named = items(at(pod, 'spec', 'containers')).flatMap((container) => items(at(container, 'ports')))
  return ['web', 'dns', 'metrics'].map((name) =>
    named.filter((port) => at(port, 'name') === name).map((port) => at(port, 'containerPort')),
  )
}

export function configs(cluster: Cluster): readonly string[] {
  return cluster.networkAttachmentDefinitions.map((definition) => `${at(definition, 'spec', 'config')}`)
}

export function networkLists(cluster: Cluster): readonly string[] {
  return cluster.policies.map(
    (policy) => asText(at(policy, 'metadata', 'annotations', 'k8s.v1.cni.cncf.io/policy-for')) ?? '',
  )
}
