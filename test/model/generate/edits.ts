/**
 * Changes of one object at a time, as a watch would tell them, for tests of what happens between two states.
 * A change is drawn without looking at the cluster and finds its object when it is applied, so a history
 * shrinks like a list.
 */
import fc from 'fast-check'
import type { Cluster } from '../cluster.ts'
import { nameOf } from '../cluster.ts'
import { asObject, asText, at, items, type JsonObject, parseJson } from '../json.ts'
import {
  type ClusterShape,
  choice,
  definitions,
  hostAddress,
  labels,
  namespaces,
  podLabels,
  printed,
  weighted,
} from './alphabet.ts'
import { definitionObject, namespaceObject } from './networks.ts'
import { podObject } from './pods.ts'
import { policyObject } from './policies.ts'

export type Resource = keyof Cluster

/** `put` adds the object or takes the place of the one with its name. */
export interface Edit {
  readonly kind: 'put' | 'delete'
  readonly resource: Resource
  readonly object: JsonObject
}

export function edited(cluster: Cluster, edit: Edit): Cluster {
  const list = cluster[edit.resource]
  const place = list.findIndex((object) => identity(object) === identity(edit.object))
  const put = edit.kind === 'put' ? [edit.object] : []
  const next = place < 0 ? [...list, ...put] : [...list.slice(0, place), ...put, ...list.slice(place + 1)]
  return { ...cluster, [edit.resource]: next }
}

export type Change =
  | { readonly kind: 'put'; readonly resource: Resource; readonly object: JsonObject }
  | { readonly kind: 'delete'; readonly resource: Resource; readonly index: number }
  | { readonly kind: 'labels'; readonly index: number; readonly labels: JsonObject }
  | { readonly kind: 'phase'; readonly index: number; readonly phase: string }
  | { readonly kind: 'address'; readonly index: number; readonly ips: readonly string[] }

export function change(shape: ClusterShape): fc.Arbitrary<Change> {
  const index = fc.nat(7)
  const put = (resource: Resource, objects: readonly fc.Arbitrary<JsonObject>[]) =>
    fc.oneof(...objects).map((object): Change => ({ kind: 'put', resource, object }))
  const some = (count: number) => Array.from({ length: count }, (_, place) => place)
  const addresses = fc
    .integer({ min: 41, max: 63 })
    .map((host) => shape.families.map((family) => hostAddress(family, 0, host)))
  const phase = weighted([3, 'Running'], [1, 'Pending'], [1, 'Succeeded'], [1, 'Failed'])
  const resource = weighted<Resource>(
    ...([
      [3, 'pods'],
      [3, 'policies'],
      [1, 'namespaces'],
      [1, 'networkAttachmentDefinitions'],
    ] as const),
  )
  return choice<Change>(
    [4, fc.record({ kind: fc.constant('labels' as const), index, labels: labels(podLabels) })],
    [3, fc.record({ kind: fc.constant('address' as const), index, ips: addresses })],
    [2, fc.record({ kind: fc.constant('phase' as const), index, phase })],
    [3, fc.record({ kind: fc.constant('delete' as const), resource, index })],
    [2, put('namespaces', namespaces.map(namespaceObject))],
    [
      5,
      put(
        'policies',
        some(6).map((place) => policyObject(shape, place)),
      ),
    ],
    [
      3,
      put(
        'pods',
        some(8).map((place) => podObject(shape, place)),
      ),
    ],
    [
      2,
      put(
        'networkAttachmentDefinitions',
        definitions.map((name) => definitionObject(shape, name)),
      ),
    ],
  )
}

/** Where there is nothing of the kind to change, a namespace without labels appears instead. */
export function editOf(cluster: Cluster, change: Change): Edit {
  if (change.kind === 'put') return change
  const resource = change.kind === 'delete' ? change.resource : 'pods'
  const list = cluster[resource]
  const object = list[change.index % Math.max(list.length, 1)]
  if (object === undefined) {
    return { kind: 'put', resource: 'namespaces', object: bareNamespace }
  }
  switch (change.kind) {
    case 'delete':
      return { kind: 'delete', resource, object }
    case 'labels':
      return { kind: 'put', resource, object: withMetadata(object, { labels: change.labels }) }
    case 'phase':
      return { kind: 'put', resource, object: { ...object, status: { phase: change.phase } } }
    case 'address':
      return { kind: 'put', resource, object: moved(object, change.ips) }
  }
}

const bareNamespace: JsonObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'alpha' } }

/** Only a namespace is in no namespace. */
function identity(object: JsonObject): string {
  return `${at(object, 'metadata', 'namespace') ?? ''}/${nameOf(object)}`
}

function withMetadata(object: JsonObject, fields: JsonObject): JsonObject {
  return { ...object, metadata: { ...asObject(object['metadata']), ...fields } }
}

/** The first attachment that is not the default gets another address, in every annotation that has it. */
function moved(pod: JsonObject, ips: readonly string[]): JsonObject {
  const annotations = Object.entries(asObject(at(pod, 'metadata', 'annotations')) ?? {}).map(
    ([key, value]) => {
      const entries = items(parseJson(asText(value) ?? ''))
      const first = entries.find((entry) => asObject(entry) !== undefined && at(entry, 'default') !== true)
      const next = entries.map((entry) => (entry === first ? { ...asObject(entry), ips } : entry))
      return [key, first === undefined ? value : JSON.stringify(next)]
    },
  )
  return withMetadata(pod, printed({ annotations: Object.fromEntries(annotations) }))
}
