/**
 * From selectors to addresses, kept up to date event by event: the sets of members that the rules in force use, filed
 * by what their selectors mention, so that an event finds those that it touches. `Members` says the same of one state
 * of the cluster, from scratch.
 *
 * An event is told after the cluster was changed. Whatever the order of events, each set is that of the cluster as it is.
 */
import { mergeRanges } from '../address.ts'
import type { NamedPort } from '../allow.ts'
import type { Cluster } from '../cluster.ts'
import { takesPart } from '../members.ts'
import type { Namespace, NamespacedName, Pod, Policy, PolicyPeer, PolicyPeers } from '../model.ts'
import { EVERYTHING, matches, type Selector, selectorText } from '../selector.ts'
import { type MemberEntry, MemberSet } from './member-set.ts'
import { NetworkGroup } from './network-group.ts'
import { PodIndex } from './pod-index.ts'
import type { RuleRecord } from './rule-record.ts'
import { ScopeIndex } from './scope.ts'
import { demandOf } from './selector-file.ts'

/** A way into a set that is still to be made. */
type EntrySpec = Omit<MemberEntry, 'set'>

const EVERYWHERE = { kind: 'matching', selector: EVERYTHING } as const
const ANY_NAMESPACE = { only: undefined, includes: () => true }

export class MemberIndex {
  readonly #counts: (network: NamespacedName) => boolean
  readonly #pods = new PodIndex()
  readonly #scopes: ScopeIndex
  readonly #groups = new Map<string, NetworkGroup>()
  readonly #sets = new Map<string, MemberSet>()
  /** How many entries demand each label. */
  readonly #demands = new Map<string, number>()
  #changed = new Set<MemberSet>()
  #groupsMade = 0

  /** @param counts semantics.md, G3 */
  constructor(cluster: Cluster, counts: (network: NamespacedName) => boolean) {
    this.#scopes = new ScopeIndex(cluster)
    this.#counts = counts
  }

  /** How many sets there are. */
  get size(): number {
    return this.#sets.size
  }

  podChanged(before: Pod | undefined, after: Pod | undefined): void {
    const [old, now] = [peerOf(before), peerOf(after)]
    const left = old && this.#scopes.entriesOf(old)
    const entered = now && this.#scopes.entriesOf(now)
    if (old !== undefined) this.#pods.delete(old)
    if (now !== undefined) this.#pods.add(now)
    for (const set of new Set([...(left?.keys() ?? []), ...(entered?.keys() ?? [])])) {
      if (set.replace(old, now, entered?.get(set))) this.#changed.add(set)
    }
  }

