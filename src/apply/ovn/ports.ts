/** Ports of pods as rows, parsed; whatever is not a pod's secondary interface of this database's own is left out. */
import { type Address, parseAddress } from '../../compile/address.ts'
import type { NamespacedName } from '../../compile/model.ts'
import type { OvnPort } from '../../compile/ovn/ports.ts'
import type { NorthboundRows, RowOf, SignRows } from './northbound.ts'

type PortRow = RowOf<'Logical_Switch_Port'>

const NAD = 'k8s.ovn.org/nad'
const NETWORK = 'k8s.ovn.org/network'
const ROLE = 'k8s.ovn.org/role'

/**
 * Ports without a type (`remote` ones are other zones'), on switches that are no pod's primary network.
 */
export function portsOf({ Logical_Switch_Port, Logical_Switch }: NorthboundRows): readonly OvnPort[] {
  const primary = new Set(
    [...Logical_Switch.values()]
      .filter(({ external_ids }) => external_ids.get(ROLE) === 'primary')
      .flatMap(({ ports }) => [...ports]),
  )
  return [...Logical_Switch_Port.values()].flatMap((row) =>
    row.type !== '' || primary.has(row._uuid) ? [] : (parsePort(row) ?? []),
  )
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
