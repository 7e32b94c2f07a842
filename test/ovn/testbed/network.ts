/**
 * A secondary network of ovn-kubernetes: what its NetworkAttachmentDefinition says, and the rows of the Northbound database
 * that ovn-kubernetes makes of that, as the commands of ovn-nbctl that make the same ones.
 *
 *     layer3    a switch for each node and a router between them
 *     layer2    one switch
 *     localnet  one switch, with a port to a physical network
 */
import type { KubeObject } from '../../manifests.ts'
import { localnetPortOf, macOf, physicalNameOf, routerNameOf, switchNameOf } from './names.ts'

export type Topology = 'layer3' | 'layer2' | 'localnet'

export interface Network {
  /** `namespace/name` of the NAD. */
  readonly nad: string
  /** The `name` in its configuration. */
  readonly name: string
  readonly topology: Topology
  /** As in the configuration, comma separated; with layer3 each with the length of a node's share: `10.33.0.0/16/24`. */
  readonly subnets?: string
  readonly excludeSubnets?: string
  readonly mtu?: number
  readonly vlanID?: number
  /** layer3: the nodes, and the share of each of the subnets, which ovn-kubernetes hands out as nodes come. */
  readonly nodes?: Readonly<Record<string, readonly string[]>>
}

/** One command of ovn-nbctl, in words. */
export type NbCommand = readonly string[]

export function nadObject(network: Network): KubeObject {
  const { nad, name, topology, subnets, excludeSubnets, mtu, vlanID } = network
  const [namespace, nadName] = nad.split('/')
  const config = {
    cniVersion: '0.3.1',
    name,
    type: 'ovn-k8s-cni-overlay',
    topology,
    ...(subnets !== undefined && { subnets }),
    ...(mtu !== undefined && { mtu }),
    netAttachDefName: nad,
    ...(excludeSubnets !== undefined && { excludeSubnets }),
    ...(vlanID !== undefined && { vlanID }),
  }
  return {
    kind: 'NetworkAttachmentDefinition',
    apiVersion: 'k8s.cni.cncf.io/v1',
    metadata: { name: nadName, namespace },
    spec: { config: JSON.stringify(config) },
  }
}

/** Everything but the ports of pods. */
export function networkCommands(network: Network): readonly NbCommand[] {
  const { topology, nodes = {} } = network
  if (topology === 'layer3') {
    const shares = Object.entries(nodes)
    return [
      ...routerCommands(network),
      ...shares.flatMap(([node, share]) => nodeSwitch(network, node, share)),
    ]
  }
  const name = switchNameOf(network, '')
  const subnet = (network.subnets ?? '').split(',').find((text) => text.includes('.'))
  const made = [
    ['ls-add', name],
    ['set', 'Logical_Switch', name, ...ids(network, { 'k8s-ovn-topo-version': '5' })],
    ...(subnet === undefined
      ? []
      : [['set', 'Logical_Switch', name, pair('other_config', 'subnet', subnet)]]),
  ]
  return topology === 'layer2' ? made : [...made, ...localnetCommands(network, name)]
}

/** `.1` of a subnet, the router's address on it: `10.33.2.0/24` gives `10.33.2.1`. */
export function gatewayOf(subnet: string): string {
  const [address = ''] = subnet.split('/')
  return address.endsWith('::') ? `${address}1` : address.replace(/[0-9]+$/, (last) => `${Number(last) + 1}`)
}

/** `COLUMN:KEY=VALUE`, quoted so that a value may hold anything. */
export function pair(column: string, key: string, value: string): string {
  return `${column}:${JSON.stringify(key)}=${JSON.stringify(value)}`
}

/** The external_ids that say whose a row is. */
export function ids(
  { name, topology }: Pick<Network, 'name' | 'topology'>,
  more: Readonly<Record<string, string>> = {},
): readonly string[] {
  const all = { 'k8s.ovn.org/network': name, 'k8s.ovn.org/topology': topology, ...more }
  return Object.entries(all).map(([key, value]) => pair('external_ids', key, value))
}

function routerCommands(network: Network): readonly NbCommand[] {
  const router = routerNameOf(network)
  const marks = { 'k8s-cluster-router': 'yes', 'k8s-ovn-topo-version': '5' }
  return [
    ['lr-add', router],
    ['set', 'Logical_Router', router, ...ids(network, marks)],
    ['set', 'Logical_Router', router, pair('options', 'always_learn_from_arp_request', 'false')],
  ]
}

/** Without a share of a subnet the node's switch stands by itself: there is nothing that could be routed. */
function nodeSwitch(network: Network, node: string, share: readonly string[]): readonly NbCommand[] {
  const name = switchNameOf(network, node)
  const made = [
    ['ls-add', name],
    ['set', 'Logical_Switch', name, ...ids(network)],
  ]
  const [first] = share
  if (first === undefined) return made
  const gateways = share.map((subnet) => `${gatewayOf(subnet)}/${subnet.split('/')[1]}`)
  const [toSwitch, toRouter] = [`rtos-${name}`, `stor-${name}`]
  return [
    ...made,
    ['set', 'Logical_Switch', name, ...share.flatMap(subnetConfig)],
    ['lrp-add', routerNameOf(network), toSwitch, macOf(gatewayOf(first)), ...gateways],
    ['lsp-add', name, toRouter],
    ['lsp-set-type', toRouter, 'router'],
    ['lsp-set-addresses', toRouter, 'router'],
    ['lsp-set-options', toRouter, `router-port=${toSwitch}`],
  ]
}

/** The second address of a node's subnet is kept for the node itself. */
function subnetConfig(subnet: string): readonly string[] {
  const [address = ''] = subnet.split('/')
  if (address.includes(':')) return [pair('other_config', 'ipv6_prefix', address)]
  const managed = address.replace(/[0-9]+$/, (last) => `${Number(last) + 2}`)
  return [pair('other_config', 'exclude_ips', managed), pair('other_config', 'subnet', subnet)]
}

function localnetCommands(network: Network, name: string): readonly NbCommand[] {
  const port = localnetPortOf(network)
  const tag = network.vlanID === undefined ? [] : [`tag_request=${network.vlanID}`]
  return [
    ['lsp-add', name, port],
    ['lsp-set-type', port, 'localnet'],
    ['lsp-set-addresses', port, 'unknown'],
    ['lsp-set-options', port, `network_name=${physicalNameOf(network)}`],
    ...(tag.length === 0 ? [] : [['set', 'Logical_Switch_Port', port, ...tag]]),
  ]
}