  namespaceChanged(name: string, before: Namespace | undefined, after: Namespace | undefined): void {
    const scopes = this.#scopes.flipped(name, before, after)
    if (scopes.size === 0) return
    for (const pod of new Set(this.#pods.inNamespace(name))) {
      const entered = this.#scopes.entriesOf(pod)
      const touched = [...scopes].flatMap(({ entries }) => [...entries.matching(pod.labels)])
      for (const set of new Set(touched.map((entry) => entry.set))) {
        if (set.replace(pod, pod, entered.get(set))) this.#changed.add(set)
      }
    }
  }

  /** Networks may count now that did not, or the other way round. */
  networksChanged(): void {
    const flipped = new Map<NetworkGroup, ReadonlySet<NamespacedName>>()
    for (const group of this.#groups.values()) {
      const networks = group.recount(this.#counts)
      if (networks.size > 0) flipped.set(group, networks)
    }
    const networks = new Set([...flipped.values()].flatMap((each) => [...each]))
    if (networks.size === 0) return
    for (const pod of new Set(this.#pods.candidates(networks, ANY_NAMESPACE, EVERYTHING))) {
      for (const [set, entry] of this.#scopes.entriesOf(pod)) {
        if (flipped.has(set.group) && set.replace(pod, pod, entry)) this.#changed.add(set)
      }
    }
  }

  /** The sets in which something has changed since this was last asked. */
  takeChanged(): ReadonlySet<MemberSet> {
    const changed = this.#changed
    this.#changed = new Set()
    return changed
  }

  /** The pods that the rule's peers select; undefined where they can select none. */
  selected(policy: Policy, peers: PolicyPeers, user: RuleRecord): MemberSet | undefined {
    const selecting = peers.kind === 'only' ? peers.peers.filter((peer) => peer.kind === 'pods') : []
    return this.#use(policy, this.#specs(policy, selecting), undefined, user)
  }

  /** Those of all the rule's peers that have one of the named ports; undefined where there can be none. */
  withPorts(
    policy: Policy,
    peers: PolicyPeers,
    names: readonly NamedPort[],
    user: RuleRecord,
  ): MemberSet | undefined {
    if (names.length === 0) return undefined
    const everyone = { kind: 'pods', namespaces: EVERYWHERE, pods: EVERYTHING } as const
    const specs = this.#specs(policy, peers.kind === 'only' ? peers.peers : [everyone])
    return this.#use(policy, specs, names, user)
  }

  release(set: MemberSet, user: RuleRecord): void {
    set.users.delete(user)
    if (set.users.size > 0 || this.#sets.get(set.key) !== set) return
    this.#sets.delete(set.key)
    this.#changed.delete(set)
    for (const entry of set.entries) {
      this.#scopes.withdraw(entry)
      this.#countDemand(entry.selector, -1)
    }
    set.group.sets -= 1
    if (set.group.sets === 0) this.#groups.delete(set.group.key)
  }

  #use(
    policy: Policy,
    specs: readonly EntrySpec[],
    names: readonly NamedPort[] | undefined,
    user: RuleRecord,
  ): MemberSet | undefined {
    if (specs.length === 0) return undefined
    const group = this.#groupOf(policy.networks)
    const ports = names?.map(({ protocol, name }) => `${protocol} ${name}`)
    const key = JSON.stringify([group.id, ports?.sort() ?? 'any', specs.map(textOf).sort()])
    const set = this.#sets.get(key) ?? this.#make(new MemberSet(key, group, names), specs)
    set.users.add(user)
    return set
  }

  #groupOf(networks: readonly NamespacedName[]): NetworkGroup {
    const key = JSON.stringify(networks.toSorted())
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    this.#groupsMade += 1
    const group = new NetworkGroup(key, this.#groupsMade, networks, this.#counts)
    this.#groups.set(key, group)
    return group
  }

  #make(set: MemberSet, specs: readonly EntrySpec[]): MemberSet {
    this.#sets.set(set.key, set)
    set.group.sets += 1
    set.entries = specs.map((spec) => this.#scopes.file({ set, ...spec }))
    for (const { selector } of set.entries) this.#countDemand(selector, 1)
    const narrow = ({ within }: MemberEntry): boolean => within !== undefined
    // An entry for all of a pod's addresses is to have the last word.
    for (const entry of set.entries.filter(narrow)) this.#fill(entry)
    for (const entry of set.entries.filter((each) => !narrow(each))) this.#fill(entry)
    return set
  }

  #fill(entry: MemberEntry): void {
    const { set, scope, selector } = entry
    const known = new Map<string, boolean>()
    const includes = (namespace: string): boolean => {
      const answer = known.get(namespace) ?? this.#scopes.includes(scope, namespace)
      known.set(namespace, answer)
      return answer
    }
    const where = { only: scope.namespace, includes }
    for (const pod of this.#pods.candidates(set.group.counting, where, selector)) {
      if (matches(selector, pod.labels)) set.replace(pod, pod, entry)
    }
  }

  #countDemand(selector: Selector, by: 1 | -1): void {
    const key = demandOf(selector)?.key
    if (key === undefined) return
    const left = (this.#demands.get(key) ?? 0) + by
    if (left > 0) this.#demands.set(key, left)
    else {
      this.#demands.delete(key)
      this.#pods.forget(key)
    }
  }

  /** The peers' ways in, each once; all blocks are one. */
  #specs(policy: Policy, peers: readonly PolicyPeer[]): readonly EntrySpec[] {
    const specs = new Map<string, EntrySpec>()
    for (const peer of peers) {
      if (peer.kind !== 'pods' || peer.pods.kind === 'nothing') continue
      const scope = this.#scopes.of(policy.namespace, peer.namespaces)
      const spec = { scope, selector: peer.pods, within: undefined }
      specs.set(textOf(spec), spec)
    }
    const within = mergeRanges(peers.flatMap((peer) => (peer.kind === 'block' ? peer.ranges : [])))
    if (within.length === 0) return [...specs.values()]
    const scope = this.#scopes.of(policy.namespace, EVERYWHERE)
    return [...specs.values(), { scope, selector: EVERYTHING, within }]
  }
}

/** The pod as others see it, where they can. */
function peerOf(pod: Pod | undefined): Pod | undefined {
  return pod !== undefined && takesPart(pod) && pod.attachments.length > 0 ? pod : undefined
}

function textOf({ scope, selector, within }: EntrySpec): string {
  const ranges = within?.map(({ family, first, last }) => `${family} ${first}-${last}`)
  return JSON.stringify([scope.key, selectorText(selector), ranges ?? 'all'])
}
