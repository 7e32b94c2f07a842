/**
 * The corners that generated clusters have to reach, each as a question to one cluster. A list per topic, so
 * that a corner which nobody draws any more has a name in the failing test.
 */
import { parseAddress, parseBlock } from '../../model/address.ts'
import { attachmentsOf } from '../../model/attachment.ts'
import {
  badLists,
  badPeers,
  badPolicyTypes,
  badPorts,
  badRules,
  badSelectors,
} from '../../model/generate/bad.ts'
import { asText, at, items, parseJson } from '../../model/json.ts'
import { networksNamedBy } from '../../model/network.ts'
import type { Cluster } from '../../model/verdict.ts'
import {
  areSiblings,
  blocks,
  blocksOf,
  cidrs,
  configs,
  entries,
  excepts,
  familiesOf,
  fields,
  hasShared,
  isWithin,
  networkLists,
  numbersOfNames,
  pairs,
  peers,
  ports,
  repeats,
  rules,
  specs,
  statuses,
  statusKeys,
} from './parts.ts'

export type Corners = Readonly<Record<string, (cluster: Cluster) => boolean>>

export const podCorners: Corners = {
  'a Pending pod': (cluster) => cluster.pods.some((pod) => at(pod, 'status', 'phase') === 'Pending'),
  'a Succeeded pod': (cluster) => cluster.pods.some((pod) => at(pod, 'status', 'phase') === 'Succeeded'),
  'a Failed pod': (cluster) => cluster.pods.some((pod) => at(pod, 'status', 'phase') === 'Failed'),
  'a hostNetwork pod': (cluster) => cluster.pods.some((pod) => at(pod, 'spec', 'hostNetwork') === true),
  'three pods': (cluster) => cluster.pods.length === 3,
  'eight pods': (cluster) => cluster.pods.length === 8,
  'a pod without attachments': (cluster) => cluster.pods.some((pod) => attachmentsOf(pod).length === 0),
  'a pod with three': (cluster) => cluster.pods.some((pod) => attachmentsOf(pod).length === 3),
  'one NAD twice': (cluster) =>
    cluster.pods.some((pod) => repeats(attachmentsOf(pod).map((attachment) => attachment.network))),
  'one interface twice': (cluster) =>
    cluster.pods.some((pod) =>
      repeats(attachmentsOf(pod).flatMap((attachment) => attachment.interface ?? [])),
    ),
  'one interface on two networks that a policy is for': (cluster) =>
    cluster.pods.some((pod) =>
      [...Map.groupBy(attachmentsOf(pod), (attachment) => attachment.interface ?? '')].some(
        ([name, told]) =>
          name !== '' &&
          new Set(told.map(({ network }) => network)).size === 2 &&
          cluster.policies.some((policy) =>
            told.every(({ network }) => networksNamedBy(policy).includes(network)),
          ),
      ),
    ),
  'a bare name': (cluster) => entries(cluster).some((entry) => !`${at(entry, 'name')}`.includes('/')),
  'a default entry': (cluster) => entries(cluster).some((entry) => at(entry, 'default') === true),
  'a default entry named like a NAD': (cluster) =>
    entries(cluster).some((entry) => at(entry, 'default') === true && at(entry, 'name') === 'alpha/net'),
  'the older annotation alone': (cluster) =>
    cluster.pods.some((pod) => statusKeys(pod).join() === 'k8s.v1.cni.cncf.io/networks-status'),
  'both annotations': (cluster) => cluster.pods.some((pod) => statusKeys(pod).length === 2),
  'no annotation': (cluster) => cluster.pods.some((pod) => statusKeys(pod).length === 0),
  'an annotation that is cut off': (cluster) =>
    cluster.pods.some((pod) => statuses(pod).some((text) => parseJson(text) === undefined)),
  'an attachment without addresses': (cluster) =>
    cluster.pods.some((pod) => attachmentsOf(pod).some((attachment) => attachment.addresses.length === 0)),
  'one of IPv6 alone': (cluster) => familiesOf(cluster).includes('6'),
  'one of IPv4 alone': (cluster) => familiesOf(cluster).includes('4'),
  'one of both': (cluster) => familiesOf(cluster).includes('46'),
  'one with two of a family': (cluster) => familiesOf(cluster).includes('464'),
  'an address shared on separate networks': (cluster) => hasShared(cluster),
  'an IPv6 address in another spelling': (cluster) =>
    entries(cluster).some((entry) => items(at(entry, 'ips')).some((ip) => /^FD00:0:/.test(`${ip}`))),
  'an address that is refused': (cluster) =>
    entries(cluster).some((entry) =>
      items(at(entry, 'ips')).some((ip) => parseAddress(asText(ip) ?? '') === undefined),
    ),
  'a name with several numbers': (cluster) =>
    cluster.pods.some((pod) => numbersOfNames(pod).some((numbers) => new Set(numbers).size > 1)),
  'a name of an init container': (cluster) =>
    cluster.pods.some((pod) => items(at(items(at(pod, 'spec', 'initContainers'))[0], 'ports')).length > 0),
}

