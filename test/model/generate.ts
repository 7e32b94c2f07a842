/**
 * Made-up clusters for property tests, weighted to the corners of the semantics: small enough that things
 * meet, odd enough that every rule is needed. Objects are raw JSON, as the API server would send them; all
 * pods are on one node. Arbitraries are drawn independently of each other and put together by number, so
 * that a failing case shrinks to the few parts that matter.
 */
import fc from 'fast-check'
import type { Cluster } from './cluster.ts'
import { type ClusterShape, choice } from './generate/alphabet.ts'
import { change, type Edit, edited, editOf } from './generate/edits.ts'
import { definitionList, namespaceList } from './generate/networks.ts'
import { podObject } from './generate/pods.ts'
import { policyObject } from './generate/policies.ts'
import type { JsonObject } from './json.ts'

export type { ClusterShape } from './generate/alphabet.ts'
export { type Edit, edited, type Resource } from './generate/edits.ts'
export { type Question, questions } from './questions.ts'

/** What generated clusters are meant to be judged with: `bridge` and `ipvlan` are foreign, `macvlan` not. */
export const generatedOptions: { readonly networkPlugins: readonly string[] } = {
  networkPlugins: ['macvlan'],
}

/** Two or three namespaces, 3 to 8 pods, 2 to 4 definitions, up to 6 policies. */
export function arbitraryCluster(options: Partial<ClusterShape> = {}): fc.Arbitrary<Cluster> {
  const shape = shapeOf(options)
  return fc.record({
    namespaces: namespaceList(),
    pods: numbered(3, 8, (index) => podObject(shape, index)),
    networkAttachmentDefinitions: definitionList(shape),
    policies: choice<readonly JsonObject[]>([1, fc.constant([])], [20, policyList(shape)]),
  })
}

/** One change that fits this cluster; {@link edited} makes it. */
export function arbitraryEdit(cluster: Cluster, options: Partial<ClusterShape> = {}): fc.Arbitrary<Edit> {
  return change(shapeOf(options)).map((change) => editOf(cluster, change))
}

/** A cluster and what happens to it, one edit after the other. */
export function arbitraryHistory(
  options: Partial<ClusterShape> & { readonly length?: number } = {},
): fc.Arbitrary<{ readonly start: Cluster; readonly edits: readonly Edit[] }> {
  const changes = fc.array(change(shapeOf(options)), { maxLength: options.length ?? 10 })
  return fc.tuple(arbitraryCluster(options), changes).map(([start, changes]) => {
    const edits: Edit[] = []
    changes.reduce((cluster, change) => {
      const edit = editOf(cluster, change)
      edits.push(edit)
      return edited(cluster, edit)
    }, start)
    return { start, edits }
  })
}

/** Each is there or not by itself, so that a failing case loses those that do not matter one by one. */
function policyList(shape: ClusterShape): fc.Arbitrary<readonly JsonObject[]> {
  const six = Array.from({ length: 6 }, (_, index) => fc.option(policyObject(shape, index), { freq: 4 }))
  return fc.tuple(...six).map((policies) => policies.filter((policy) => policy !== null))
}

function shapeOf(options: Partial<ClusterShape>): ClusterShape {
  return { bad: true, sctp: true, families: [4, 6], ...options }
}

/** Any of `max` numbered objects, at least `min` of them. Each keeps its number while others shrink away. */
function numbered<Item>(
  min: number,
  max: number,
  item: (index: number) => fc.Arbitrary<Item>,
): fc.Arbitrary<Item[]> {
  const indices = Array.from({ length: max }, (_, index) => index)
  return fc
    .tuple(fc.subarray(indices, { minLength: min }), fc.tuple(...indices.map(item)))
    .map(([present, all]) => all.filter((_, index) => present.includes(index)))
}
