/**
 * What OVN's rows of ours are called, and what their `external_ids` say.
 *
 *     Port_Group   mnpd_policy_5d41402abc4b2a76b9719d911017c592
 *     Address_Set  mnpd_peers_7d793037a0760186574b0282f2f435e7_v4
 *     ACL          blue/web ingress[0]
 *
 * Matches name port groups and address sets, so those names are made of hashes, by which nobody can make two of them
 * meet, nor write a word of a match. ovn-kubernetes' own hashed names are `a` and a decimal number, so none is ours.
 * The rows say whose they are in the keys that ovn-kubernetes knows: rows without an owner it takes for its own of old,
 * and strips, renames or deletes.
 */
import { digestOf } from '../digest.ts'

export const OWNER_CONTROLLER = 'k8s.ovn.org/owner-controller'
export const OWNER_TYPE = 'k8s.ovn.org/owner-type'
export const OWNER = 'multi-networkpolicyd'

/** By which ovn-kubernetes' own code tells rows of one table apart; unique among ours. */
export const ROW_ID = 'k8s.ovn.org/id'
const ROW_NAME = 'k8s.ovn.org/name'
const DIRECTION = 'direction'

/** ovn-nb(5): `name` of an ACL. */
const LONGEST_ACL_NAME = 63

export type RowKind = 'tracked' | 'isolation' | 'policy' | 'peers' | 'block' | 'named'

/** `mnpd_KIND_` and 32 hex digits of the SHA-256 of the key: what ovn-expr takes for a name. */
export function hashedName(kind: RowKind, key: string): string {
  return `mnpd_${kind}_${digestOf(key)}`
}

/**
 * @param about what the row is for, as people would say it: `blue/web`, or `blue/web ingress[0]`
 * @param direction of ACLs only
 */
export function externalIds(
  kind: RowKind,
  id: string,
  about: string,
  direction?: 'ingress' | 'egress',
): ReadonlyMap<string, string> {
  return new Map([
    ...(direction === undefined ? [] : ([[DIRECTION, direction]] as const)),
    [ROW_ID, `${OWNER}:${id}`],
    [ROW_NAME, about],
    [OWNER_CONTROLLER, OWNER],
    [OWNER_TYPE, OWNER_TYPES[kind]],
  ])
}

const OWNER_TYPES: Readonly<Record<RowKind, string>> = {
  tracked: 'MultiNetworkPolicyTracking',
  isolation: 'MultiNetworkPolicyIsolation',
  policy: 'MultiNetworkPolicy',
  peers: 'MultiNetworkPolicyPeers',
  block: 'MultiNetworkPolicyBlock',
  named: 'MultiNetworkPolicyNamedPort',
}

/** Whole where it fits; else the end of it, which says which rule, after as much of the policy's name as fits. */
export function aclName(policy: string, rule: string): string {
  const room = LONGEST_ACL_NAME - rule.length - 1
  return `${policy.length <= room ? policy : `${policy.slice(0, room - 1)}~`} ${rule}`
}
