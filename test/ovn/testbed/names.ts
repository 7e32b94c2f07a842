/**
 * The names and hardware addresses that ovn-kubernetes gives to what it makes for a secondary network. In its names a
 * hyphen and a slash both become a full stop:
 *
 *     l3.network_ovn_cluster_router, l3.network_work001, kube.system.l3.network_default_nginx1-l3
 */
import { createHash } from 'node:crypto'
import { isIPv4 } from 'node:net'
import type { Topology } from './network.ts'

/** What the names of a network's own rows begin with; of a NAD, what those of its pods' ports begin with. */
export function prefixOf(networkOrNad: string): string {
  return `${networkOrNad.replaceAll(/[-/]/g, '.')}_`
}

export function portNameOf(nad: string, namespace: string, pod: string): string {
  return `${prefixOf(nad)}${namespace}_${pod}`
}

/** @param node counts for layer3 only, which has a switch a node */
export function switchNameOf(network: { name: string; topology: Topology }, node: string): string {
  const { name, topology } = network
  return `${prefixOf(name)}${topology === 'layer3' ? node : `ovn_${topology}_switch`}`
}

export function routerNameOf(network: { name: string }): string {
  return `${prefixOf(network.name)}ovn_cluster_router`
}

/** The name under which a localnet network asks for its physical one: a key of `ovn-bridge-mappings`. */
export function physicalNameOf(network: { name: string }): string {
  return `${prefixOf(network.name)}br-localnet`
}

/** The port of a localnet network's switch that leads out. */
export function localnetPortOf(network: { name: string }): string {
  return `${prefixOf(network.name)}ovn_localnet_port`
}

/** `0a:58` and the four bytes of the IPv4 address, or the first four of a digest of the IPv6 one. */
export function macOf(address: string): string {
  const bytes = isIPv4(address)
    ? address.split('.').map(Number)
    : [...createHash('sha256').update(address).digest().subarray(0, 4)]
  return `0a:58:${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`
}
