/** "Not enforced because …" in OVN: ports that are not there, and networks that ovn-kubernetes keeps to itself. */
import type { Cluster } from '../cluster.ts'
import { takesPart } from '../members.ts'
import {
  type Attachment,
  DIRECTIONS,
  type Issue,
  nameOf,
  namesBeyond,
  type Pod,
  type Policy,
} from '../model.ts'
import { notEnforced } from '../not-enforced.ts'
import { matches } from '../selector.ts'
import { OVN_CNI_TYPE, type PortsByPod } from './ports.ts'

/**
 * Policies that select attachments to networks of ovn-kubernetes which have no port in the database. Pods of other nodes
 * may have theirs in another database (interconnect), unless others of the same node have them here.
 */
export function missingPorts(
  cluster: Cluster,
  ports: PortsByPod,
  node: string | undefined,
): Generator<Issue> {
  const nodes = new Set([...ports.keys()].map((name) => cluster.pods.get(name)?.node))
  if (node !== undefined) nodes.add(node)
  const lacking = [...cluster.pods.values()]
    .filter((pod) => nodes.has(pod.node))
    .map((pod) => ({ pod, attachments: withoutPort(cluster, ports, pod) }))
  return issuesOfLacking(cluster.policies.values(), lacking)
}

/** A pod with attachments that have no port. */
export interface Lacking {
  readonly pod: Pod
  readonly attachments: readonly Attachment[]
}

export function* issuesOfLacking(policies: Iterable<Policy>, lacking: Iterable<Lacking>): Generator<Issue> {
  const byNamespace = Map.groupBy(lacking, ({ pod }) => pod.namespace)
  for (const policy of policies) {
    for (const { pod, attachments } of byNamespace.get(policy.namespace) ?? []) {
      for (const attachment of attachments) {
        if (governs(policy, pod, attachment))
          yield notEnforced(policy, pod, attachment, 'it has no port in the OVN northbound database')
      }
    }
  }
}

export function withoutPort(cluster: Cluster, ports: PortsByPod, pod: Pod): readonly Attachment[] {
  if (!takesPart(pod)) return []
  return pod.attachments.filter(
    ({ network }) =>
      cluster.networks.get(network)?.cniType === OVN_CNI_TYPE && !ports.get(nameOf(pod))?.has(network),
  )
}

/**
 * A rule's peers without an address, and attachments with a port on a network that does not count. What else is wrong with
 * a policy, whatever its pods, the compile for namespaces says too.
 */
export function isOfOvn({ pod, field }: Issue): boolean {
  return pod !== undefined || field.startsWith('spec.')
}

/** G1. */
function governs(policy: Policy, pod: Pod, { network }: Attachment): boolean {
  return (
    (policy.networks.includes(network) || namesBeyond(policy, network)) &&
    DIRECTIONS.some((direction) => policy.isolates[direction]) &&
    matches(policy.podSelector, pod.labels)
  )
}

/** One for each NetworkAttachmentDefinition that leads to such a network. */
export function* standsAside(ports: PortsByPod, left: ReadonlySet<string>): Generator<Issue> {
  const told = new Set<string>()
  for (const networks of ports.values()) {
    for (const [network, [port]] of networks) {
      if (port === undefined || !left.has(port.ovnNetwork) || told.has(network)) continue
      told.add(network)
      const [namespace = '', name = ''] = network.split('/')
      yield {
        object: { kind: 'NetworkAttachmentDefinition', namespace, name },
        field: '',
        reason:
          'not enforced because ovn-kubernetes enforces MultiNetworkPolicy on this network itself; ' +
          '--ovn-enforce-always enforces it here too',
      }
    }
  }
}
