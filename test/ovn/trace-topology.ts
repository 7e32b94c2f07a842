/**
 * The switches and ports that ovn-kubernetes makes for secondary networks, one form for each topology, with a port on each
 * switch behind which everybody else is: what a pod is sent comes from there, and what it sends goes there.
 */
import type { NorthboundOperation } from '../../src/apply/ovn/northbound.ts'
import { portName } from '../../src/compile/ovn/ports.ts'

export type Topology = 'layer2' | 'layer3' | 'localnet'

export interface PortSpec {
  readonly network: `${string}/${string}`
  readonly namespace: string
  readonly pod: string
  readonly uid: string
  readonly mac: string
  /** Without prefix lengths; none for a network without subnets. */
  readonly addresses: readonly string[]
  readonly node: string
}

export const OUTSIDE_MAC = '0a:00:00:00:ff:01'

export function switchName(topology: Topology, network: string, node: string): string {
  const prefix = ovnNetwork(network).replaceAll(/[-/]/g, '.')
  if (topology === 'layer3') return `${prefix}_${node}`
  return `${prefix}_ovn_${topology}_switch`
}

export function outsidePort(switchName: string): string {
  return `${switchName}_outside`
}

/** The `name` in the definition's configuration, which no two networks share. */
function ovnNetwork(network: string): string {
  return network.replace('/', '-')
}

/** Everything in one transaction. */
export function topologyRows(topology: Topology, ports: readonly PortSpec[]): readonly NorthboundOperation[] {
  const bySwitch = Map.groupBy(
    ports,
    ({ network, node }) => `${switchName(topology, network, node)} ${network}`,
  )
  const operations: NorthboundOperation[] = []
  for (const [key, own] of bySwitch) {
    const [name = '', network = ''] = key.split(' ')
    const ids = new Map([
      ['k8s.ovn.org/network', ovnNetwork(network)],
      ['k8s.ovn.org/topology', topology],
    ])
    const outside = outsidePort(name)
    const named = own.map((port) => insertPort(port, ids, operations))
    operations.push({
      op: 'insert',
      table: 'Logical_Switch_Port',
      uuidName: `p${operations.length}`,
      row: {
        name: outside,
        addresses: ['unknown'],
        ...(topology === 'localnet'
          ? { type: 'localnet', options: new Map([['network_name', outside]]) }
          : {}),
      },
    })
    named.push(`p${operations.length - 1}`)
    const row = { name, external_ids: ids, ports: named.map((each) => ({ named: each })) }
    operations.push({ op: 'insert', table: 'Logical_Switch', row })
  }
  return operations
}

function insertPort(
  { network, namespace, pod, uid, mac, addresses, node }: PortSpec,
  ids: ReadonlyMap<string, string>,
  operations: NorthboundOperation[],
): string {
  const uuidName = `p${operations.length}`
  operations.push({
    op: 'insert',
    table: 'Logical_Switch_Port',
    uuidName,
    row: {
      name: portName(network, namespace, pod),
      addresses: [[mac, ...addresses].join(' ')],
      options: new Map([
        ['iface-id-ver', uid],
        ['requested-chassis', node],
      ]),
      external_ids: new Map([
        ...ids,
        ['k8s.ovn.org/nad', network],
        ['namespace', namespace],
        ['pod', 'true'],
      ]),
    },
  })
  return uuidName
}
