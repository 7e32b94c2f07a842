/**
 * From the rows that stand to those that should: the fewest operations, for one transaction. A new member of an address
 * set, or of a port group, is a mutation of that one column, however large it is; an ACL that differs is updated in its
 * row. Only rows that carry our owner are ever changed.
 */
import type { NamedUuid, Uuid } from 'ovsdb'
import { ROW_ID } from '../../compile/ovn/names.ts'
import { type Acl, type AddressSet, type OvnRows, type PortGroup, TIER } from '../../compile/ovn/rows.ts'
import type { NorthboundOperation, NorthboundRows, RowOf } from './northbound.ts'

export interface DifferenceOptions {
  /** Columns that the server's schema does not have, as `Table.column`. */
  readonly absent: ReadonlySet<string>
  /** False while it is not known whether what is missing is really gone: groups, their ports, and sets then stay. */
  readonly removals: boolean
  /**
   * Rows with our names may stand that are not among those read, since somebody took the owner from them: they make
   * way first.
   */
  readonly reclaim: boolean
  /** What was found to be as it should, by the row that is wanted; not asked where it is not given. */
  readonly seen?: SeenRows | undefined
}

/**
 * Rows of a database that are as wanted: while both are the same objects as when they were compared, they need not be
 * compared again, however many members they have. Of one session, since another's schema may have other columns.
 */
export type SeenRows = WeakMap<PortGroup | AddressSet, readonly unknown[]>

/** @param rows `ports` of their groups are the UUIDs of rows */
export function difference(
  rows: OvnRows,
  stands: NorthboundRows,
  options: DifferenceOptions,
): readonly NorthboundOperation[] {
  const writer = new Writer(stands, options)
  const sets = byName(stands.Address_Set.values())
  const groups = byName(stands.Port_Group.values())
  for (const set of rows.addressSets.values()) {
    const row = sets.get(set.name)
    writer.unlessSeen(set, row && [row], () => writer.putSet(set, row))
  }
  for (const group of rows.portGroups.values()) {
    const row = groups.get(group.name)
    const acls = row && [...row.acls].map((uuid) => stands.ACL.get(uuid))
    writer.unlessSeen(group, row && [row, ...(acls ?? [])], () => writer.putGroup(group, row))
  }
  if (options.removals) {
    for (const [name, { _uuid }] of groups) if (!rows.portGroups.has(name)) writer.remove('Port_Group', _uuid)
    for (const [name, { _uuid }] of sets) if (!rows.addressSets.has(name)) writer.remove('Address_Set', _uuid)
  }
  return writer.operations
}

type AclRow = RowOf<'ACL'>
type WrittenAcl = Extract<NorthboundOperation, { op: 'insert'; table: 'ACL' }>['row']

class Writer {
  readonly operations: NorthboundOperation[] = []
  readonly #stands: NorthboundRows
  readonly #options: DifferenceOptions
  #inserted = 0

  constructor(stands: NorthboundRows, options: DifferenceOptions) {
    this.#stands = stands
    this.#options = options
  }

  /** @param standing the rows that are there for it; undefined where there is none */
  unlessSeen(
    wanted: PortGroup | AddressSet,
    standing: readonly unknown[] | undefined,
    put: () => boolean,
  ): void {
    const { seen } = this.#options
    const known = seen?.get(wanted)
    if (known !== undefined && standing !== undefined && sameItems(known, standing)) return
    if (put() && standing !== undefined) seen?.set(wanted, standing)
  }

  /** @returns whether it is as it should be */
  putSet({ name, addresses, externalIds }: AddressSet, row: RowOf<'Address_Set'> | undefined): boolean {
    const before = this.operations.length
    if (row === undefined) {
      this.#makeWay('Address_Set', name)
      const set = { name, addresses, external_ids: externalIds }
      this.operations.push({ op: 'insert', table: 'Address_Set', row: set })
      return false
    }
    const [add, remove] = changes(addresses, row.addresses)
    const where = [['_uuid', '==', row._uuid]] as const
    if (remove.length > 0)
      this.operations.push({
        op: 'mutate',
        table: 'Address_Set',
        where,
        mutations: [['addresses', 'delete', remove]],
      })
    if (add.length > 0)
      this.operations.push({
        op: 'mutate',
        table: 'Address_Set',
        where,
        mutations: [['addresses', 'insert', add]],
      })
    if (!sameMap(externalIds, row.external_ids))
      this.operations.push({ op: 'update', table: 'Address_Set', where, row: { external_ids: externalIds } })
    return this.operations.length === before
  }

