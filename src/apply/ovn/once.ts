/** A northbound database for commands that look, or act, once and end. */
import type { TransactResult } from 'ovsdb'
import type { Cluster } from '../../compile/cluster.ts'
import { compileOvn, type OvnCompileOptions } from '../../compile/ovn/compile.ts'
import { portsByPod } from '../../compile/ovn/port-index.ts'
import type { PortsByPod } from '../../compile/ovn/ports.ts'
import { ovnLines } from '../../compile/ovn/text.ts'
import {
  type NorthboundAddress,
  type NorthboundClient,
  type NorthboundRows,
  OURS,
  openNorthbound,
  PORTS_AND_OURS,
  SIGNS_OF_OVN_KUBERNETES,
  type SignRows,
} from './northbound.ts'
import { enforcedByOvnKubernetes, portsOf } from './ports.ts'
import { portNames, standingRows } from './standing.ts'

export interface OvnAudit {
  /** What the policies ask for, and what stands, as text. */
  readonly wanted: readonly string[]
  readonly standing: readonly string[]
  readonly issues: ReturnType<typeof compileOvn>['issues']
}

/** @throws Error where the database cannot be read before the signal aborts */
export async function auditNorthbound(
  address: NorthboundAddress,
  cluster: Cluster,
  options: Omit<OvnCompileOptions, 'leftToOvnKubernetes'> & { readonly enforceAlways: boolean },
  signal: AbortSignal,
): Promise<OvnAudit> {
  const { rows, signs } = await readNorthbound(address, signal)
  const leftToOvnKubernetes = options.enforceAlways ? new Set<string>() : enforcedByOvnKubernetes(signs)
  const compiled = compileOvn(cluster, portsOf(rows), { ...options, leftToOvnKubernetes })
  const names = portNames(rows)
  return {
    wanted: ovnLines(compiled.rows, names),
    standing: ovnLines(standingRows(rows), names),
    issues: compiled.issues,
  }
}

/** The ports that the pods have there. @throws Error where the database cannot be read before the signal aborts */
export async function portsInNorthbound(
  address: NorthboundAddress,
  cluster: Cluster,
  signal: AbortSignal,
): Promise<PortsByPod> {
  const { rows } = await readNorthbound(address, signal)
  return portsByPod(cluster, portsOf(rows))
}

/** How many rows of ours were taken away; ACLs go with their groups. @throws Error where that failed */
export async function cleanNorthbound(
  address: NorthboundAddress,
  signal: AbortSignal,
): Promise<{ readonly portGroups: number; readonly addressSets: number }> {
  return await withClient(address, signal, async (client) => {
    const ours = [['external_ids', 'includes', OURS]] as const
    const result = await client.transact(
      [
        { op: 'delete', table: 'Port_Group', where: ours },
        { op: 'delete', table: 'Address_Set', where: ours },
      ],
      signal,
    )
    if (result.kind !== 'committed') throw new Error(reasonOf(result))
    const [portGroups = 0, addressSets = 0] = result.counts
    return { portGroups, addressSets }
  })
}

async function readNorthbound(
  address: NorthboundAddress,
  signal: AbortSignal,
): Promise<{ readonly rows: NorthboundRows; readonly signs: SignRows }> {
  return await withClient(address, signal, async (client) => {
    using rows = client.monitor(PORTS_AND_OURS)
    using signs = client.monitor(SIGNS_OF_OVN_KUBERNETES)
    await Promise.all([firstCopy(rows), firstCopy(signs)])
    return { rows: rows.tables, signs: signs.tables }
  })
}

async function firstCopy(monitor: AsyncIterable<{ readonly kind: string }>): Promise<void> {
  const events = monitor[Symbol.asyncIterator]()
  for (let next = await events.next(); !next.done; next = await events.next()) {
    if (next.value.kind === 'synchronized') return
  }
  throw new Error('the session ended before a copy was read')
}

async function withClient<T>(
  address: NorthboundAddress,
  signal: AbortSignal,
  use: (client: NorthboundClient) => Promise<T>,
): Promise<T> {
  let reason = 'no answer'
  const onState: NonNullable<Parameters<typeof openNorthbound>[1]>['onState'] = (state) => {
    if (state.kind === 'disconnected') reason = `${state.endpoint}: ${state.reason}`
  }
  await using client = openNorthbound(address, { signal, onState })
  try {
    await client.ready(signal)
  } catch (error) {
    throw new Error(`OVN northbound database: ${reason}`, { cause: error })
  }
  return await use(client)
}

function reasonOf(result: Exclude<TransactResult, { kind: 'committed' }>): string {
  return result.kind === 'refused' ? `${result.error}: ${result.details}` : result.reason
}
