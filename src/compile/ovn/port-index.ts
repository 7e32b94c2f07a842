/**
 * Which pod has which ports, kept up to date as pods and ports come, change and go; whatever their order, it is what the
 * state they lead to says. A port that outlives its pod is nobody's.
 */
import type { Cluster } from '../cluster.ts'
import { equal } from '../incremental/equal.ts'
import { addTo, type Multimap, removeFrom } from '../incremental/multimap.ts'
import { takesPart } from '../members.ts'
import type { NamespacedName, Pod } from '../model.ts'
import { type OvnPort, type PortsByPod, type PortsOfPod, podInName } from './ports.ts'

/** The ports of pods that are there; a port that outlives its pod is nobody's. From scratch. */
export function portsByPod(cluster: Cluster, ports: Iterable<OvnPort>): PortsByPod {
  const index = new PortIndex()
  for (const [name, pod] of cluster.pods) index.setPod(name, pod)
  for (const port of ports) index.setPort(port.id, port)
  return index.byPod
}

export class PortIndex {
  readonly #pods = new Map<NamespacedName, Pod>()
  readonly #podsByUid: Multimap<string, NamespacedName> = new Map()
  readonly #ports = new Map<string, OvnPort>()
  readonly #portsByUid: Multimap<string, OvnPort> = new Map()
  readonly #portsByName: Multimap<NamespacedName, OvnPort> = new Map()
  /** By the ports' UUIDs. */
  readonly #owners = new Map<string, NamespacedName>()
  readonly #byPod = new Map<NamespacedName, PortsOfPod>()
  #changed = new Set<NamespacedName>()
  #renumbered = new Set<NamespacedName>()
  #moves = 0

  /** Grows whenever a pod has ports on other networks than before. */
  get moves(): number {
    return this.#moves
  }

  get byPod(): PortsByPod {
    return this.#byPod
  }

  get pods(): ReadonlyMap<NamespacedName, Pod> {
    return this.#pods
  }

  get ports(): ReadonlyMap<string, OvnPort> {
    return this.#ports
  }

  /** The pods that, or whose ports, have changed since this was last asked; `renumbered`: in their ports, of either kind. */
  takeChanged(): {
    readonly changed: ReadonlySet<NamespacedName>
    readonly renumbered: ReadonlySet<NamespacedName>
  } {
    const taken = { changed: this.#changed, renumbered: this.#renumbered }
    this.#changed = new Set()
    this.#renumbered = new Set()
    return taken
  }

  setPod(name: NamespacedName, pod: Pod | undefined): void {
    const before = this.#pods.get(name)
    if (before === pod) return
    this.#changed.add(name)
    if (!equal(before?.ports, pod?.ports)) this.#renumbered.add(name)
    if (before !== undefined) removeFrom(this.#podsByUid, before.uid, name)
    if (pod === undefined) this.#pods.delete(name)
    else {
      this.#pods.set(name, pod)
      if (pod.uid !== '') addTo(this.#podsByUid, pod.uid, name)
    }
    if (before?.uid === pod?.uid && (before && takesPart(before)) === (pod && takesPart(pod))) return
    const concerned = [
      ...(this.#portsByUid.get(before?.uid ?? '') ?? []),
      ...(this.#portsByUid.get(pod?.uid ?? '') ?? []),
      ...(this.#portsByName.get(name) ?? []),
    ]
    for (const port of concerned) this.#give(port)
  }

  /** @param id the UUID of the row */
  setPort(id: string, port: OvnPort | undefined): void {
    const before = this.#ports.get(id)
    if (before !== undefined) this.#file(before, removeFrom)
    if (port === undefined) {
      this.#ports.delete(id)
      if (before !== undefined) this.#take(before)
      return
    }
    this.#ports.set(id, port)
    this.#file(port, addTo)
    const owner = this.#owners.get(id)
    if (owner !== undefined && owner === this.#ownerOf(port))
      this.#set(owner, [...this.#otherPorts(owner, id), port])
    else this.#give(port)
  }

  #file(port: OvnPort, how: typeof addTo): void {
    const named = podInName(port)
    if (port.podUid !== undefined) how(this.#portsByUid, port.podUid, port)
    if (named !== undefined) how(this.#portsByName, named, port)
  }

  #take(port: OvnPort): void {
    const owner = this.#owners.get(port.id)
    if (owner === undefined) return
    this.#owners.delete(port.id)
    this.#set(
      owner,
      [...(this.#byPod.get(owner)?.values() ?? [])].flat().filter(({ id }) => id !== port.id),
    )
  }

  /** To the pod that it is of now. */
  #give(port: OvnPort): void {
    const owner = this.#ownerOf(port)
    if (owner === this.#owners.get(port.id)) return
    this.#take(port)
    if (owner === undefined) return
    this.#owners.set(port.id, owner)
    this.#set(owner, [...this.#otherPorts(owner, port.id), port])
  }

  #otherPorts(owner: NamespacedName, id: string): readonly OvnPort[] {
    return [...(this.#byPod.get(owner)?.values() ?? [])].flat().filter((port) => port.id !== id)
  }

  #set(owner: NamespacedName, ports: readonly OvnPort[]): void {
    this.#changed.add(owner)
    this.#renumbered.add(owner)
    const before = this.#byPod.get(owner)
    const sorted = ports.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    const after = Map.groupBy(sorted, ({ network }) => network)
    if (ports.length === 0) this.#byPod.delete(owner)
    else this.#byPod.set(owner, after)
    const stays = before?.size === after.size && [...after.keys()].every((network) => before.has(network))
    if (!stays) this.#moves += 1
  }

  /**
   * By UID; else by name, as where a pod was made anew and its port still says the UID of the one before. No two pods
   * have one UID but in files: the first by name has the port then.
   */
  #ownerOf(port: OvnPort): NamespacedName | undefined {
    const byUid = [...(this.#podsByUid.get(port.podUid ?? '') ?? [])].sort()[0]
    const isHere = byUid !== undefined && this.#pods.get(byUid)?.namespace === port.namespace
    const name = isHere ? byUid : podInName(port)
    const pod = name && this.#pods.get(name)
    return pod !== undefined && takesPart(pod) ? name : undefined
  }
}
