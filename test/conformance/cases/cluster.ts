/** The cluster of our own table of cases: its pods in the lab, and the Kubernetes objects of a step. */
import type { PodSpec } from '../../lab/pod.ts'
import { type KubeObject, networkObject, type PlacedPod, podObject, policyObject } from '../../manifests.ts'
import { labName, namespaceObject } from '../world.ts'
import type { PodChange, Segment, SemanticsStep, StepPolicy } from './vocabulary.ts'

/** `out` is in the lab only. The last number is that of its addresses: 10.1.0.1, fd00:1::1, 10.2.0.1. */
const NUMBERS: Readonly<Record<string, number>> = { 'x/a': 1, 'x/b': 2, 'x/c': 3, 'y/a': 4, 'y/b': 5, out: 9 }
export const EVERYONE: readonly string[] = Object.keys(NUMBERS)

/** The network of a pod's interface on a segment, as the step has it. */
export function networkOf({ pods = {} }: Pick<SemanticsStep, 'pods'>, pod: string, segment: Segment): string {
  return pods[pod]?.networks?.[segment] ?? `x/${segment}`
}

const NETWORKS = ['x/red', 'x/blue', 'y/blue']

export const SEMANTICS_PODS: readonly PodSpec[] = Object.entries(NUMBERS).map(([pod, number]) => ({
  name: labName(pod),
  attachments: [
    { segment: 'red', interface: 'net1', addresses: [`10.1.0.${number}/24`, `fd00:1::${number}/64`] },
    { segment: 'blue', interface: 'net2', addresses: [`10.2.0.${number}/24`] },
  ],
}))

/** @param name of the policies, of which every step must have others: an Issue that stands is not said again */
export function semanticsObjects(
  { policies, pods = {}, namespaces = {}, networks = {} }: SemanticsStep,
  name: string,
  podOf: (name: string) => PlacedPod,
): readonly KubeObject[] {
  return [
    ...['x', 'y'].map((each) => namespaceObject(each, namespaces[each] ?? { team: each })),
    ...NETWORKS.flatMap((each) => networkObjects(each, each in networks ? networks[each] : 'macvlan')),
    ...EVERYONE.filter((pod) => pod !== 'out' && pods[pod]?.absent !== true).map((pod) =>
      semanticsPod(pod, podOf(labName(pod)), pods[pod] ?? {}),
    ),
    ...policies.map((policy, index) => semanticsPolicy(policy, `${name}-${index + 1}`)),
  ]
}

function networkObjects(network: string, type: string | undefined): readonly KubeObject[] {
  const [namespace = '', name = ''] = network.split('/')
  return type === undefined ? [] : [networkObject(namespace, name, type)]
}

function semanticsPolicy({ namespace = 'x', for: policyFor, spec }: StepPolicy, name: string): KubeObject {
  if (policyFor !== undefined) return policyObject(namespace, name, policyFor, spec)
  return { ...policyObject(namespace, name, '', spec), metadata: { namespace, name } }
}

function semanticsPod(named: string, pod: PlacedPod, change: PodChange): KubeObject {
  const [namespace = '', name = ''] = named.split('/')
  const { labels = { app: name }, ports = [], initPorts = [], networks = {}, hostNetwork, phase } = change
  const status = statusOf(pod, { red: 'x/red', blue: 'x/blue', ...networks }, change)
  const container = (title: string, own: typeof ports) => ({ name: title, image: 'none', ports: own })
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      ...{ namespace, name, labels },
      annotations: {
        'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status),
        'multi-networkpolicyd/netns': pod.netns,
      },
    },
    spec: {
      initContainers: [container('first', initPorts)],
      containers: [container('main', ports)],
      ...(hostNetwork && { hostNetwork }),
    },
    status: { phase: phase ?? 'Running' },
  }
}

function statusOf(
  pod: PlacedPod,
  networks: Readonly<Record<string, string>>,
  { default: defaultSegment }: PodChange,
): unknown {
  const object = podObject(pod, { networks })
  const { annotations } = object['metadata'] as { annotations: Readonly<Record<string, string>> }
  const status = JSON.parse(annotations['k8s.v1.cni.cncf.io/network-status'] ?? '[]') as {
    interface: string
  }[]
  const segmentOf = (name: string) => pod.interfaces.find((link) => link.name === name)?.segment
  return status.map((entry) => ({
    ...entry,
    ...(defaultSegment !== undefined && segmentOf(entry.interface) === defaultSegment && { default: true }),
  }))
}
