/**
 * From selectors to addresses: which pods, on which addresses, a policy's peers stand for.
 *
 * A view of one state of the cluster; what it works out is kept for as long as the view is, so that a selector costs
 * one pass over the pods of its networks however many local pods use it.
 */
import { type Address, rangesInclude, sortAddresses } from './address.ts'
import type { Cluster } from './cluster.ts'
import type { Namespace, NamespacedName, Pod, Policy, PolicyPeer, PolicyPeers } from './model.ts'
import { type Labels, matches } from './selector.ts'

/** A pod with its addresses on the networks in question. */
export interface Member {
  readonly pod: Pod
  readonly addresses: readonly Address[]
}

export class Members {
  readonly #cluster: Cluster
  readonly #plugins: ReadonlySet<string>
  readonly #byNetwork = new Map<NamespacedName, Member[]>()
  /** By all the networks of a policy: many policies have the same. */
  readonly #byNetworks = new Map<string, readonly Member[]>()
  readonly #byPeer = new Map<PolicyPeer, readonly Member[]>()

  /** @param plugins the CNI types of `--network-plugins`. */
  constructor(cluster: Cluster, plugins: ReadonlySet<string>) {
    this.#cluster = cluster
    this.#plugins = plugins
    for (const pod of cluster.pods.values()) {
      if (takesPart(pod)) this.#index(pod)
    }
  }

  /** See `networkCounts`. */
  counts(network: NamespacedName): boolean {
    return networkCounts(this.#cluster, this.#plugins, network)
  }

  /** Every pod with an attachment to one of the policy's networks that count, with its addresses there. */
  onNetworksOf(policy: Policy): readonly Member[] {
    const networks = policy.networks.toSorted()
    return cached(this.#byNetworks, JSON.stringify(networks), () => this.#onNetworks(networks))
  }

  /** The members that a peer stands for; for an ipBlock, the pods within it. */
  ofPeer(policy: Policy, peer: PolicyPeer): readonly Member[] {
    return cached(this.#byPeer, peer, () => this.#select(policy, peer))
  }

  /** The members of a rule's peers; everyone is every pod on the policy's networks. */
  ofPeers(policy: Policy, peers: PolicyPeers): readonly Member[] {
    return peers.kind === 'anyone'
      ? this.onNetworksOf(policy)
      : peers.peers.flatMap((peer) => this.ofPeer(policy, peer))
  }

  #index(pod: Pod): void {
    for (const [network, attachments] of Map.groupBy(pod.attachments, (each) => each.network)) {
      const addresses = attachments.flatMap((each) => each.addresses)
      cached(this.#byNetwork, network, () => []).push({ pod, addresses })
    }
  }

  #onNetworks(networks: readonly NamespacedName[]): readonly Member[] {
    const found = new Map<Pod, Address[]>()
    for (const network of networks.filter((each) => this.counts(each))) {
      for (const { pod, addresses } of this.#byNetwork.get(network) ?? []) {
        const all = cached(found, pod, () => [])
        for (const address of addresses) all.push(address)
      }
    }
    return [...found].map(([pod, addresses]) => ({ pod, addresses }))
  }

  #select(policy: Policy, peer: PolicyPeer): readonly Member[] {
    const candidates = this.onNetworksOf(policy)
    switch (peer.kind) {
      case 'pods':
        return candidates.filter(
          ({ pod }) => this.#inScope(policy, peer.namespaces, pod) && matches(peer.pods, pod.labels),
        )
      case 'block':
        return candidates
          .map(({ pod, addresses }) => ({
            pod,
            addresses: addresses.filter((each) => rangesInclude(peer.ranges, each)),
          }))
          .filter(({ addresses }) => addresses.length > 0)
      default:
        return peer satisfies never
    }
  }

  #inScope(policy: Policy, scope: Extract<PolicyPeer, { kind: 'pods' }>['namespaces'], pod: Pod): boolean {
    return scope.kind === 'own'
      ? pod.namespace === policy.namespace
      : matches(scope.selector, labelsOfNamespace(pod.namespace, this.#cluster.namespaces.get(pod.namespace)))
  }
}

/** A namespace that pods use but nothing defines exists, with the one label that every namespace has. */
export function labelsOfNamespace(name: string, namespace: Namespace | undefined): Labels {
  return namespace?.labels ?? new Map([['kubernetes.io/metadata.name', name]])
}

/** G3: a NAD counts unless its type is readable and not ours; one that is missing or unreadable counts. */
export function networkCounts(
  cluster: Cluster,
  plugins: ReadonlySet<string>,
  network: NamespacedName,
): boolean {
  const type = cluster.networks.get(network)?.cniType
  return type === undefined || plugins.has(type)
}

/** G5: pods on the host's network and pods that are done are neither governed nor peers. */
export function takesPart(pod: Pod): boolean {
  return pod.alive && !pod.hostNetwork
}

export function addressesOfMembers(members: readonly Member[]): readonly Address[] {
  return sortAddresses(members.flatMap(({ addresses }) => addresses))
}

function cached<K, V>(cache: Map<K, V>, key: K, make: () => V): V {
  const known = cache.get(key)
  if (known !== undefined) return known
  const made = make()
  cache.set(key, made)
  return made
}
