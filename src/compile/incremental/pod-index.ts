/**
 * The pods that can be peers, by namespace and network, and by those labels that selectors ask for again and again: so
 * that a selector finds its pods without looking at all of them.
 */
import type { NamespacedName, Pod } from '../model.ts'
import type { Selector } from '../selector.ts'
import { addTo, type Multimap, removeFrom } from './multimap.ts'
import { type Demand, demandOf } from './selector-file.ts'

export interface Where {
  /** The one namespace, where it can be no other. */
  readonly only: string | undefined
  readonly includes: (namespace: string) => boolean
}

export class PodIndex {
  readonly #byNamespace = new Map<string, Multimap<NamespacedName, Pod>>()
  readonly #byLabel = new Map<string, Multimap<string, Pod>>()
  /** How many pods were looked at for selectors that demand a label by which there is no index. */
  readonly #looks = new Map<string, number>()
  #size = 0

  add(pod: Pod): void {
    if (pod.attachments.length === 0) return
    const networks = this.#byNamespace.get(pod.namespace) ?? new Map()
    this.#byNamespace.set(pod.namespace, networks)
    for (const { network } of pod.attachments) addTo(networks, network, pod)
    for (const [key, value] of pod.labels) {
      const byValue = this.#byLabel.get(key)
      if (byValue !== undefined) addTo(byValue, value, pod)
    }
    this.#size += 1
  }

  delete(pod: Pod): void {
    const networks = this.#byNamespace.get(pod.namespace)
    if (networks === undefined || pod.attachments.length === 0) return
    for (const { network } of pod.attachments) removeFrom(networks, network, pod)
    if (networks.size === 0) this.#byNamespace.delete(pod.namespace)
    for (const [key, value] of pod.labels) {
      const byValue = this.#byLabel.get(key)
      if (byValue !== undefined) removeFrom(byValue, value, pod)
    }
    this.#size -= 1
  }

  /** Of one namespace, on any network; a pod may come more than once. */
  *inNamespace(namespace: string): Generator<Pod> {
    for (const pods of this.#byNamespace.get(namespace)?.values() ?? []) yield* pods
  }

  /**
   * Pods of the namespaces in question among which are all that are on one of the networks and that the selector
   * matches. A pod may come more than once.
   */
  *candidates(networks: ReadonlySet<NamespacedName>, namespaces: Where, selector: Selector): Generator<Pod> {
    const { only, includes } = namespaces
    const demand = demandOf(selector)
    const otherwise = only === undefined ? this.#size : count(this.#onNetworks(only, networks))
    const byLabel = demand && this.#having(demand, otherwise)
    if (byLabel !== undefined && count(byLabel) < otherwise) {
      for (const pods of byLabel) for (const pod of pods) if (includes(pod.namespace)) yield pod
      return
    }
    for (const namespace of only === undefined ? this.#byNamespace.keys() : [only]) {
      if (!includes(namespace)) continue
      for (const pods of this.#onNetworks(namespace, networks)) yield* pods
    }
  }

  /** No selector demands the label any more. */
  forget(key: string): void {
    this.#byLabel.delete(key)
    this.#looks.delete(key)
  }

  #onNetworks(namespace: string, networks: ReadonlySet<NamespacedName>): readonly ReadonlySet<Pod>[] {
    const own = this.#byNamespace.get(namespace)
    if (own === undefined) return []
    return [...(own.size < networks.size ? own.keys() : networks)].flatMap((network) =>
      networks.has(network) ? (own.get(network) ?? []) : [],
    )
  }

  /** An index by a label is made once looking at pods one by one has cost as much. */
  #having({ key, ...demand }: Demand, otherwise: number): readonly ReadonlySet<Pod>[] | undefined {
    const looks = (this.#looks.get(key) ?? 0) + otherwise
    this.#looks.set(key, looks)
    if (!this.#byLabel.has(key) && looks < this.#size) return undefined
    const byValue = this.#byLabel.get(key) ?? this.#indexBy(key)
    if (demand.kind === 'exists') return [...byValue.values()]
    return [...demand.values].flatMap((value) => byValue.get(value) ?? [])
  }

  #indexBy(key: string): Multimap<string, Pod> {
    const byValue: Multimap<string, Pod> = new Map()
    for (const networks of this.#byNamespace.values()) {
      for (const pods of networks.values()) {
        for (const pod of pods) {
          const value = pod.labels.get(key)
          if (value !== undefined) addTo(byValue, value, pod)
        }
      }
    }
    this.#byLabel.set(key, byValue)
    return byValue
  }
}

function count(sets: readonly ReadonlySet<Pod>[]): number {
  return sets.reduce((sum, { size }) => sum + size, 0)
}
