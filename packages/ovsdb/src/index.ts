/** Everything that the package exports. */

export type { BackoffOptions } from './backoff.ts'
export { OvsdbClient } from './client.ts'
export type { ClientOptions, ClientState } from './client-options.ts'
export type { Clock } from './clock.ts'
export {
  type AtomType,
  asUuid,
  type Column,
  type ColumnType,
  type Database,
  type NamedUuid,
  type Row,
  type Table,
  type Tables,
  type Uuid,
  type Value,
  type Written,
  type WrittenRow,
} from './description.ts'
export { type Endpoint, parseEndpoints, showEndpoint } from './endpoint.ts'
export type { Role } from './leadership.ts'
export { type Lock, type LockState, STOLEN } from './lock.ts'
export type { Monitor, MonitorEvent, MonitoredChange, MonitoredTables, MonitorSpec } from './monitor.ts'
export type { Condition, Mutation, Operation, TransactResult } from './operations.ts'
export { OVN_NORTHBOUND } from './ovn-nb.ts'
export type { TlsFiles } from './socket.ts'
