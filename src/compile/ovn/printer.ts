/**
 * The OVN printer: the rulesets of all pods that have a port in one northbound database, as its Port_Groups, Address_Sets
 * and ACLs. For a pod that `blue/web` isolates on ingress:
 *
 *     Port_Group mnpd_isolation_1b0c…   ports: every port that some policy isolates on ingress
 *       to-lport 1000 (outport == @mnpd_isolation_1b0c…) drop
 *       to-lport 1001 (outport == @mnpd_isolation_1b0c… && (arp || nd || …)) allow-related
 *     Port_Group mnpd_policy_5d41…      ports: those that blue/web governs
 *       to-lport 1001 (outport == @mnpd_policy_5d41… && (ip4.src == $mnpd_peers_7d79…_v4
 *                       || ip6.src == $mnpd_peers_7d79…_v6) && tcp.dst == 80) allow-related
 *     Address_Set mnpd_peers_7d79…_v4   addresses: 10.1.0.2
 *     Address_Set mnpd_peers_7d79…_v6
 *
 * Egress is the same with from-lport, inport, dst, and `apply-after-lb`. A port is in the group of each policy that
 * governs it, so that what policies allow adds up, and is dropped once, whoever isolates it: one rule of a policy is one
 * ACL. Rules with the same peers share their address sets, whose names follow from the selectors: a pod that comes or
 * goes changes a set, and no ACL. An empty set matches nothing (P4).
 *
 * OVN's `allow-related` does the rest of D3: replies and related errors pass, and a connection that an ACL drops later is
 * marked as blocked at its next packet. It tracks only on switches with such an ACL: the one for ARP is one always, and
 * a group of all ports there are, governed or not, has one of its own, `mnpd_tracked_…` (see `trackedGroup`).
 */

import { DIRECTIONS, type Direction, type NamespacedName, type Policy } from '../model.ts'
import type { Allow, Ruleset } from '../ruleset.ts'
import { type Isolation, isolationGroup, trackedGroup } from './isolation.ts'
import { externalIds, hashedName } from './names.ts'
import type { Acl, AddressSet, OvnRows, PortGroup } from './rows.ts'
import { type Allowed, printAllow } from './rule.ts'

/** A port, and which interface of which ruleset it is. */
export interface GovernedPort {
  /** What Port_Group.ports holds for it: the UUID of its row, or its name where there is no database. */
  readonly port: string
  readonly ruleset: Ruleset
  readonly interface: string
}

/** The ports that a policy governs in a direction, by what each rule allows there. */
interface Governed {
  readonly ports: Set<string>
  /** By the rule's number, and then by the ports that it means on the pod: names can differ from pod to pod. */
  readonly rules: Map<number, Map<string, Allowed>>
}

/**
 * @param policies all that the rulesets name: address sets are named after their selectors
 * @param tracked ports on whose switches connections are tracked in any case
 */
export function printOvn(
  ports: Iterable<GovernedPort>,
  policies: ReadonlyMap<NamespacedName, Policy>,
  tracked: ReadonlySet<string>,
): OvnRows {
  const { isolations, governed } = sort(ports)
  const groups: PortGroup[] = [...trackedGroup(tracked), ...isolations.flatMap(isolationGroup)]
  const sets = new Map<string, AddressSet>()
  for (const [name, directions] of governed) {
    const policy = policies.get(name)
    if (policy === undefined) throw new Error(`ruleset of an unknown policy ${name}`)
    groups.push(...policyGroups(policy, name, directions, sets))
  }
  return {
    portGroups: new Map(groups.sort(byName).map((group) => [group.name, group])),
    addressSets: new Map([...sets.values()].sort(byName).map((set) => [set.name, set])),
  }
}

type ByDirection = Readonly<Record<Direction, Governed>>

function sort(ports: Iterable<GovernedPort>): {
  readonly isolations: readonly Isolation[]
  readonly governed: ReadonlyMap<NamespacedName, ByDirection>
} {
  const governed = new Map<NamespacedName, ByDirection>()
  const isolated: Record<Direction, Set<string>> = { ingress: new Set(), egress: new Set() }
  let exemptions: Ruleset['exemptions'] | undefined
  for (const { port, ruleset, interface: name } of ports) {
    exemptions = ruleset.exemptions
    const found = ruleset.interfaces.find((each) => each.name === name)
    for (const direction of DIRECTIONS) {
      for (const place of found?.isolatedBy[direction] ?? []) {
        const policy = ruleset.policies[place]
        if (policy === undefined) continue
        isolated[direction].add(port)
        const known = governed.get(policy.policy) ?? { ingress: nothing(), egress: nothing() }
        governed.set(policy.policy, known)
        note(known[direction], port, policy.allows[direction] ?? [])
      }
    }
  }
  const isolations = DIRECTIONS.flatMap((direction) =>
    exemptions === undefined ? [] : [{ direction, ports: isolated[direction], exemptions }],
  )
  return { isolations, governed }
}

function nothing(): Governed {
  return { ports: new Set(), rules: new Map() }
}

function note(governed: Governed, port: string, allows: readonly Allow[]): void {
  governed.ports.add(port)
  for (const allow of allows) {
    const variants = governed.rules.get(allow.rule) ?? new Map<string, Allowed>()
    governed.rules.set(allow.rule, variants)
    const key = JSON.stringify(allow.ports)
    const variant = variants.get(key) ?? { allow, ports: new Set() }
    variants.set(key, variant)
    variant.ports.add(port)
  }
}

/** The group of all ports that the policy governs, and one for each set of them on which a rule reads in its own way. */
function policyGroups(
  policy: Policy,
  name: NamespacedName,
  directions: ByDirection,
  sets: Map<string, AddressSet>,
): readonly PortGroup[] {
  const own = hashedName('policy', name)
  const acls: Acl[] = []
  const variants: PortGroup[] = []
  for (const direction of DIRECTIONS) {
    for (const [rule, byPorts] of directions[direction].rules) {
      const about = `${direction}[${rule}]`
      for (const [key, { allow, ports }] of byPorts) {
        const shared = byPorts.size === 1
        const group = shared ? own : hashedName('policy', `${name} ${about} ${key}`)
        const printed = printAllow({ policy, name, direction, allow, group, variant: shared ? '' : key })
        for (const set of printed.sets) sets.set(set.name, set)
        if (shared) acls.push(...printed.acls)
        else if (printed.acls.length > 0)
          variants.push({
            name: group,
            ports,
            acls: printed.acls,
            externalIds: externalIds('policy', `policy:${name}:${about}:${group}`, `${name} ${about}`),
          })
      }
    }
  }
  if (acls.length === 0) return variants
  const ports = new Set([...directions.ingress.ports, ...directions.egress.ports])
  return [{ name: own, ports, acls, externalIds: externalIds('policy', `policy:${name}`, name) }, ...variants]
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}
