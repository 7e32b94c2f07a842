/**
 * The networks of a test node's pods: the cluster's own, which containerd attaches by itself (a bridge),
 * and secondary ones, attached afterwards as multus does it, by running the CNI plugin with the
 * sandbox' namespace.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import type { Node } from './node.ts'

/** Where Debian's containernetworking-plugins has them. */
export const cniPlugins = '/usr/lib/cni'
/** On the node. */
export const cniConfigDirectory = '/run/cni/net.d'

/** The plugins a secondary network can be of here, each with a subnet of its own. */
export type SecondaryPlugin = 'macvlan' | 'bridge'

export interface Attachment {
  readonly interface: string
  /** With the prefix length: `10.20.0.2/24`. */
  readonly addresses: readonly string[]
  readonly mac: string
}

/** The configuration of the cluster's network, and the link that macvlan takes as its parent. */
export async function layNetworks(node: Node): Promise<void> {
  const cluster = {
    cniVersion: '0.4.0',
    name: 'cluster',
    plugins: [{ type: 'bridge', bridge: 'cluster0', isGateway: true, ipam: hostLocal('10.10.0.0/24') }],
  }
  await mkdir(node.root + cniConfigDirectory, { recursive: true })
  await writeFile(`${node.root}${cniConfigDirectory}/10-cluster.conflist`, JSON.stringify(cluster))
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

/** One `ADD`. */
export async function attach(node: Node, plugin: SecondaryPlugin, target: Target): Promise<Attachment> {
  const network = {
    macvlan: { type: 'macvlan', master: 'parent0', mode: 'bridge', ipam: hostLocal('10.20.0.0/24') },
    bridge: { type: 'bridge', bridge: 'secondary0', ipam: hostLocal('10.30.0.0/24') },
  }[plugin]
  const printed = await node.run(`${cniPlugins}/${plugin}`, [], {
    input: JSON.stringify({ cniVersion: '0.4.0', name: plugin, ...network }),
    env: {
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: target.sandboxId,
      CNI_NETNS: target.netns,
      CNI_IFNAME: target.interface,
      CNI_PATH: cniPlugins,
    },
  })
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
