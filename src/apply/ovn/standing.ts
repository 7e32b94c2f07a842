/** Rows of ours that a database holds, as the printer's values, so that both can be compared as text. */
import type { Acl, OvnRows, PortGroup } from '../../compile/ovn/rows.ts'
import type { NorthboundRows, RowOf } from './northbound.ts'

export function standingRows({ Port_Group, Address_Set, ACL }: NorthboundRows): OvnRows {
  const groups = [...Port_Group.values()].map(({ name, ports, acls, external_ids }): PortGroup => {
    const rows = [...acls].flatMap((uuid) => ACL.get(uuid) ?? [])
    return { name, ports, acls: rows.map(aclOf), externalIds: external_ids }
  })
  const sets = [...Address_Set.values()].map(({ name, addresses, external_ids }) => ({
    name,
    addresses,
    externalIds: external_ids,
  }))
  return {
    portGroups: new Map(groups.map((group) => [group.name, group])),
    addressSets: new Map(sets.map((set) => [set.name, set])),
  }
}

/** What the port with a UUID is called. */
export function portNames({ Logical_Switch_Port }: NorthboundRows): (port: string) => string | undefined {
  const names = new Map<string, string>([...Logical_Switch_Port].map(([uuid, { name }]) => [uuid, name]))
  return (port) => names.get(port)
}

function aclOf({ name, priority, direction, match, action, options, external_ids }: RowOf<'ACL'>): Acl {
  return {
    name: name ?? '',
    priority,
    // Whatever somebody made of it: it is only shown.
    direction: direction as Acl['direction'],
    match,
    action: action as Acl['action'],
    options: options ?? new Map(),
    externalIds: external_ids,
  }
}
