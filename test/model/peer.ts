/**
 * P1 to P6: whom one entry of `from` or `to` stands for. Addresses are compared, not identities; the pods
 * behind an address matter only to named ports on egress.
 */
import { type Address, isAddressIn, isBlockIn, isSameAddress, parseBlock } from './address.ts'
import { attachmentsOf, isLive } from './attachment.ts'
import { type Cluster, labelsOf, namespaceLabels, namespaceOf } from './cluster.ts'
import { asText, at, isGiven, items, type JsonObject } from './json.ts'
import { matches } from './selector.ts'

/** What a policy's peers are looked up in. */
export interface Scope {
  readonly cluster: Cluster
  /** The policy's namespace. */
  readonly namespace: string
  /** The policy's networks that count, `namespace/name`. */
  readonly networks: readonly string[]
}

/** An entry of a list, or what a missing or empty list means. */
export type Choice = { readonly kind: 'everything' } | { readonly kind: 'entry'; readonly value: unknown }

export function isPeer(scope: Scope, peer: Choice, address: Address): boolean {
  if (peer.kind === 'everything') return true
  return fieldsOf(peer.value) === 'block'
    ? isInIPBlock(at(peer.value, 'ipBlock'), address)
    : podsBehind(scope, peer, address).length > 0
}

/** The pods that have this address on the policy's networks, as far as the peer stands for them. */
export function podsBehind(scope: Scope, peer: Choice, address: Address): readonly JsonObject[] {
  return scope.cluster.pods.filter(
    (pod) => isLive(pod) && hasAddress(scope, pod, address) && standsFor(scope, peer, pod, address),
  )
}

function hasAddress(scope: Scope, pod: JsonObject, address: Address): boolean {
  return attachmentsOf(pod).some(
    (attachment) =>
      scope.networks.includes(attachment.network) &&
      attachment.addresses.some((own) => isSameAddress(own, address)),
  )
}

function standsFor(scope: Scope, peer: Choice, pod: JsonObject, address: Address): boolean {
  if (peer.kind === 'everything') return true
  switch (fieldsOf(peer.value)) {
    case 'block':
      return isInIPBlock(at(peer.value, 'ipBlock'), address)
    case 'selectors':
      return selectsPeer(scope, peer.value, pod)
    case 'invalid':
      return false
  }
}

/**
 * Reading: a field that is null is not given, as in Kubernetes; so `{podSelector: null}` is a peer with no
 * field, and `{namespaceSelector: {}, podSelector: null}` is a namespaceSelector alone.
 */
function fieldsOf(peer: unknown): 'block' | 'selectors' | 'invalid' {
  const selecting = isGiven(at(peer, 'podSelector')) || isGiven(at(peer, 'namespaceSelector'))
  const block = isGiven(at(peer, 'ipBlock'))
  if (selecting === block) return 'invalid'
  return block ? 'block' : 'selectors'
}

function selectsPeer(scope: Scope, peer: unknown, pod: JsonObject): boolean {
  const podSelector = at(peer, 'podSelector')
  const namespaceSelector = at(peer, 'namespaceSelector')
  const namespace = namespaceOf(pod)
  const inNamespace = isGiven(namespaceSelector)
    ? matches(namespaceSelector, namespaceLabels(scope.cluster, namespace))
    : namespace === scope.namespace
  return inNamespace && (!isGiven(podSelector) || matches(podSelector, labelsOf(pod)))
}

/**
 * One bad `except` spoils its block: to leave it out would allow what somebody meant to keep out.
 * (Kubernetes refuses an `except` that equals the CIDR; nothing is left either way.)
 */
function isInIPBlock(ipBlock: unknown, address: Address): boolean {
  const block = parseBlock(asText(at(ipBlock, 'cidr')) ?? '')
  const except = at(ipBlock, 'except')
  if (block === undefined || (isGiven(except) && !Array.isArray(except))) return false
  const excepts = items(except).map((cidr) => parseBlock(asText(cidr) ?? ''))
  return (
    isAddressIn(address, block) &&
    excepts.every((inner) => inner !== undefined && isBlockIn(inner, block) && !isAddressIn(address, inner))
  )
}