  /** @returns whether it is as it should be */
  putGroup({ name, ports, acls, externalIds }: PortGroup, row: RowOf<'Port_Group'> | undefined): boolean {
    const before = this.operations.length
    // They were read from rows of this database.
    const members = ports as ReadonlySet<Uuid>
    if (row === undefined) {
      this.#makeWay('Port_Group', name)
      const group = {
        name,
        ports: members,
        acls: acls.map((acl) => this.#insertAcl(acl)),
        external_ids: externalIds,
      }
      this.operations.push({ op: 'insert', table: 'Port_Group', row: group })
      return false
    }
    const where = [['_uuid', '==', row._uuid]] as const
    const [joined, left] = changes(members, row.ports)
    if (joined.length > 0)
      this.operations.push({
        op: 'mutate',
        table: 'Port_Group',
        where,
        mutations: [['ports', 'insert', joined]],
      })
    if (left.length > 0 && this.#options.removals)
      this.operations.push({
        op: 'mutate',
        table: 'Port_Group',
        where,
        mutations: [['ports', 'delete', left]],
      })
    const { added, gone } = this.#putAcls(acls, row.acls)
    if (added.length > 0)
      this.operations.push({
        op: 'mutate',
        table: 'Port_Group',
        where,
        mutations: [['acls', 'insert', added]],
      })
    if (gone.length > 0)
      this.operations.push({
        op: 'mutate',
        table: 'Port_Group',
        where,
        mutations: [['acls', 'delete', gone]],
      })
    if (!sameMap(externalIds, row.external_ids))
      this.operations.push({ op: 'update', table: 'Port_Group', where, row: { external_ids: externalIds } })
    return this.operations.length === before && left.length === 0
  }

  remove(table: 'Port_Group' | 'Address_Set', uuid: Uuid): void {
    this.operations.push({ op: 'delete', table, where: [['_uuid', '==', uuid]] })
  }

  /** ACLs that no row refers to any more are gone by themselves. */
  #putAcls(
    acls: readonly Acl[],
    standing: ReadonlySet<Uuid>,
  ): { readonly added: readonly NamedUuid[]; readonly gone: readonly Uuid[] } {
    const known = new Map<string, AclRow>()
    const gone: Uuid[] = []
    for (const uuid of standing) {
      const row = this.#stands.ACL.get(uuid)
      const id = row?.external_ids.get(ROW_ID)
      if (row === undefined || id === undefined || known.has(id)) gone.push(uuid)
      else known.set(id, row)
    }
    const added: NamedUuid[] = []
    for (const acl of acls) {
      const id = acl.externalIds.get(ROW_ID) ?? ''
      const row = known.get(id)
      known.delete(id)
      if (row === undefined) added.push(this.#insertAcl(acl))
      else this.#updateAcl(acl, row)
    }
    return { added, gone: [...gone, ...[...known.values()].map(({ _uuid }) => _uuid)] }
  }

  #insertAcl(acl: Acl): NamedUuid {
    this.#inserted += 1
    const uuidName = `acl${this.#inserted}`
    this.operations.push({ op: 'insert', table: 'ACL', uuidName, row: this.#written(acl) })
    return { named: uuidName }
  }

  #updateAcl(acl: Acl, standing: AclRow): void {
    const differing = Object.entries(this.#written(acl)).filter(
      ([column, value]) => !sameValue(value, standing[column as keyof AclRow]),
    )
    if (differing.length === 0) return
    const row: WrittenAcl = Object.fromEntries(differing)
    this.operations.push({ op: 'update', table: 'ACL', where: [['_uuid', '==', standing._uuid]], row })
  }

  /** Every column that has a say in what the ACL does, so that nobody's edit of any of them stays. */
  #written({ name, priority, direction, match, action, options, externalIds }: Acl): WrittenAcl {
    const has = (column: string): boolean => !this.#options.absent.has(`ACL.${column}`)
    return {
      name,
      priority,
      direction,
      match,
      action,
      external_ids: externalIds,
      ...(has('options') ? { options } : {}),
      ...(has('tier') ? { tier: TIER } : {}),
      ...(has('label') ? { label: 0 } : {}),
    }
  }

  #makeWay(table: 'Port_Group' | 'Address_Set', name: string): void {
    if (this.#options.reclaim) this.operations.push({ op: 'delete', table, where: [['name', '==', name]] })
  }
}

function byName<R extends { readonly name: string }>(rows: Iterable<R>): ReadonlyMap<string, R> {
  return new Map([...rows].map((row) => [row.name, row]))
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, place) => item === b[place])
}

function changes<T>(wanted: ReadonlySet<T>, standing: ReadonlySet<T>): readonly [add: T[], remove: T[]] {
  return [[...wanted.difference(standing)], [...standing.difference(wanted)]]
}

function sameMap(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}

function sameValue(a: unknown, b: unknown): boolean {
  return a instanceof Map && b instanceof Map ? sameMap(a, b) : a === b
}
