/**
 * The vocabulary: what the cluster is made of, once parsed. `watch` makes these values, `compile` computes with
 * them, and nobody past `watch` sees a raw Kubernetes object.
 *
 * Each object carries the Issues found while parsing it, so that the Issues that hold are a function of the
 * objects that are there, like everything else.
 */
import type { Address, AddressRange } from './address.ts'
import type { PortRange, Protocol } from './port.ts'
import type { Labels, Selector } from './selector.ts'

/** `namespace/name` of a pod, a policy or a NetworkAttachmentDefinition. */
export type NamespacedName = `${string}/${string}`

export type Direction = 'ingress' | 'egress'
export const DIRECTIONS: readonly Direction[] = ['ingress', 'egress']

export type Kind = 'MultiNetworkPolicy' | 'Pod' | 'Namespace' | 'NetworkAttachmentDefinition'

/** What an Issue speaks of. `File` is a manifest or rule file, named by its path. */
export interface ObjectReference {
  readonly kind: Kind | 'File'
  readonly namespace?: string
  readonly name: string
  /** As the API server gave it; absent for what comes from a file without one. */
  readonly uid?: string
}

/** A part of the input that is not enforced as written: where it stands, what it says, and why not. */
export interface Issue {
  readonly object: ObjectReference
  /** A path such as `spec.ingress[0].from[1].ipBlock.cidr`; empty for the whole object. */
  readonly field: string
  /** The offending value, shortened; absent where there is none. */
  readonly value?: string
  readonly reason: string
  /** The pod that it is about, where it is about one pod only and that is not the object. */
  readonly pod?: NamespacedName
}

export interface Namespace {
  readonly kind: 'Namespace'
  readonly name: string
  readonly labels: Labels
  /** The annotation `multi-networkpolicyd/log-drops`. */
  readonly logDrops: boolean
  readonly issues: readonly Issue[]
}

/** A NetworkAttachmentDefinition. */
export interface Network {
  readonly kind: 'NetworkAttachmentDefinition'
  readonly namespace: string
  readonly name: string
  /** The CNI plugin's type; undefined where `spec.config` cannot be read. */
  readonly cniType: string | undefined
  readonly issues: readonly Issue[]
}

/** One secondary interface of a pod, as `network-status` tells it. */
export interface Attachment {
  readonly network: NamespacedName
  /** The interface's name in the pod's netns; undefined where the status names none (a device given away whole). */
  readonly interface: string | undefined
  readonly addresses: readonly Address[]
  /** As the status tells it, in lower case; undefined where it does not. */
  readonly mac: string | undefined
  /** The kind of user-space device that `device-info` tells of, such as vhost-user; undefined for kernel devices. */
  readonly userspace: string | undefined
}

export interface ContainerPort {
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
}

export interface Pod {
  readonly kind: 'Pod'
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** The UID by which the container runtime knows the pod: another one for the mirror of a static pod. */
  readonly runtimeUid: string
  /** The node's name; undefined while unscheduled. */
  readonly node: string | undefined
  readonly labels: Labels
  /** False for phases Succeeded and Failed. */
  readonly alive: boolean
  readonly hostNetwork: boolean
  /** The virtual machine that the pod is or holds, in words; undefined for a pod of plain processes. */
  readonly guest: string | undefined
  /** Unix time of creation in ms, 0 where unknown: the elder of two pods keeps a netns that both claim. */
  readonly createdAt: number
  readonly attachments: readonly Attachment[]
  /** Names of interfaces on the default network, which no policy governs. */
  readonly defaultInterfaces: readonly string[]
  /** Named container ports only, init and sidecar containers included. */
  readonly ports: readonly ContainerPort[]
  /** Path of the netns from the annotation `multi-networkpolicyd/netns`. */
  readonly netns: string | undefined
  readonly issues: readonly Issue[]
}

/** A MultiNetworkPolicy. */
export interface Policy {
  readonly kind: 'MultiNetworkPolicy'
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** `metadata.resourceVersion`; undefined for what comes from a file without one. */
  readonly version: string | undefined
  /** The networks of `policy-for`, in its order, without duplicates; those of the first ones that `limits.ts` has. */
  readonly networks: readonly NamespacedName[]
  /** Those beyond, `,name,namespace/name,`, as `namesBeyond` reads: they are governed, and pods on them are no peers. */
  readonly networksBeyond?: string
  readonly podSelector: Selector
  readonly isolates: Readonly<Record<Direction, boolean>>
  readonly rules: Readonly<Record<Direction, readonly PolicyRule[]>>
  readonly issues: readonly Issue[]
}

/** One item of `ingress` or `egress`; its place in the list is its number. */
export interface PolicyRule {
  readonly peers: PolicyPeers
  readonly ports: PolicyPorts
}

export type PolicyPeers =
  | { readonly kind: 'anyone' }
  | { readonly kind: 'only'; readonly peers: readonly PolicyPeer[] }

export type PolicyPeer =
  | { readonly kind: 'pods'; readonly namespaces: NamespaceScope; readonly pods: Selector }
  /** An ipBlock with its excepts already taken out. */
  | { readonly kind: 'block'; readonly ranges: readonly AddressRange[] }

export type NamespaceScope =
  | { readonly kind: 'own' }
  | { readonly kind: 'matching'; readonly selector: Selector }

export type PolicyPorts =
  | { readonly kind: 'any' }
  | { readonly kind: 'only'; readonly ports: readonly PolicyPort[] }

export type PolicyPort =
  | { readonly kind: 'numbered'; readonly protocol: Protocol; readonly range: PortRange }
  | { readonly kind: 'named'; readonly protocol: Protocol; readonly name: string }

export type ClusterObject = Policy | Pod | Namespace | Network

export function nameOf(object: { readonly namespace: string; readonly name: string }): NamespacedName {
  return `${object.namespace}/${object.name}`
}

/** Whether the network is one of those beyond the limit. They are kept as text, since as a set they take ten times that. */
export function namesBeyond({ namespace, networksBeyond }: Policy, network: NamespacedName): boolean {
  if (networksBeyond === undefined) return false
  const bare = network.startsWith(`${namespace}/`) ? network.slice(namespace.length + 1) : network
  return networksBeyond.includes(`,${network},`) || networksBeyond.includes(`,${bare},`)
}

export function referenceTo(object: ClusterObject): ObjectReference {
  return {
    kind: object.kind,
    ...('namespace' in object ? { namespace: object.namespace } : {}),
    name: object.name,
    ...('uid' in object && object.uid !== '' ? { uid: object.uid } : {}),
  }
}
