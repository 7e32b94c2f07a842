/**
 * Ports of pods in an OVN northbound database, and which attachment each one is.
 *
 * A port says its namespace, its NetworkAttachmentDefinition and its pod's UID. The pod's name stands in the port's, after
 * a prefix that follows from the other two (`kube-system/l2-network` in `default`: `kube.system.l2.network_default_`):
 * it is made here and compared, since read backwards it could be several.
 */
import type { Address } from '../address.ts'
import type { NamespacedName } from '../model.ts'

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
  return `${dotted(network)}_${namespace}_${pod}`
}

/** The pod that the port is called after; its second attachment to a network has `.1` after the network's name. */
export function podInName({ network, namespace, name }: OvnPort): NamespacedName | undefined {
  const start = dotted(network)
  if (!name.startsWith(start)) return undefined
  const [, rest = ''] = /^(?:\.[0-9]+)?_(.*)$/s.exec(name.slice(start.length)) ?? []
  return rest.startsWith(`${namespace}_`) ? `${namespace}/${rest.slice(namespace.length + 1)}` : undefined
}

function dotted(network: NamespacedName): string {
  return network.replaceAll(/[-/]/g, '.')
}

/** By network; those of one network by UUID. */
export type PortsOfPod = ReadonlyMap<NamespacedName, readonly OvnPort[]>
export type PortsByPod = ReadonlyMap<NamespacedName, PortsOfPod>
