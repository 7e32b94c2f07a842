/** "Not enforced because …" in OVN: ports that are not there, and networks that ovn-kubernetes keeps to itself. */
import type { Cluster } from '../cluster.ts'
import { takesPart } from '../members.ts'
import { type Attachment, DIRECTIONS, type Issue, nameOf, type Pod, type Policy } from '../model.ts'
import { notEnforced } from '../not-enforced.ts'
import { matches } from '../selector.ts'
import { OVN_CNI_TYPE, type PortsByPod } from './ports.ts'

/**
 * Policies that select attachments to networks of ovn-kubernetes which have no port in the database. Pods of other nodes
 * may have theirs in another database (interconnect), unless others of the same node have them here.
 */
export function* missingPorts(
  cluster: Cluster,
  ports: PortsByPod,
  node: string | undefined,
): Generator<Issue> {
  const nodes = new Set([...ports.keys()].map((name) => cluster.pods.get(name)?.node))
  if (node !== undefined) nodes.add(node)
  const lacking = [...cluster.pods.values()]
    .filter((pod) => takesPart(pod) && nodes.has(pod.node))
    .flatMap((pod) => withoutPort(cluster, ports, pod).map((attachment) => ({ pod, attachment })))
  if (lacking.length === 0) return
  for (const policy of cluster.policies.values()) {
    for (const { pod, attachment } of lacking) {
      if (governs(policy, pod, attachment))
        yield notEnforced(policy, pod, attachment, 'it has no port in the OVN northbound database')
    }
  }
}

function withoutPort(cluster: Cluster, ports: PortsByPod, pod: Pod): readonly Attachment[] {
  return pod.attachments.filter(
    ({ network }) =>
      cluster.networks.get(network)?.cniType === OVN_CNI_TYPE && !ports.get(nameOf(pod))?.has(network),
  )
}

/** G1. */
function governs(policy: Policy, pod: Pod, { network }: Attachment): boolean {
  return (
    policy.namespace === pod.namespace &&
    policy.networks.includes(network) &&
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
