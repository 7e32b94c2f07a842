/**
 * The networks of a test node's pods: the cluster's own (a bridge), and secondary ones, attached as multus
 * does it, by running the CNI plugin with the sandbox' namespace. Without multus containerd attaches the
 * cluster's own by itself, and the others come afterwards.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import type { Node } from './node.ts'

/** Where Debian's containernetworking-plugins has them. */
export const cniPlugins = '/usr/lib/cni'
/** On the node. */
export const cniConfigDirectory = '/run/cni/net.d'

/** The plugins a secondary network can be of here, each with a subnet of its own. */
export type SecondaryPlugin = 'macvlan' | 'bridge'
/** `cluster`: the network of eth0. */
export type NetworkName = SecondaryPlugin | 'cluster'

export interface Attachment {
  readonly interface: string
  /** With the prefix length: `10.20.0.2/24`. */
  readonly addresses: readonly string[]
  readonly mac: string
}

const configurations = {
  cluster: { type: 'bridge', bridge: 'cluster0', isGateway: true, ipam: hostLocal('10.10.0.0/16') },
  macvlan: { type: 'macvlan', master: 'parent0', mode: 'bridge', ipam: hostLocal('10.20.0.0/16') },
  bridge: { type: 'bridge', bridge: 'secondary0', ipam: hostLocal('10.30.0.0/16') },
} as const satisfies Record<NetworkName, object>

const cniVersion = '0.4.0'

/** What containerd reads to attach a pod: a chain of plugins, the cluster's network alone unless told. */
export type CniChain = readonly { readonly type: string }[]

/** The configuration of what containerd attaches, and the link that macvlan takes as its parent. */
export async function layNetworks(node: Node, chain: CniChain = [configurations.cluster]): Promise<void> {
  const list = { cniVersion, name: 'cluster', plugins: chain }
  await mkdir(node.root + cniConfigDirectory, { recursive: true })
  await writeFile(`${node.root}${cniConfigDirectory}/10-cluster.conflist`, JSON.stringify(list))
  await node.run('ip', ['link', 'add', 'parent0', 'type', 'veth', 'peer', 'name', 'parent1'])
  await node.run('ip', ['link', 'set', 'parent0', 'up'])
  await node.run('ip', ['link', 'set', 'parent1', 'up'])
}

export interface Target {
  readonly sandboxId: string
  /** On the node. */
  readonly netns: string
  readonly interface: string
}

/** One `ADD` of a secondary network. */
export async function attach(node: Node, plugin: SecondaryPlugin, target: Target): Promise<Attachment> {
  return attachmentOf(await cni(node, 'ADD', plugin, target), target)
}

/** One `ADD`, whose result is printed, or one `DEL`. @throws ExecaError when the plugin fails */
export async function cni(
  node: Node,
  command: 'ADD' | 'DEL',
  name: NetworkName,
  target: Target,
): Promise<string> {
  const { type } = configurations[name]
  return await node.run(`${cniPlugins}/${type}`, [], {
    input: JSON.stringify({ cniVersion, name, ...configurations[name] }),
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: target.sandboxId,
      CNI_NETNS: target.netns,
      CNI_IFNAME: target.interface,
      CNI_PATH: cniPlugins,
    },
  })
}

/** What an `ADD` printed, as network-status tells it. */
export function attachmentOf(printed: string, target: Target): Attachment {
  const result: AddResult = JSON.parse(printed)
  const inPod = result.interfaces.find(({ sandbox }) => sandbox === target.netns)
  return {
    interface: target.interface,
    addresses: result.ips.map(({ address }) => address),
    mac: inPod?.mac ?? '',
  }
}

interface AddResult {
  readonly interfaces: readonly { readonly mac: string; readonly sandbox?: string }[]
  readonly ips: readonly { readonly address: string }[]
}

function hostLocal(subnet: string): object {
  return { type: 'host-local', dataDir: '/run/cni/addresses', ranges: [[{ subnet }]] }
}
