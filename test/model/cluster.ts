/**
 * The objects that the model judges by, raw, and the metadata that all of them have.
 */
import { asObject, asText, at, type JsonObject } from './json.ts'

export interface Cluster {
  readonly namespaces: readonly JsonObject[]
  readonly pods: readonly JsonObject[]
  readonly networkAttachmentDefinitions: readonly JsonObject[]
  /** MultiNetworkPolicies. */
  readonly policies: readonly JsonObject[]
}

export interface ModelOptions {
  /** CNI types, as in `--network-plugins`. */
  readonly networkPlugins: readonly string[]
}

export type Direction = 'ingress' | 'egress'

export function nameOf(object: JsonObject): string {
  return asText(at(object, 'metadata', 'name')) ?? ''
}

/** Reading: an object of a namespaced kind that names no namespace is in `default`, as for kubectl. */
export function namespaceOf(object: JsonObject): string {
  return asText(at(object, 'metadata', 'namespace')) ?? 'default'
}

export function annotationOf(object: JsonObject, key: string): string | undefined {
  return asText(at(object, 'metadata', 'annotations', key))
}

export type Labels = ReadonlyMap<string, string>

export function labelsOf(object: JsonObject): Labels {
  const labels = new Map<string, string>()
  for (const [key, value] of Object.entries(asObject(at(object, 'metadata', 'labels')) ?? {})) {
    if (typeof value === 'string') labels.set(key, value)
  }
  return labels
}

/**
 * A namespace that a pod is in exists, even when its object has not been seen. The API server puts the name
 * on every namespace as a label that nobody can take away.
 */
export function namespaceLabels(cluster: Cluster, name: string): Labels {
  const namespace = cluster.namespaces.find((candidate) => nameOf(candidate) === name)
  const own = namespace === undefined ? [] : labelsOf(namespace)
  return new Map([...own, ['kubernetes.io/metadata.name', name]])
}
