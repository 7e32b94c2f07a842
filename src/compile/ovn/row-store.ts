/**
 * The rows that should be there, by whom they are there for: each policy's own groups, the address sets that policies
 * share, and the groups of all isolated and of all tracked ports. What comes to the same as before stays the same object.
 */
import { equal } from '../incremental/equal.ts'
import { addTo, type Multimap, removeFrom } from '../incremental/multimap.ts'
import type { PolicyRecord } from '../incremental/policy-record.ts'
import { DIRECTIONS, type NamespacedName, nameOf } from '../model.ts'
import type { Exemptions } from '../ruleset.ts'
import { Counts } from './counts.ts'
import { isolationGroup, trackedGroup } from './isolation.ts'
import { type GovernedByDirection, isolatedPorts, type PolicyRows, printPolicy } from './printer.ts'
import type { AddressSet, OvnRows, PortGroup } from './rows.ts'

interface Printed extends PolicyRows {
  readonly record: PolicyRecord
  readonly isolated: Readonly<Record<'ingress' | 'egress', ReadonlySet<string>>>
}

const NO_PORTS: ReadonlySet<string> = new Set()
const NOTHING: Omit<Printed, 'record'> = {
  groups: [],
  sets: [],
  isolated: { ingress: NO_PORTS, egress: NO_PORTS },
}

export class RowStore {
  readonly #exemptions: Exemptions
  readonly #printed = new Map<NamespacedName, Printed>()
  /** Policies by the sets that they name. */
  readonly #users: Multimap<string, NamespacedName> = new Map()
  readonly #isolated = { ingress: new Counts<string>(), egress: new Counts<string>() }
  readonly #tracked = new Map<NamespacedName, readonly string[]>()
  readonly #allTracked = new Counts<string>()
  readonly #groups = new Map<string, PortGroup>()
  readonly #sets = new Map<string, AddressSet>()

  constructor(exemptions: Exemptions) {
    this.#exemptions = exemptions
  }

  /** Changed in place by what is put or removed. */
  get rows(): OvnRows {
    for (const direction of DIRECTIONS) {
      const isolated = this.#isolated[direction]
      if (!isolated.takeChanged()) continue
      const printed = isolationGroup({ direction, ports: isolated.items(), exemptions: this.#exemptions })
      this.#putGroups(`isolation ${direction}`, printed)
    }
    if (this.#allTracked.takeChanged()) this.#putGroups('tracked', trackedGroup(this.#allTracked.items()))
    return { portGroups: this.#groups, addressSets: this.#sets }
  }

  put(record: PolicyRecord, governed: GovernedByDirection): void {
    const name = nameOf(record.policy)
    const rows = printPolicy(record.policy, name, governed)
    const isolated = { ingress: isolatedPorts(governed.ingress), egress: isolatedPorts(governed.egress) }
    this.#replace(name, { ...rows, record, isolated })
  }

  /** Of a policy that governs nothing any more; another of its name stays. */
  remove(record: PolicyRecord): void {
    const name = nameOf(record.policy)
    if (this.#printed.get(name)?.record === record) this.#replace(name, undefined)
  }

  /** @param ports all of the pod's on whose switches connections are tracked */
  track(pod: NamespacedName, ports: readonly string[]): void {
    this.#allTracked.replace(this.#tracked.get(pod) ?? [], ports)
    if (ports.length > 0) this.#tracked.set(pod, ports)
    else this.#tracked.delete(pod)
  }

  #replace(name: NamespacedName, after: Printed | undefined): void {
    const before = this.#printed.get(name)
    if (after === undefined) this.#printed.delete(name)
    else this.#printed.set(name, after)
    const { groups, sets, isolated } = after ?? NOTHING
    this.#putGroups(`policy ${name}`, groups)
    this.#putSets(name, before?.sets ?? [], sets)
    for (const direction of DIRECTIONS) {
      const [old, now] = [before?.isolated[direction] ?? NO_PORTS, isolated[direction]]
      if (old !== now) this.#isolated[direction].replace(old, now)
    }
  }

  readonly #groupsBy = new Map<string, readonly PortGroup[]>()

  #putGroups(by: string, groups: readonly PortGroup[]): void {
    const names = new Set(groups.map(({ name }) => name))
    for (const { name } of this.#groupsBy.get(by) ?? []) if (!names.has(name)) this.#groups.delete(name)
    for (const group of groups) keep(this.#groups, group)
    if (groups.length > 0) this.#groupsBy.set(by, groups)
    else this.#groupsBy.delete(by)
  }

  #putSets(policy: NamespacedName, before: readonly AddressSet[], after: readonly AddressSet[]): void {
    const names = new Set(after.map(({ name }) => name))
    for (const set of after) {
      addTo(this.#users, set.name, policy)
      keep(this.#sets, set)
    }
    for (const { name } of before) {
      if (names.has(name)) continue
      removeFrom(this.#users, name, policy)
      if (!this.#users.has(name)) this.#sets.delete(name)
    }
  }
}

/** The row that is there already, where it is the same. */
function keep<R extends { readonly name: string }>(rows: Map<string, R>, row: R): void {
  if (!equal(rows.get(row.name), row)) rows.set(row.name, row)
}
