/**
 * What has been told of the cluster and not been compiled yet: the difference between the two, so that it is never more
 * than the cluster itself, and that what comes back to what it was, or is listed again as it was, is no change at all.
 */
import { type Cluster, type ClusterChange, keyOf } from '../cluster.ts'
import type { ClusterObject, Kind } from '../model.ts'
import { equal } from './equal.ts'

export interface ObjectChange {
  readonly key: string
  readonly before: ClusterObject | undefined
  readonly after: ClusterObject | undefined
}

export class PendingChanges {
  readonly #cluster: Cluster
  readonly #told = new Map<Kind, Map<string, ClusterObject | undefined>>()
  #taken: ClusterChange[] = []

  /** @param cluster as compiled */
  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  note(change: ClusterChange): void {
    switch (change.kind) {
      case 'replaced':
        this.#replace(change.of, new Map(change.objects.map((object) => [keyOf(object), object])))
        return
      case 'changed':
        this.#set(change.object.kind, keyOf(change.object), change.object)
        return
      case 'deleted':
        this.#set(change.of, change.key, undefined)
        return
      default:
        change satisfies never
    }
  }

  /** Brings the cluster up to date in one kind, change by change: each is yielded as soon as the cluster has it. */
  *take(kind: Kind): Generator<ObjectChange> {
    const told = this.#told.get(kind) ?? []
    this.#told.delete(kind)
    for (const [key, after] of told) {
      const before = this.#cluster.objects(kind).get(key)
      const change: ClusterChange =
        after === undefined ? { kind: 'deleted', of: kind, key } : { kind: 'changed', object: after }
      this.#cluster.apply(change)
      this.#taken.push(change)
      yield { key, before, after }
    }
  }

  /** All that was taken since it was last forgotten. */
  get taken(): readonly ClusterChange[] {
    return this.#taken
  }

  forgetTaken(): void {
    this.#taken = []
  }

  #replace(kind: Kind, objects: ReadonlyMap<string, ClusterObject>): void {
    const known = [...this.#cluster.objects(kind).keys(), ...(this.#told.get(kind)?.keys() ?? [])]
    for (const key of known) if (!objects.has(key)) this.#set(kind, key, undefined)
    for (const [key, object] of objects) this.#set(kind, key, object)
  }

  #set(kind: Kind, key: string, object: ClusterObject | undefined): void {
    const told = this.#told.get(kind) ?? new Map<string, ClusterObject | undefined>()
    this.#told.set(kind, told)
    if (equal(this.#cluster.objects(kind).get(key), object)) told.delete(key)
    else told.set(key, object)
  }
}
