/**
 * The state of the cluster as known on this node: four maps and nothing derived, so that what is computed from it
 * cannot depend on the order in which it came.
 */
import {
  type ClusterObject,
  type Issue,
  type Kind,
  type Namespace,
  type NamespacedName,
  type Network,
  nameOf,
  type Pod,
  type Policy,
} from './model.ts'

/** A change of the cluster, as a source reports it. `replaced` swaps all objects of one kind at once. */
export type ClusterChange =
  | { readonly kind: 'replaced'; readonly of: Kind; readonly objects: readonly ClusterObject[] }
  | { readonly kind: 'changed'; readonly object: ClusterObject }
  | { readonly kind: 'deleted'; readonly of: Kind; readonly key: string }

export class Cluster {
  readonly policies: Map<NamespacedName, Policy> = new Map()
  readonly pods: Map<NamespacedName, Pod> = new Map()
  readonly namespaces: Map<string, Namespace> = new Map()
  readonly networks: Map<NamespacedName, Network> = new Map()

  apply(change: ClusterChange): void {
    switch (change.kind) {
      case 'replaced':
        this.#mapOf(change.of).clear()
        for (const object of change.objects) this.#set(object)
        return
      case 'changed':
        this.#set(change.object)
        return
      case 'deleted':
        this.#mapOf(change.of).delete(change.key)
        return
      default:
        change satisfies never
    }
  }

  /** What was found wrong with the objects themselves. */
  *issues(): Generator<Issue> {
    for (const objects of [this.policies, this.pods, this.namespaces, this.networks]) {
      for (const object of objects.values()) yield* object.issues
    }
  }

  /** All of one kind, by `keyOf`. */
  objects(kind: Kind): ReadonlyMap<string, ClusterObject> {
    return this.#mapOf(kind)
  }

  #set(object: ClusterObject): void {
    this.#mapOf(object.kind).set(keyOf(object), object)
  }

  #mapOf(kind: Kind): Map<string, ClusterObject> {
    const maps: Record<Kind, unknown> = {
      MultiNetworkPolicy: this.policies,
      Pod: this.pods,
      Namespace: this.namespaces,
      NetworkAttachmentDefinition: this.networks,
    }
    return maps[kind] as Map<string, ClusterObject>
  }
}

/** The key of an object among those of its kind: `namespace/name`, or the name of a Namespace. */
export function keyOf(object: ClusterObject): string {
  return object.kind === 'Namespace' ? object.name : nameOf(object)
}
