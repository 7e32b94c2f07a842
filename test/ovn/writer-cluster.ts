/** Clusters for the tests of the writer: pods of namespace `shop` on the layer2 network `shop/blue`. */
import type { Cluster } from '../../src/compile/cluster.ts'
import { OVN_CNI_TYPE } from '../../src/compile/ovn/ports.ts'
import { networkObject, policyObject } from '../manifests.ts'
import { clusterOf } from '../product.ts'
import type { PortSpec } from './trace-topology.ts'

export const NETWORK = 'shop/blue'

export interface PodSpec {
  readonly labels?: Readonly<Record<string, string>>
  readonly uid?: string
}

/** `10.1.0.N`, by its number. */
export function podOf(
  name: string,
  number: number,
  { labels = {}, uid = uidOf(number) }: PodSpec = {},
): object {
  const status = [{ name: NETWORK, interface: 'net1', ips: [addressOf(number)] }]
  return {
    kind: 'Pod',
    metadata: {
      namespace: 'shop',
      name,
      uid,
      labels,
      annotations: { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) },
    },
    spec: { nodeName: 'n1' },
  }
}

export function portOf(name: string, number: number, uid: string = uidOf(number)): PortSpec {
  return {
    network: NETWORK,
    namespace: 'shop',
    pod: name,
    uid,
    mac: `0a:58:0a:01:${hex(number >> 8)}:${hex(number & 255)}`,
    addresses: [addressOf(number)],
    node: 'n1',
  }
}

export function addressOf(number: number): string {
  return `10.1.${number >> 8}.${number & 255}`
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

function uidOf(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
}

export function clusterWith(...objects: readonly object[]): Cluster {
  return clusterOf([networkObject('shop', 'blue', OVN_CNI_TYPE), ...objects])
}

export function policy(name: string, spec: object): object {
  return policyObject('shop', name, 'blue', spec)
}

export const WEB: object = podOf('web', 1, { labels: { app: 'web' } })
export const DB: object = podOf('db', 2, { labels: { app: 'db' } })
export const PORTS: readonly PortSpec[] = [portOf('web', 1), portOf('db', 2), portOf('other', 3)]

/** The web server takes port 80 from the database. */
export const ALLOW_DB: object = policy('web', {
  podSelector: { matchLabels: { app: 'web' } },
  ingress: [{ from: [{ podSelector: { matchLabels: { app: 'db' } } }], ports: [{ port: 80 }] }],
})

export function deniedCluster(): Cluster {
  return clusterWith(WEB, DB, ALLOW_DB)
}
