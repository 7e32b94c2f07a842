/** What is read of OVN_Northbound (ovn-nb(5)), and by which client. */
import {
  type MonitoredChange,
  type MonitoredTables,
  type Operation,
  OVN_NORTHBOUND,
  OvsdbClient,
  type TlsFiles,
  type Uuid,
} from 'ovsdb'
import { OWNER, OWNER_CONTROLLER, OWNER_TYPE } from '../../compile/ovn/names.ts'

export type Northbound = typeof OVN_NORTHBOUND
export type NorthboundClient = OvsdbClient<Northbound>
export type NorthboundOperation = Operation<Northbound>

/** Where the database is, and with which certificates it is spoken to. */
export interface NorthboundAddress {
  /** `unix:…`, `tcp:…`, `ssl:…`, comma separated. */
  readonly endpoints: string
  readonly tls: TlsFiles | undefined
}

/** Only one writer at a time; the name is ours among those of the server's locks. */
export const LOCK = 'multi_networkpolicyd'

/** Ours, by which rows are told from everybody else's. */
export const OURS: ReadonlyMap<string, string> = new Map([[OWNER_CONTROLLER, OWNER]])

/**
 * Ports of pods, the switches that they are on, and the rows that are ours. Whether an ACL of ours logs is left to
 * whoever looks for something.
 */
export const PORTS_AND_OURS = {
  Logical_Switch: { columns: ['ports', 'external_ids'] },
  Logical_Switch_Port: {
    columns: ['name', 'type', 'addresses', 'options', 'external_ids'],
    anyOf: [['external_ids', 'includes', new Map([['pod', 'true']]) as ReadonlyMap<string, string>]],
  },
  Port_Group: {
    columns: ['name', 'ports', 'acls', 'external_ids'],
    anyOf: [['external_ids', 'includes', OURS as ReadonlyMap<string, string>]],
  },
  Address_Set: {
    columns: ['name', 'addresses', 'external_ids'],
    anyOf: [['external_ids', 'includes', OURS as ReadonlyMap<string, string>]],
  },
  ACL: {
    columns: ['name', 'priority', 'direction', 'match', 'action', 'label', 'options', 'tier', 'external_ids'],
    anyOf: [['external_ids', 'includes', OURS as ReadonlyMap<string, string>]],
  },
} as const

/** Rows by which ovn-kubernetes shows that it enforces policies itself. Of each only what says whose it is. */
export const SIGNS_OF_OVN_KUBERNETES = {
  Address_Set: {
    columns: ['external_ids'],
    anyOf: [
      ['external_ids', 'includes', new Map([[OWNER_TYPE, 'Namespace']]) as ReadonlyMap<string, string>],
    ],
  },
  Port_Group: {
    columns: ['external_ids'],
    anyOf: [
      ['external_ids', 'includes', new Map([[OWNER_TYPE, 'NetpolNamespace']]) as ReadonlyMap<string, string>],
    ],
  },
} as const

export type NorthboundRows = MonitoredTables<Northbound, typeof PORTS_AND_OURS>
/** Of ports, switches, or rows of ours. */
export type NorthboundChange = MonitoredChange<Northbound, typeof PORTS_AND_OURS>
export type SignRows = MonitoredTables<Northbound, typeof SIGNS_OF_OVN_KUBERNETES>
export type RowOf<N extends keyof NorthboundRows> =
  NorthboundRows[N] extends ReadonlyMap<Uuid, infer R> ? R : never

export function openNorthbound(
  { endpoints, tls }: NorthboundAddress,
  options: Pick<ConstructorParameters<typeof OvsdbClient<Northbound>>[0], 'signal' | 'onState'> = {},
): NorthboundClient {
  return new OvsdbClient({
    endpoints,
    description: OVN_NORTHBOUND,
    ...(tls === undefined ? {} : { tls }),
    ...options,
    // A writer that waits long for its database to come back leaves it to nobody.
    backoff: { firstMs: 100, mostMs: 2_000 },
  })
}
