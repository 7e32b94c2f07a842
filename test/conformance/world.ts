/**
 * Three namespaces of three pods each, on one network: the world of cyclonus and of Kubernetes' own tests of
 * NetworkPolicy, and how it becomes Kubernetes objects on the pods of a lab. What those suites say of a NetworkPolicy
 * is said here of a MultiNetworkPolicy with the same spec for that network.
 */
import type { PodSpec } from '../lab/pod.ts'
import { type KubeObject, networkObject, type PlacedPod, podObject, policyObject } from '../manifests.ts'
import { type Expectation, isSctp } from './expectation.ts'
import type { StepPlan } from './run-step.ts'

export type Labels = Readonly<Record<string, string>>

export interface ContainerPort {
  readonly name: string
  readonly containerPort: number
  readonly protocol: string
}

export interface WorldPod {
  readonly namespace: string
  readonly name: string
  readonly labels: Labels
  readonly ports: readonly ContainerPort[]
}

/** Of a NetworkPolicy as well as of a MultiNetworkPolicy. */
export interface Policy {
  readonly metadata: { readonly namespace: string; readonly name: string }
  readonly spec: unknown
}

/** A cluster as it stands at one moment. */
export interface World {
  readonly namespaces: Readonly<Record<string, Labels>>
  readonly pods: readonly WorldPod[]
  readonly policies: readonly Policy[]
}

/** The segment, and the one network of all pods: x/net. */
export const SEGMENT = 'net'
const NETWORK = `x/${SEGMENT}`

/** `x/a` to the name of the lab's pod. */
export function labName(pod: string): string {
  return pod.replace('/', '.')
}

export function nameOf({ namespace, name }: Pick<WorldPod, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`
}

/** @param addresses by `namespace/pod` */
export function podSpecs(addresses: ReadonlyMap<string, string>): readonly PodSpec[] {
  return [...addresses].map(([pod, address]) => ({
    name: labName(pod),
    attachments: [
      { segment: SEGMENT, interface: 'net1', kind: 'macvlan', addresses: [`${address}/24`] } as const,
    ],
  }))
}

/** All by packets that can be, and all between different pods by the matrix. @param podOf the lab's pod by its name */
export function worldStep(
  world: World,
  expectations: readonly Expectation[],
  podOf: (name: string) => PlacedPod,
): StepPlan {
  return {
    objects: worldObjects(world, podOf),
    byPackets: expectations.filter((each) => !isSctp(each)),
    byMatrix: expectations.filter(({ from, to }) => from !== to),
    unasked: expectations.filter((each) => isSctp(each) && each.from === each.to).length,
    warns: [],
  }
}

function worldObjects(
  { namespaces, pods, policies }: World,
  podOf: (name: string) => PlacedPod,
): readonly KubeObject[] {
  return [
    ...Object.entries(namespaces).map(([name, labels]) => namespaceObject(name, labels)),
    networkObject('x', SEGMENT),
    ...pods.map((pod) => worldPodObject(pod, podOf(labName(nameOf(pod))))),
    ...policies.map(({ metadata: { namespace, name }, spec }) =>
      policyObject(namespace, name, NETWORK, spec),
    ),
  ]
}

export function namespaceObject(name: string, labels: Labels): KubeObject {
  return { kind: 'Namespace', apiVersion: 'v1', metadata: { name, labels } }
}

function worldPodObject({ namespace, name, labels, ports }: WorldPod, pod: PlacedPod): KubeObject {
  const object = podObject(pod, { namespace, labels, ports, networks: { [SEGMENT]: NETWORK } })
  return { ...object, metadata: { ...(object['metadata'] as object), name } }
}
