/**
 * The cases of Kubernetes' own end-to-end tests of NetworkPolicy (`test/e2e/network/netpol`, read at v1.36.3), restated:
 * 42 for TCP, 3 for UDP, 3 for SCTP. The original often makes do with fewer pods; here all nine are there always.
 */
import type { Expectation, Service } from './expectation.ts'
import { ADDRESSES, BLOCK_CASES } from './netpol/blocks.ts'
import { CHANGE_CASES } from './netpol/changes.ts'
import { EGRESS_CASES } from './netpol/egress.ts'
import { PEER_CASES } from './netpol/peers.ts'
import { PORT_CASES } from './netpol/ports.ts'
import { PROTOCOL_CASES } from './netpol/protocols.ts'
import type { Line, NetpolCase, NetpolStep } from './netpol/vocabulary.ts'
import { fits } from './pod-pattern.ts'
import type { Labels, World, WorldPod } from './world.ts'

export const NETPOL_CASES: readonly NetpolCase[] = [
  ...[...PEER_CASES, ...PORT_CASES, ...CHANGE_CASES],
  ...[...EGRESS_CASES, ...BLOCK_CASES, ...PROTOCOL_CASES],
].sort((a, b) => a.number - b.number)

export const NETPOL_ADDRESSES: ReadonlyMap<string, string> = ADDRESSES

const PODS: readonly string[] = [...ADDRESSES.keys()]

export function netpolWorld({ policies, podLabels = {}, namespaceLabels = {} }: NetpolStep): World {
  const namespaces = Object.fromEntries(
    ['x', 'y', 'z'].map((name) => [
      name,
      { 'kubernetes.io/metadata.name': name, ...namespaceLabels[name] } satisfies Labels,
    ]),
  )
  return { namespaces, policies, pods: PODS.map((pod) => worldPod(pod, podLabels[pod] ?? {})) }
}

/** Every pair for every service that the step asks for; a pod reaches itself whatever the lines say. */
export function netpolExpectations({ reach }: NetpolStep): readonly Expectation[] {
  return (Object.entries(reach) as [Service, readonly Line[]][]).flatMap(([service, lines]) =>
    PODS.flatMap((from) =>
      PODS.map((to) => {
        const last = lines.findLast((line) => fits(line.from, from) && fits(line.to, to))
        return { from, to, service, allowed: from === to || (last?.allowed ?? true) }
      }),
    ),
  )
}

function worldPod(pod: string, labels: Labels): WorldPod {
  const [namespace = '', name = ''] = pod.split('/')
  const ports = ['TCP', 'UDP', 'SCTP'].flatMap((protocol) =>
    [80, 81].map((containerPort) => ({
      name: `serve-${containerPort}-${protocol.toLowerCase()}`,
      containerPort,
      protocol,
    })),
  )
  return { namespace, name, ports, labels: { pod: name, ...labels } }
}
