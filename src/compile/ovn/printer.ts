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

import { addTo } from '../incremental/multimap.ts'
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

/** The ports that a policy governs in a direction, by what it allows there: names of ports differ from pod to pod. */
export type Governed = ReadonlyMap<readonly Allow[], ReadonlySet<string>>
export type GovernedByDirection = Readonly<Record<Direction, Governed>>

/** What one policy comes to; sets are shared with those of others that have the same names. */
export interface PolicyRows {
  readonly groups: readonly PortGroup[]
  readonly sets: readonly AddressSet[]
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
    const rows = printPolicy(policy, name, directions)
    groups.push(...rows.groups)
    for (const set of rows.sets) sets.set(set.name, set)
  }
  return {
    portGroups: new Map(groups.sort(byName).map((group) => [group.name, group])),
    addressSets: new Map([...sets.values()].sort(byName).map((set) => [set.name, set])),
  }
}

function sort(ports: Iterable<GovernedPort>): {
  readonly isolations: readonly Isolation[]
  readonly governed: ReadonlyMap<NamespacedName, GovernedByDirection>
} {
  const governed = new Map<NamespacedName, Record<Direction, Map<readonly Allow[], Set<string>>>>()
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
        const known = governed.get(policy.policy) ?? { ingress: new Map(), egress: new Map() }
        governed.set(policy.policy, known)
        addTo(known[direction], policy.allows[direction] ?? [], port)
      }
    }
  }
  const isolations = DIRECTIONS.flatMap((direction) =>
    exemptions === undefined ? [] : [{ direction, ports: isolated[direction], exemptions }],
  )
  return { isolations, governed }
}

/** The group of all ports that the policy governs, and one for each set of them on which a rule reads in its own way. */
export function printPolicy(policy: Policy, name: NamespacedName, governed: GovernedByDirection): PolicyRows {
  const own = hashedName('policy', name)
  const acls: Acl[] = []
  const variants: PortGroup[] = []
  const sets: AddressSet[] = []
  for (const direction of DIRECTIONS) {
    for (const rule of policy.rules[direction].keys()) {
      const about = `${direction}[${rule}]`
      const readings = readingsOf(governed[direction], rule)
      for (const [key, { allow, ports }] of readings) {
        const shared = readings.length === 1
        const group = shared ? own : hashedName('policy', `${name} ${about} ${key}`)
        const printed = printAllow({ policy, name, direction, allow, group, variant: shared ? '' : key })
        sets.push(...printed.sets)
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
  if (acls.length === 0) return { groups: variants, sets }
  const ports = union([...governed.ingress.values(), ...governed.egress.values()])
  const ids = externalIds('policy', `policy:${name}`, name)
  return { groups: [{ name: own, ports, acls, externalIds: ids }, ...variants], sets }
}

/** What the rule is on some of the ports, by the text of what tells it from what it is on others. */
function readingsOf(governed: Governed, rule: number): readonly (readonly [key: string, Allowed])[] {
  const each = [...governed].flatMap(([allows, ports]) => {
    const allow = allows[rule]
    return allow === undefined ? [] : [{ allow, ports }]
  })
  const [only] = each
  if (only === undefined) return []
  if (each.length === 1) return [['', only]]
  const byKey = Map.groupBy(each, ({ allow }) => JSON.stringify(allow.ports))
  return [...byKey]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, same]) => {
      const [{ allow }] = same as [Allowed, ...Allowed[]]
      return [key, { allow, ports: union(same.map(({ ports }) => ports)) }]
    })
}

/** All ports on which the policy isolates in that direction. */
export function isolatedPorts(governed: Governed): ReadonlySet<string> {
  return union([...governed.values()])
}

/** The same set where all are. */
function union(sets: readonly ReadonlySet<string>[]): ReadonlySet<string> {
  const distinct = new Set(sets)
  const [first] = distinct
  if (first !== undefined && distinct.size === 1) return first
  const all = new Set<string>()
  for (const set of distinct) for (const port of set) all.add(port)
  return all
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}
