/**
 * The world of the packet tests: four pods on six networks at once, one of each topology with subnets and one without, so
 * that a policy for one is also seen to leave the others alone.
 *
 *     pod     namespace  node      network                   addresses
 *     server  shop       n1        shop/l3                   10.33.<node>.<n>, fd33:0:0:<node>::<n>
 *     client  shop       n2        shop/l2                   10.22.0.<n>, fd22::<n>
 *     other   shop       n1        shop/lo      (VLAN 100)   10.44.0.<n>, fd44::<n>
 *     guest   away       n2        shop/l3-bare, …           as l2, in 10.5x and fd5x; OVN does not know them
 *
 * Each localnet network has a host of its own outside. Without subnets layer3 has no routes: a switch a node and no more.
 */
import type { Pod } from '../../lab/pod.ts'
import { type KubeObject, policyObject } from '../../manifests.ts'
import type { Network } from './network.ts'
import type { OvnAttachment, OvnPod, OvnPodSpec } from './pods.ts'
import { OvnTestbed } from './testbed.ts'

interface Place {
  readonly network: Network
  /** The beginnings of its addresses. @param node 1 or 2 */
  readonly prefixes: (node: number) => readonly [four: string, six: string]
  readonly lengths: readonly [number, number]
}

const flat = (byte: number): Pick<Place, 'prefixes' | 'lengths'> => ({
  prefixes: () => [`10.${byte}.0.`, `fd${byte}::`],
  lengths: [24, 64],
})

const PLACES: readonly Place[] = [
  {
    network: {
      nad: 'shop/l3',
      name: 'l3-network',
      topology: 'layer3',
      subnets: '10.33.0.0/16/24,fd33::/48/64',
      mtu: 1400,
      nodes: { n1: ['10.33.1.0/24', 'fd33:0:0:1::/64'], n2: ['10.33.2.0/24', 'fd33:0:0:2::/64'] },
    },
    prefixes: (node) => [`10.33.${node}.`, `fd33:0:0:${node}::`],
    lengths: [24, 64],
  },
  {
    network: { nad: 'shop/l2', name: 'l2-network', topology: 'layer2', subnets: '10.22.0.0/24,fd22::/64' },
    ...flat(22),
  },
  {
    network: {
      nad: 'shop/lo',
      name: 'localnet-network',
      topology: 'localnet',
      subnets: '10.44.0.0/24,fd44::/64',
      vlanID: 100,
    },
    ...flat(44),
  },
  {
    network: { nad: 'shop/l3-bare', name: 'l3-bare', topology: 'layer3', nodes: { n1: [], n2: [] } },
    ...flat(53),
  },
  { network: { nad: 'shop/l2-bare', name: 'l2-bare', topology: 'layer2' }, ...flat(52) },
  { network: { nad: 'shop/lo-bare', name: 'localnet-bare', topology: 'localnet' }, ...flat(54) },
]

export const NETWORKS: readonly Network[] = PLACES.map(({ network }) => network)

export type PodName = 'server' | 'client' | 'other' | 'guest'

/** name, namespace, node, last part of its addresses (below 10 is for the router and the node) */
const PODS = [
  ['server', 'shop', 1, 11],
  ['client', 'shop', 2, 12],
  ['other', 'shop', 1, 13],
  ['guest', 'away', 2, 14],
] as const satisfies readonly (readonly [PodName, string, number, number])[]

const HOST = 99

export interface OvnWorld extends AsyncDisposable {
  readonly bed: OvnTestbed
  readonly pods: Readonly<Record<PodName, OvnPod>>
  /** The pods, and the hosts outside of the localnet networks. */
  readonly everyone: readonly Pod[]
}

/** @param name goes into the names of the namespaces. @param nads which of the networks; default all */
export async function ovnWorld(name: string, nads?: readonly string[]): Promise<OvnWorld> {
  await using cleanup = new AsyncDisposableStack()
  const bed = cleanup.use(await OvnTestbed.start(name))
  const places = PLACES.filter(({ network }) => nads === undefined || nads.includes(network.nad))
  for (const { network } of places) await bed.network(network)
  const made = await bed.pods(PODS.map((pod) => podSpec(pod, places)))
  const hosts: Pod[] = []
  for (const { network } of places.filter((place) => place.network.topology === 'localnet')) {
    const { nad, vlanID: vlan } = network
    const addresses = addressesOf(nad, 1, HOST)
    hosts.push(await bed.host({ name: hostName(nad), nad, addresses, ...(vlan !== undefined && { vlan }) }))
  }
  const pods = Object.fromEntries(made.map((pod) => [pod.spec.name, pod])) as Record<PodName, OvnPod>
  const owned = cleanup.move()
  return {
    bed,
    pods,
    everyone: [...made.map(({ pod }) => pod), ...hosts],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** `outside-lo` of `shop/lo`. */
export function hostName(nad: string): string {
  return `outside-${nad.split('/')[1]}`
}

/** A pod's address on a network, without a prefix length. */
export function addressOn(nad: string, pod: PodName, family: 4 | 6): string {
  const [, , node, number] = PODS.find(([name]) => name === pod) ?? PODS[0]
  const [four = '', six = ''] = addressesOf(nad, node, number)
  return (family === 4 ? four : six).replace(/\/.*/, '')
}

/** All addresses of a network, by family. */
export function blocksOf(nad: string): readonly [four: string, six: string] {
  const { network, prefixes } = placeOf(nad)
  const [four, six] = prefixes(0)
  return network.subnets !== undefined && network.topology === 'layer3'
    ? ['10.33.0.0/16', 'fd33::/48']
    : [`${four}0/24`, `${six}/64`]
}

/** What no policy changes: without subnets a layer3 network joins the pods of one node only. */
export function connected(nad: string, from: string, to: string): boolean {
  const { topology, subnets } = placeOf(nad).network
  if (topology !== 'layer3' || subnets !== undefined) return true
  const nodeOf = (name: string): number | undefined => PODS.find(([pod]) => pod === name)?.[2]
  return nodeOf(from) === nodeOf(to)
}

export function namespaceObjects(): readonly KubeObject[] {
  return [
    { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'shop', labels: { team: 'shop' } } },
    { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'away', labels: { team: 'guests' } } },
  ]
}

/** A policy of namespace shop for one of the pods there. */
export function policyFor(nad: string, pod: PodName, spec: Readonly<Record<string, unknown>>): KubeObject {
  return policyObject('shop', `for-${pod}`, nad, { ...appSelector(pod), ...spec })
}

export function appSelector(pod: PodName): Readonly<Record<string, unknown>> {
  return { podSelector: { matchLabels: { app: pod } } }
}

function podSpec(
  [name, namespace, node, number]: (typeof PODS)[number],
  places: readonly Place[],
): OvnPodSpec {
  return {
    name,
    namespace,
    node: `n${node}`,
    uid: `00000000-0000-4000-8000-0000000000${number}`,
    labels: { app: name },
    defaultAddress: `10.124.${node}.${number}`,
    ports: [{ name: 'web', containerPort: 80 }],
    attachments: places.map(
      ({ network: { nad } }): OvnAttachment => ({ nad, addresses: addressesOf(nad, node, number) }),
    ),
  }
}

function addressesOf(nad: string, node: number, number: number): readonly string[] {
  const { prefixes, lengths } = placeOf(nad)
  return prefixes(node).map((prefix, index) => `${prefix}${number}/${lengths[index]}`)
}

function placeOf(nad: string): Place {
  const found = PLACES.find(({ network }) => network.nad === nad)
  if (found === undefined) throw new Error(`no network ${nad}`)
  return found
}
