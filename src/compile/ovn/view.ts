/**
 * The cluster as OVN has it: pods with an interface for each network on which they have ports, with the addresses that
 * OVN gave. The policies are then compiled as for any other pod, and no other attachment is governed here.
 *
 * A port says itself on which network it is, so each interface of the view is on one, and what the pod tells of its own
 * (compile/contested.ts) changes nothing here.
 */
import { sortAddresses } from '../address.ts'
import { Cluster } from '../cluster.ts'
import { takesPart } from '../members.ts'
import { type Attachment, type NamespacedName, nameOf, type Pod } from '../model.ts'
import type { OvnPort, PortsByPod } from './ports.ts'

/** @param governed whether the network of a port is to be enforced in OVN */
export function ovnView(cluster: Cluster, ports: PortsByPod, governed: (port: OvnPort) => boolean): Cluster {
  const view = new Cluster()
  for (const [name, policy] of cluster.policies) view.policies.set(name, policy)
  for (const [name, namespace] of cluster.namespaces) view.namespaces.set(name, namespace)
  for (const [name, network] of cluster.networks) view.networks.set(name, network)
  for (const [name, pod] of cluster.pods) {
    if (!takesPart(pod)) continue
    view.pods.set(name, podInOvn(pod, ports.get(nameOf(pod)) ?? new Map(), governed))
  }
  return view
}

/** The name in the view of the pod's interface on a network, by its place among those on which it has ports. */
export function viewInterface(place: number): string {
  return `ovn${place}`
}

/** The pod with what it has in OVN. */
export function podInOvn(
  pod: Pod,
  networks: ReadonlyMap<NamespacedName, readonly OvnPort[]>,
  governed: (port: OvnPort) => boolean,
): Pod {
  const elsewhere = pod.attachments.filter(({ network }) => !networks.has(network)).map(ungoverned)
  const here = [...networks].map(([network, ports], place): Attachment => {
    const told = pod.attachments.filter((each) => each.network === network)
    return {
      network,
      interface: ports.some(governed) ? viewInterface(place) : undefined,
      addresses: addressesOf(ports, told),
      mac: undefined,
      userspace: undefined,
    }
  })
  // OVN meets the packets of virtual machines and of devices given away too.
  return { ...pod, guest: undefined, issues: [], attachments: [...here, ...elsewhere] }
}

/** A peer still. */
function ungoverned(attachment: Attachment): Attachment {
  return { ...attachment, interface: undefined }
}

/** What OVN gave is sure; on networks without subnets, what the pod's status tells is all there is. */
function addressesOf(ports: readonly OvnPort[], told: readonly Attachment[]): Attachment['addresses'] {
  const given = ports.flatMap(({ addresses }) => addresses)
  return sortAddresses(given.length > 0 ? given : told.flatMap(({ addresses }) => addresses))
}