export const networkCorners: Corners = {
  'a NAD that is missing': (cluster) => cluster.networkAttachmentDefinitions.length === 2,
  'all four NADs': (cluster) => cluster.networkAttachmentDefinitions.length === 4,
  'a foreign type': (cluster) => configs(cluster).includes('{"type":"bridge"}'),
  'a list of plugins': (cluster) => configs(cluster).some((text) => text.includes('"plugins":[{"type":"mac')),
  'a foreign first plugin': (cluster) =>
    configs(cluster).includes('{"plugins":[{"type":"bridge"},{"type":"macvlan"}]}'),
  'type and plugins at odds': (cluster) => configs(cluster).some((text) => /^{"type".*"plugins"/.test(text)),
  'a broken configuration': (cluster) => configs(cluster).includes('{"type":"bridge"'),
  'a NAD without a spec': (cluster) =>
    cluster.networkAttachmentDefinitions.some((definition) => at(definition, 'spec') === undefined),
  'a namespace that nobody defines': (cluster) => cluster.namespaces.length < 3,
  'a namespace without its own label': (cluster) =>
    cluster.namespaces.some(
      (namespace) => at(namespace, 'metadata', 'labels', 'kubernetes.io/metadata.name') === undefined,
    ),
}

export const policyCorners: Corners = {
  'no policy': (cluster) => cluster.policies.length === 0,
  'six policies': (cluster) => cluster.policies.length === 6,
  'no networks': (cluster) =>
    cluster.policies.some((policy) => Object.keys(at(policy, 'metadata', 'annotations') ?? {}).length === 0),
  'several networks': (cluster) => networkLists(cluster).some((text) => text.includes(',')),
  'blanks in networks': (cluster) => networkLists(cluster).some((text) => text.includes(' ,\n')),
  'malformed networks': (cluster) => networkLists(cluster).some((text) => text.includes('a/b/c')),
  'a network that nobody has': (cluster) => networkLists(cluster).some((text) => text.includes('gone')),
  'a selector that is null': (cluster) => specs(cluster).some((spec) => spec['podSelector'] === null),
  'a selector that is missing': (cluster) => specs(cluster).some((spec) => !('podSelector' in spec)),
  ...holding('policy’s selector', badSelectors, (cluster) => fields(cluster, 'podSelector')),
  ...holding('policyTypes', [...badPolicyTypes, ['Ingress', 'Egress'], [], null, undefined], (cluster) =>
    fields(cluster, 'policyTypes'),
  ),
  ...holding('ingress', [...badLists, [], null, undefined], (cluster) => fields(cluster, 'ingress')),
  ...holding('egress', [...badLists, [], null, undefined], (cluster) => fields(cluster, 'egress')),
}

export const ruleCorners: Corners = {
  ...holding('rule', [...badRules, {}], rules),
  ...holding('from', [...badLists, [], null], (cluster) => rules(cluster).map((rule) => at(rule, 'from'))),
  ...holding('to', [...badLists, [], null], (cluster) => rules(cluster).map((rule) => at(rule, 'to'))),
  ...holding('ports', [...badLists, [], null], (cluster) => rules(cluster).map((rule) => at(rule, 'ports'))),
  ...holding('peer', [...badPeers, { podSelector: {} }, { namespaceSelector: {} }], peers),
  ...holding('port', [...badPorts, {}, { protocol: 'UDP' }, { port: 80 }, { port: 'nobodys' }], ports),
  'In, NotIn, Exists and DoesNotExist on a key that nothing has': (cluster) =>
    /"absent","operator":"(In|NotIn|Exists|DoesNotExist)"/.test(JSON.stringify(cluster.policies)),
  'both selectors': (cluster) =>
    peers(cluster).some(
      (peer) => at(peer, 'podSelector', 'matchLabels') && at(peer, 'namespaceSelector', 'matchLabels'),
    ),
  'a protocol beside a range that it shares an end with': (cluster) =>
    ports(cluster).some((port) => at(port, 'protocol') === undefined && at(port, 'endPort') === 443) &&
    ports(cluster).some((port) => at(port, 'protocol') === 'TCP' && at(port, 'port') === undefined),
  'ranges that touch or overlap': (cluster) =>
    ports(cluster).some((one) =>
      ports(cluster).some(
        (other) =>
          one !== other && at(one, 'endPort') !== undefined && at(one, 'endPort') === at(other, 'port'),
      ),
    ),
}

export const blockCorners: Corners = {
  'all of IPv4': (cluster) => cidrs(cluster).includes('0.0.0.0/0'),
  'all of IPv6': (cluster) => cidrs(cluster).includes('::/0'),
  'all but something': (cluster) =>
    blocks(cluster).some((block) => /\/0$/.test(`${at(block, 'cidr')}`) && excepts(block).length > 0),
  'one IPv4 address': (cluster) => cidrs(cluster).some((cidr) => cidr.endsWith('/32') && cidr.includes('.')),
  'one IPv6 address': (cluster) => cidrs(cluster).some((cidr) => cidr.endsWith('/128')),
  'host bits set': (cluster) => cidrs(cluster).some((cidr) => /\.(1|3|5|7|9)\/24$/.test(cidr)),
  'excepts within one another': (cluster) =>
    blocks(cluster).some((block) => pairs(excepts(block)).some(([one, other]) => isWithin(one, other))),
  'excepts side by side': (cluster) =>
    blocks(cluster).some((block) => pairs(excepts(block)).some(([one, other]) => areSiblings(one, other))),
  'excepts that take all': (cluster) =>
    blocks(cluster).some((block) =>
      pairs(excepts(block)).some(
        ([one, other]) =>
          areSiblings(one, other) &&
          one.length === (parseBlock(`${at(block, 'cidr')}`)?.prefix.length ?? 0) + 1,
      ),
    ),
  'blocks of one rule that overlap': (cluster) =>
    rules(cluster).some((rule) =>
      pairs(blocksOf(rule).flatMap((block) => parseBlock(`${at(block, 'cidr')}`)?.prefix ?? [])).some(
        ([one, other]) => isWithin(one, other),
      ),
    ),
}

/** A corner for each value that has to be seen somewhere among what `look` finds. */
function holding(
  field: string,
  values: readonly unknown[],
  look: (cluster: Cluster) => readonly unknown[],
): Corners {
  return Object.fromEntries(
    values.map((value) => [
      `${field} ${JSON.stringify(value)}`,
      (cluster: Cluster) => look(cluster).some((found) => JSON.stringify(found) === JSON.stringify(value)),
    ]),
  )
}
