/**
 * Ports of pods in an OVN northbound database, and which attachment each one is.
 *
 * A port says its namespace, its NetworkAttachmentDefinition and its pod's UID. The pod's name stands in the port's, after
 * a prefix that follows from the other two (`kube-system/l2-network` in `default`: `kube.system.l2.network_default_`):
 * it is made here and compared, since read backwards it could be several.
 */
import type { Address } from '../address.ts'
import type { Cluster } from '../cluster.ts'
import { takesPart } from '../members.ts'
import { type NamespacedName, nameOf, type Pod } from '../model.ts'

/** The CNI type of ovn-kubernetes' secondary networks. */
export const OVN_CNI_TYPE = 'ovn-k8s-cni-overlay'

/** A Logical_Switch_Port of a pod's secondary interface. */
export interface OvnPort {
  /** The UUID of the row. */
  readonly id: string
  readonly name: string
  readonly namespace: string
  readonly network: NamespacedName
  /** `k8s.ovn.org/network`: what the network is called in OVN, over all the NADs that lead to it. */
  readonly ovnNetwork: string
  /** `iface-id-ver`. */
  readonly podUid: string | undefined
  /** What OVN gave it; none on networks without subnets. */
  readonly addresses: readonly Address[]
}

/** The port of a pod's attachment as ovn-kubernetes calls it. */
export function portName(network: NamespacedName, namespace: string, pod: string): string {
  return `${portPrefix(network, namespace)}${pod}`
}

function portPrefix(network: NamespacedName, namespace: string): string {
  return `${network.replaceAll(/[-/]/g, '.')}_${namespace}_`
}

/** Ports by pod, and in each by network. */
export type PortsByPod = ReadonlyMap<NamespacedName, ReadonlyMap<NamespacedName, readonly OvnPort[]>>

/** The ports of pods that are there; a port that outlives its pod is nobody's. */
export function portsByPod(cluster: Cluster, ports: Iterable<OvnPort>): PortsByPod {
  const byUid = new Map<string, Pod>()
  for (const pod of cluster.pods.values()) if (pod.uid !== '') byUid.set(pod.uid, pod)
  const found = new Map<NamespacedName, Map<NamespacedName, OvnPort[]>>()
  for (const port of ports) {
    const pod = podOf(cluster, byUid, port)
    if (pod === undefined || !takesPart(pod)) continue
    const networks = found.get(nameOf(pod)) ?? new Map<NamespacedName, OvnPort[]>()
    found.set(nameOf(pod), networks)
    networks.set(port.network, [...(networks.get(port.network) ?? []), port])
  }
  return found
}

/** By UID; else by name, as where a pod was made anew and its port still says the UID of the one before. */
function podOf(cluster: Cluster, byUid: ReadonlyMap<string, Pod>, port: OvnPort): Pod | undefined {
  const known = port.podUid === undefined ? undefined : byUid.get(port.podUid)
  if (known?.namespace === port.namespace) return known
  const prefix = portPrefix(port.network, port.namespace)
  return port.name.startsWith(prefix)
    ? cluster.pods.get(`${port.namespace}/${port.name.slice(prefix.length)}`)
    : undefined
}
