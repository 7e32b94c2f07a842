/**
 * A rule's selecting peers as one text: rules with the same text stand for the same pods, so that they share the address
 * sets that are named after it, and the name stays while pods come and go. The text itself is only ever hashed.
 */
import type { Policy, PolicyPeer, PolicyRule } from '../model.ts'
import type { Requirement, Selector } from '../selector.ts'

type SelectingPeer = Extract<PolicyPeer, { kind: 'pods' }>

/** Undefined where the rule selects no pods: everyone, ipBlocks only, or no peer that is valid. */
export function peersKey(policy: Policy, { peers }: PolicyRule): string | undefined {
  if (peers.kind === 'anyone') return undefined
  const selecting = peers.peers.filter((peer) => peer.kind === 'pods' && isPossible(peer))
  return selecting.length === 0
    ? undefined
    : JSON.stringify([networksOf(policy), sorted(selecting.map((peer) => peerText(policy, peer)))])
}

/** Of the pods that have the named ports which the rule names; ipBlocks narrow those too. */
export function namedKey(policy: Policy, { peers, ports }: PolicyRule): string {
  const names = ports.kind === 'any' ? [] : ports.ports.filter((port) => port.kind === 'named')
  const of = peers.kind === 'anyone' ? 'anyone' : sorted(peers.peers.map((peer) => peerText(policy, peer)))
  return JSON.stringify([
    networksOf(policy),
    of,
    sorted(names.map(({ protocol, name }) => `${protocol} ${name}`)),
  ])
}

function networksOf(policy: Policy): readonly string[] {
  return sorted(policy.networks)
}

function peerText(policy: Policy, peer: PolicyPeer): string {
  if (peer.kind === 'block')
    return JSON.stringify(peer.ranges.map(({ family, first, last }) => `${family} ${first}-${last}`))
  const { namespaces, pods } = peer
  const scope =
    namespaces.kind === 'own'
      ? { namespace: policy.namespace }
      : { matching: selectorText(namespaces.selector) }
  return JSON.stringify([scope, selectorText(pods)])
}

function isPossible({ namespaces, pods }: SelectingPeer): boolean {
  return pods.kind !== 'nothing' && (namespaces.kind === 'own' || namespaces.selector.kind !== 'nothing')
}

function selectorText(selector: Selector): readonly string[] {
  return selector.kind === 'nothing' ? ['nothing'] : sorted(selector.requirements.map(requirementText))
}

function requirementText(requirement: Requirement): string {
  const { kind, key } = requirement
  return JSON.stringify('values' in requirement ? [kind, key, sorted([...requirement.values])] : [kind, key])
}

function sorted(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].sort()
}
