/**
 * Two streams of pods as one picture: this node's own, and those of other nodes. Nothing is promised of the order between
 * the two: a pod that is scheduled here leaves the one and comes in the other, in either order; one that is made anew
 * elsewhere under its old name may be there twice for a while. So each stream's pods are kept apart, an event changes its
 * own stream's only, and what is told is what the two together come to:
 *
 *     local    remote   told
 *     a@7      -        a@7
 *     a@7      a@5      a@7    the same pod, scheduled here: the local one is whole
 *     a@7      b@9      b@9    another pod of that name, which came later
 */
import type { ClusterChange } from '../../compile/cluster.ts'
import type { Pod } from '../../compile/model.ts'
import { isOlder } from './version.ts'

export interface VersionedPod extends Pod {
  /** `metadata.resourceVersion`. */
  readonly version: string
}

export type PodMap = ReadonlyMap<string, VersionedPod>
export type Side = 'local' | 'remote'

export class PodMerge {
  readonly #sides: Record<Side, Map<string, VersionedPod> | undefined> = {
    local: undefined,
    remote: undefined,
  }
  #told = false

  /** What that side holds now. */
  pods(side: Side): PodMap {
    return this.#sides[side] ?? new Map()
  }

  /** @param pod undefined: there is none of that name on that side */
  set(side: Side, key: string, pod: VersionedPod | undefined): readonly ClusterChange[] {
    const before = this.#at(key)
    if (pod === undefined) this.#sides[side]?.delete(key)
    else this.#sides[side]?.set(key, pod)
    return this.#told ? changeOf(key, before, this.#at(key)) : []
  }

  /** All of these sides' pods at once; nothing is told before both sides were. */
  replace(sides: Partial<Record<Side, Map<string, VersionedPod>>>): readonly ClusterChange[] {
    const old = { ...this.#sides }
    Object.assign(this.#sides, sides)
    const { local, remote } = this.#sides
    if (local === undefined || remote === undefined) return []
    if (this.#told) return this.#differences(old, sides)
    this.#told = true
    const keys = new Set([...remote.keys(), ...local.keys()])
    const objects = [...keys].flatMap((key) => this.#at(key) ?? [])
    return [{ kind: 'replaced', of: 'Pod', objects }]
  }

  #differences(
    old: Readonly<Record<Side, PodMap | undefined>>,
    sides: Partial<Record<Side, PodMap>>,
  ): readonly ClusterChange[] {
    const changes: ClusterChange[] = []
    const look = (key: string): void => {
      for (const change of changeOf(key, newest(old.local?.get(key), old.remote?.get(key)), this.#at(key)))
        changes.push(change)
    }
    const told = new Set<string>()
    for (const side of Object.keys(sides) as Side[]) {
      for (const map of [sides[side], old[side]]) {
        for (const key of map?.keys() ?? []) {
          if (sides[side]?.get(key) === old[side]?.get(key) || told.has(key)) continue
          told.add(key)
          look(key)
        }
      }
    }
    return changes
  }

  #at(key: string): VersionedPod | undefined {
    return newest(this.#sides.local?.get(key), this.#sides.remote?.get(key))
  }
}

function newest(local: VersionedPod | undefined, remote: VersionedPod | undefined): VersionedPod | undefined {
  if (local === undefined || remote === undefined) return local ?? remote
  return local.uid !== remote.uid && isOlder(local.version, remote.version) ? remote : local
}

function changeOf(key: string, before: Pod | undefined, after: Pod | undefined): readonly ClusterChange[] {
  if (before === after) return []
  return after === undefined ? [{ kind: 'deleted', of: 'Pod', key }] : [{ kind: 'changed', object: after }]
}
