/**
 * A pod on secondary networks of ovn-kubernetes: the port that each of its attachments has in the Northbound database, the
 * interface that binds the port on the node, and the Pod object with the annotations that go with them.
 */
import type { Pod } from '../../lab/pod.ts'
import type { Wire } from '../../lab/wire.ts'
import type { KubeObject } from '../../manifests.ts'
import { macOf, portNameOf, switchNameOf } from './names.ts'
import { gatewayOf, ids, type NbCommand, type Network, pair } from './network.ts'

export interface OvnAttachment {
  readonly nad: string
  /** Default eth1, eth2, … */
  readonly interface?: string
  /** With prefix lengths. Where the network has no subnets they are the pod's own doing, and OVN knows nothing of them. */
  readonly addresses: readonly string[]
}

export interface OvnPodSpec {
  readonly name: string
  /** Default `default`. */
  readonly namespace?: string
  /** In tables and in the name of its netns; default its name, which then must be the only one of that kind. */
  readonly alias?: string
  /** Default n1. */
  readonly node?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly ports?: readonly {
    readonly name: string
    readonly containerPort: number
    readonly protocol?: string
  }[]
  readonly uid: string
  /** Its address on the default network, which is only told of. */
  readonly defaultAddress?: string
  readonly attachments: readonly OvnAttachment[]
}

/** One attachment, settled before anything is made. */
export interface OvnPort {
  readonly network: Network
  /** The name of the Logical_Switch_Port. */
  readonly name: string
  readonly switchName: string
  readonly node: string
  readonly namespace: string
  readonly uid: string
  readonly wire: Wire
}

export interface OvnPod {
  readonly spec: OvnPodSpec
  readonly ports: readonly OvnPort[]
  /** Its namespace, probes and streams. */
  readonly pod: Pod
}

export const DEFAULT_NODE = 'n1'

/** @throws when a network is not there */
export function portsOf(spec: OvnPodSpec, networkOf: (nad: string) => Network): readonly OvnPort[] {
  const { name, namespace = 'default', node = DEFAULT_NODE, uid } = spec
  return spec.attachments.map(({ nad, addresses, interface: link }, index) => {
    const network = networkOf(nad)
    const [first = `${uid} ${nad}`] = addresses.map(withoutLength)
    const wire: Wire = {
      interface: link ?? `eth${index + 1}`,
      mac: macOf(first),
      kind: 'veth',
      addresses,
      segment: network.name,
    }
    const port = { name: portNameOf(nad, namespace, name), switchName: switchNameOf(network, node) }
    return { ...port, network, node, namespace, uid, wire }
  })
}

/**
 * What ovn-kubernetes writes for a pod's attachment. There is one node to bind ports here, whatever node the pod is of, so
 * `requested-chassis` names that one.
 */
export function portCommands(port: OvnPort): readonly NbCommand[] {
  const { name, switchName, network, namespace, uid } = port
  const marks = { 'k8s.ovn.org/nad': network.nad, namespace, pod: 'true' }
  const addresses = portAddresses(port)
  return [
    ['lsp-add', switchName, name],
    ['lsp-set-addresses', name, addresses],
    ['lsp-set-port-security', name, addresses],
    ['lsp-set-options', name, `iface-id-ver=${uid}`, `requested-chassis=${DEFAULT_NODE}`],
    ['set', 'Logical_Switch_Port', name, ...ids(network, marks)],
  ]
}

/** `0a:58:0a:21:02:03 10.33.2.3`; the MAC address alone where the network has no subnets. */
export function portAddresses({ network, wire }: OvnPort): string {
  const ips = network.subnets === undefined ? [] : wire.addresses.map(withoutLength)
  return [wire.mac, ...ips].join(' ')
}

/** The interface in the node's switch that binds the port. @param link its name there */
export function interfaceCommands(port: OvnPort, link: string): readonly (readonly string[])[] {
  const { name, uid, network, wire } = port
  const marks = {
    'iface-id': name,
    'iface-id-ver': uid,
    attached_mac: wire.mac,
    'k8s.ovn.org/network': network.name,
    'k8s.ovn.org/nad': network.nad,
  }
  const all = Object.entries(marks).map(([key, value]) => pair('external_ids', key, value))
  return [
    ['add-port', 'br-int', link],
    ['set', 'Interface', link, 'type=internal', ...all],
  ]
}

/** layer3: all the network's subnets lead over the router of the pod's node. */
export function routesOf(port: OvnPort): readonly { readonly to: string; readonly via: string }[] {
  const { network, node } = port
  if (network.topology !== 'layer3') return []
  const shares = network.nodes?.[node] ?? []
  return (network.subnets ?? '').split(',').flatMap((text, index) => {
    const share = shares[index]
    return share === undefined ? [] : [{ to: text.replace(/\/[0-9]+$/, ''), via: gatewayOf(share) }]
  })
}

/** The Pod as the API has it once multus and ovn-kubernetes are done. */
export function ovnPodObject({ spec, ports }: OvnPod): KubeObject {
  const { name, namespace = 'default', labels = {}, node = DEFAULT_NODE, uid } = spec
  const asked = ports.map(({ network, wire }) => `${network.nad}@${wire.interface}`)
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      name,
      namespace,
      uid,
      labels,
      annotations: {
        'k8s.ovn.org/pod-networks': JSON.stringify(podNetworks(ports)),
        'k8s.v1.cni.cncf.io/network-status': JSON.stringify(networkStatus(spec, ports)),
        'k8s.v1.cni.cncf.io/networks': asked.join(','),
      },
    },
    spec: { nodeName: node, containers: [{ name: 'main', image: 'none', ports: spec.ports ?? [] }] },
    status: { phase: 'Running' },
  }
}

function networkStatus(spec: OvnPodSpec, ports: readonly OvnPort[]): readonly unknown[] {
  const { defaultAddress } = spec
  const eth0 = { name: 'ovn-kubernetes', interface: 'eth0', default: true, dns: {} }
  return [
    ...(defaultAddress === undefined ? [] : [{ ...eth0, ips: [defaultAddress], mac: macOf(defaultAddress) }]),
    ...ports.map(({ network, wire }) => ({
      name: network.nad,
      interface: wire.interface,
      ips: wire.addresses.map(withoutLength),
      mac: wire.mac,
      dns: {},
    })),
  ]
}

/** Keyed by NAD. Where the network has no subnets there is a MAC address alone. */
function podNetworks(ports: readonly OvnPort[]): Readonly<Record<string, unknown>> {
  const entries = ports.map((port) => {
    const addresses = port.network.subnets === undefined ? [] : port.wire.addresses
    const routes = routesOf(port).map(({ to, via }) => ({ dest: to, nextHop: via }))
    const entry = {
      ip_addresses: addresses.length === 0 ? null : addresses,
      mac_address: port.wire.mac,
      ...(routes.length > 0 && { routes }),
      ...(addresses.length === 1 && { ip_address: addresses[0] }),
    }
    return [port.network.nad, entry] as const
  })
  return Object.fromEntries(entries)
}

function withoutLength(address: string): string {
  return address.replace(/\/[0-9]+$/, '')
}
