/**
 * G1, G4, G6 and D1: which policies govern an interface, in which directions, and which of them allow anything on it.
 */
import { attachmentsOf, isLive } from './attachment.ts'
import { type Cluster, type Direction, labelsOf, type ModelOptions, nameOf, namespaceOf } from './cluster.ts'
import { asObject, at, isAbsentOrEmpty, isGiven, items, type JsonObject } from './json.ts'
import { networksNamedBy, networksOf } from './network.ts'
import { matches } from './selector.ts'

/** One interface of one pod. */
export interface End {
  readonly namespace: string
  readonly pod: string
  readonly interface: string
}

export function podAt(cluster: Cluster, namespace: string, name: string): JsonObject | undefined {
  return cluster.pods.find((pod) => namespaceOf(pod) === namespace && nameOf(pod) === name)
}

/**
 * Two attachments may name one interface; it is then isolated by what governs either.
 * Reading: that holds even where the other entry is the default one: who forges such a status closes their
 * own pod, where the opposite would let them open it.
 */
export function policiesGoverning(
  cluster: Cluster,
  options: ModelOptions,
  end: End,
  direction: Direction,
): readonly JsonObject[] {
  const pod = podAt(cluster, end.namespace, end.pod)
  if (pod === undefined || !isLive(pod)) return []
  const networks = networksTold(pod, end.interface)
  return cluster.policies.filter(
    (policy) =>
      namespaceOf(policy) === end.namespace &&
      isDirected(policy, direction) &&
      selectsPod(policy, pod) &&
      networksOf(cluster, options, policy).some((network) => networks.includes(network)),
  )
}

/**
 * G4: an interface is on one network. Where it is told to be on several, only what is for all of them counts.
 *
 * Reading: what is told counts whether or not policies are enforced on that network, and what a policy is for whether or
 * not that network counts (G3): both are just what somebody wrote. The default entry is no attachment, so it tells of
 * no other network.
 *
 * @param governing see {@link policiesGoverning}
 */
export function policiesAllowing(
  cluster: Cluster,
  end: End,
  governing: readonly JsonObject[],
): readonly JsonObject[] {
  const pod = podAt(cluster, end.namespace, end.pod)
  const told = pod === undefined ? [] : networksTold(pod, end.interface)
  return governing.filter((policy) => told.every((network) => networksNamedBy(policy).includes(network)))
}

function networksTold(pod: JsonObject, name: string): readonly string[] {
  return attachmentsOf(pod)
    .filter((attachment) => attachment.interface === name)
    .map((attachment) => attachment.network)
}

/** Reading: a missing spec, or one that is no object, reads as `{}`: every pod, Ingress, no rules. */
export function specOf(policy: JsonObject): JsonObject {
  return asObject(at(policy, 'spec')) ?? {}
}

/** A missing podSelector is the empty one; one of the wrong type is invalid and selects nothing. */
function selectsPod(policy: JsonObject, pod: JsonObject): boolean {
  const selector = specOf(policy)['podSelector']
  return matches(isGiven(selector) ? selector : {}, labelsOf(pod))
}

/**
 * Reading: `policyTypes` of the wrong type counts as not given, and so does a list in which nothing is
 * known; names are compared exactly (`ingress` is unknown). An `egress` of the wrong type, or with nothing
 * but null in it, was meant to say something, so it isolates.
 */
function isDirected(policy: JsonObject, direction: Direction): boolean {
  const spec = specOf(policy)
  const types = items(spec['policyTypes']).filter((type) => type === 'Ingress' || type === 'Egress')
  if (types.length > 0) return types.includes(direction === 'ingress' ? 'Ingress' : 'Egress')
  return direction === 'ingress' || !isAbsentOrEmpty(spec['egress'])
}
