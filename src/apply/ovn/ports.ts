/** Ports of pods as rows, parsed; whatever is not a pod's secondary interface of this database's own is left out. */
import type { Uuid } from 'ovsdb'
import { type Address, parseAddress } from '../../compile/address.ts'
import type { NamespacedName } from '../../compile/model.ts'
import type { OvnPort } from '../../compile/ovn/ports.ts'
import type { NorthboundChange, NorthboundRows, RowOf, SignRows } from './northbound.ts'

type PortRow = RowOf<'Logical_Switch_Port'>

const NAD = 'k8s.ovn.org/nad'
const NETWORK = 'k8s.ovn.org/network'
const ROLE = 'k8s.ovn.org/role'

/** Ports without a type (`remote` ones are other zones'), on switches that are no pod's primary network. */
export function portsOf(rows: NorthboundRows): readonly OvnPort[] {
  return [...new PortReader().replaced(rows).values()]
}

/** Keeps in mind which ports are on primary networks, so that a change of rows is a change of a few ports. */
export class PortReader {
  #primary = new Set<Uuid>()

  /** All ports there are, by the UUIDs of their rows. */
  replaced({ Logical_Switch_Port, Logical_Switch }: NorthboundRows): ReadonlyMap<string, OvnPort> {
    this.#primary = new Set([...Logical_Switch.values()].flatMap(primaryPorts))
    const ports = [...Logical_Switch_Port.values()].map((row) => this.#parsed(row))
    return new Map(ports.filter((port) => port !== undefined))
  }

  /** Those that may be otherwise; undefined for what is no port to govern, or not there any more. */
  changed(
    { Logical_Switch_Port }: NorthboundRows,
    changes: readonly NorthboundChange[],
  ): ReadonlyMap<string, OvnPort | undefined> {
    const switches = changes.filter((each) => each.table === 'Logical_Switch')
    const old = new Set(switches.flatMap((each) => ('before' in each ? primaryPorts(each.before) : [])))
    const now = new Set(switches.flatMap((each) => ('after' in each ? primaryPorts(each.after) : [])))
    for (const uuid of old) this.#primary.delete(uuid)
    for (const uuid of now) this.#primary.add(uuid)
    const uuids = old.symmetricDifference(now)
    for (const change of changes) {
      if (change.table !== 'Logical_Switch_Port') continue
      uuids.add('after' in change ? change.after._uuid : change.before._uuid)
    }
    return new Map(
      [...uuids].map((uuid) => {
        const row = Logical_Switch_Port.get(uuid)
        return [uuid, row && this.#parsed(row)?.[1]]
      }),
    )
  }

  #parsed(row: PortRow): [string, OvnPort] | undefined {
    if (row.type !== '' || this.#primary.has(row._uuid)) return undefined
    const port = parsePort(row)
    return port && [row._uuid, port]
  }
}

function primaryPorts({ ports, external_ids }: RowOf<'Logical_Switch'>): readonly Uuid[] {
  return external_ids.get(ROLE) === 'primary' ? [...ports] : []
}

function parsePort({ _uuid, name, addresses, options, external_ids }: PortRow): OvnPort | undefined {
  const namespace = external_ids.get('namespace')
  const network = parseNad(external_ids.get(NAD))
  if (namespace === undefined || network === undefined) return undefined
  return {
    id: _uuid,
    name,
    namespace,
    network,
    ovnNetwork: external_ids.get(NETWORK) ?? '',
    podUid: options.get('iface-id-ver'),
    addresses: [...addresses].flatMap(parseAddresses),
  }
}

/** `namespace/name`, and a number after it where a pod has the network more than once. */
function parseNad(text: string | undefined): NamespacedName | undefined {
  const match = /^([^/]+\/[^/]+)(?:\/[0-9]+)?$/.exec(text ?? '')
  return match?.[1] as NamespacedName | undefined
}

/** `MAC IP IP …`, `MAC` alone, or a word such as `unknown`. */
function parseAddresses(text: string): readonly Address[] {
  return text
    .split(' ')
    .slice(1)
    .flatMap((each) => parseAddress(each) ?? [])
}

/**
 * OVN's names of the networks on which ovn-kubernetes enforces MultiNetworkPolicy itself: the controller of such a
 * network keeps address sets of namespaces, or port groups of their policies.
 */
export function enforcedByOvnKubernetes({ Address_Set, Port_Group }: SignRows): ReadonlySet<string> {
  const controllers = [...Address_Set.values(), ...Port_Group.values()].flatMap(
    ({ external_ids }) => external_ids.get('k8s.ovn.org/owner-controller') ?? [],
  )
  return new Set(controllers.flatMap((name) => /^(.+)-network-controller$/.exec(name)?.[1] ?? []))
}
