/**
 * Pods whose interface net1 is of a kind that the lab does not make: on a parent that stays on the node, as CNI plugins
 * put it there (ipvlan, vlan), over interfaces of the pod (bond), or within a VRF.
 */
import type { IpCommand } from '../lab/ip.ts'
import type { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { linkUp } from '../lab/wire.ts'
import type { KubeObject } from '../manifests.ts'

export const KINDS = ['ipvlan l2', 'ipvlan l3', 'ipvlan l3s', 'vlan', 'bond', 'vrf'] as const
export type Kind = (typeof KINDS)[number]

/** Where the peers of a kind send to, and from what they are known. */
export interface Attached {
  readonly kind: Kind
  readonly pod: Pod
  /** IPv4 and IPv6. */
  readonly addresses: readonly [string, string]
}

/** The last numbers of the peers' addresses. On the VLAN, which needs a subnet of its own, they are the same. */
export const PEERS = { ok: 2, bad: 3 } as const
export type PeerName = keyof typeof PEERS

const VLAN = 7

/** `10.1.0.2` and `fd00:1::2`, or with 7 in place of 1 on the VLAN. */
export function addressesOf(host: number, kind?: Kind): readonly [string, string] {
  const net = kind === 'vlan' ? VLAN : 1
  return [`10.${net}.0.${host}`, `fd00:${net}::${host}`]
}

/** The peers, on the segment and on the VLAN. */
export async function makePeer(lab: Lab, name: PeerName): Promise<Pod> {
  const [v4, v6] = addressesOf(PEERS[name])
  const wire = { segment: 'red', interface: 'net1', addresses: [`${v4}/24`, `${v6}/64`] }
  const peer = await lab.pod(name, [wire])
  await peer.refresh([
    ['link', 'add', 'link', 'net1', 'name', 'vlan', 'type', 'vlan', 'id', String(VLAN)],
    ...linkUp('vlan'),
    ...inside('vlan', addressesOf(PEERS[name], 'vlan')),
  ])
  return peer
}

/** A pod of that kind, which the peers reach. */
export async function makeAttached(lab: Lab, kind: Kind, peers: readonly Pod[]): Promise<Attached> {
  const host = 10 + KINDS.indexOf(kind)
  const addresses = addressesOf(host, kind)
  const name = kind.replace(' ', '-')
  const wires = WITHIN[kind].map((each) => ({ segment: 'red', interface: each }))
  const pod = await lab.pod(name, wires)
  const [v4, v6] = addressesOf(100 + host)
  if (wires.length === 0) {
    const parent = { segment: 'red', interface: 'parent', addresses: [`${v4}/24`, `${v6}/64`] }
    const node = await lab.pod(`node-${name}`, [parent])
    const type = kind === 'vlan' ? ['vlan', 'id', String(VLAN)] : ['ipvlan', 'mode', kind.split(' ')[1] ?? '']
    const link = ['link', 'add', 'link', 'parent', 'name', 'net1', 'netns', pod.netnsName, 'type', ...type]
    await node.refresh([link])
  }
  if (kind === 'vrf') await listenInVrf(pod)
  await pod.refresh([...before(kind), ...linkUp('net1'), ...inside('net1', addresses), ...after(kind)])
  // In the modes of layer 3 nobody answers for the pod's address: one has to know the way.
  if (kind.startsWith('ipvlan l3'))
    for (const peer of peers)
      await peer.refresh([
        ['route', 'add', addresses[0], 'via', v4],
        ['route', 'add', addresses[1], 'via', v6],
      ])
  return { kind, pod, addresses }
}

/** As multus tells of it, on the network x/red. */
export function attachedObject(pod: Pod, app: string, ips: readonly string[]): KubeObject {
  const mac = pod.interfaces.find(({ name }) => name === 'net1')?.mac
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      ...{ name: pod.name, namespace: 'x', labels: { app } },
      annotations: {
        'k8s.v1.cni.cncf.io/network-status': JSON.stringify([{ name: 'x/red', interface: 'net1', ips, mac }]),
        'multi-networkpolicyd/netns': pod.netns,
      },
    },
    spec: { containers: [{ name: 'main', image: 'none' }] },
  }
}

/** The lab's own interfaces that the pod begins with. */
const WITHIN: Readonly<Record<Kind, readonly string[]>> = {
  ...{ 'ipvlan l2': [], 'ipvlan l3': [], 'ipvlan l3s': [], vlan: [] },
  ...{ bond: ['one', 'two'], vrf: ['net1'] },
}

function before(kind: Kind): readonly IpCommand[] {
  const enslave = (name: string): readonly IpCommand[] => [
    ['link', 'set', 'dev', name, 'down'],
    ['link', 'set', 'dev', name, 'master', 'net1'],
    ['link', 'set', 'dev', name, 'up'],
  ]
  if (kind === 'bond')
    return [
      ['link', 'add', 'name', 'net1', 'type', 'bond', 'mode', 'active-backup', 'miimon', '10'],
      ...enslave('one'),
      ...enslave('two'),
    ]
  if (kind === 'vrf')
    return [
      ['link', 'add', 'name', 'blue', 'type', 'vrf', 'table', '10'],
      ['link', 'set', 'dev', 'blue', 'up'],
      ['link', 'set', 'dev', 'net1', 'master', 'blue'],
    ]
  return []
}

/** Sockets that are not bound to the VRF find the way in by sysctls and the way out by routes of the main table. */
function after(kind: Kind): readonly IpCommand[] {
  if (kind === 'vrf')
    return [
      ['route', 'add', '10.1.0.0/24', 'dev', 'net1'],
      ['route', 'add', 'fd00:1::/64', 'dev', 'net1'],
    ]
  return kind.startsWith('ipvlan l3')
    ? [
        ['route', 'add', '0.0.0.0/0', 'dev', 'net1'],
        ['route', 'add', '::/0', 'dev', 'net1'],
      ]
    : []
}

function inside(name: string, [v4, v6]: readonly [string, string]): readonly IpCommand[] {
  return [
    ['address', 'add', `${v4}/24`, 'dev', name],
    ['address', 'add', `${v6}/64`, 'dev', name, 'nodad'],
  ]
}

async function listenInVrf(pod: Pod): Promise<void> {
  const sysctls = ['tcp_l3mdev_accept', 'udp_l3mdev_accept', 'raw_l3mdev_accept']
  await pod.run(['sh', '-c', sysctls.map((each) => `echo 1 >/proc/sys/net/ipv4/${each}`).join(';')])
}
