/** Sees each transaction of a database by itself, as ovsdb-server tells of it, and holds the rows as they are now. */
import type { MonitoredTables, Uuid } from 'ovsdb'
import { connect, type Session } from '../../packages/ovsdb/src/session.ts'
import { type Northbound, type NorthboundClient, openNorthbound } from '../../src/apply/ovn/northbound.ts'
import { portNames, standingRows } from '../../src/apply/ovn/standing.ts'
import { ovnLines } from '../../src/compile/ovn/text.ts'

const EVERYTHING = {
  Logical_Switch: { columns: ['name', 'ports', 'acls', 'external_ids'] },
  Logical_Switch_Port: { columns: ['name', 'type', 'addresses', 'options', 'external_ids'] },
  Port_Group: { columns: ['name', 'ports', 'acls', 'external_ids'] },
  Address_Set: { columns: ['name', 'addresses', 'external_ids'] },
  ACL: {
    columns: ['name', 'priority', 'direction', 'match', 'action', 'label', 'options', 'tier', 'external_ids'],
  },
} as const

type Everything = MonitoredTables<Northbound, typeof EVERYTHING>

type RowsOf<N extends keyof Everything> =
  Everything[N] extends ReadonlyMap<unknown, infer R> ? readonly R[] : never

/** Of `update2`, by row: `{ insert: … }`, `{ modify: { column: … } }`, `{ delete: null }`. */
type Update = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, object | null>>>>>>

export class Watcher implements AsyncDisposable {
  readonly #endpoint: UnixEndpoint
  readonly #client: NorthboundClient
  readonly #session: Session
  readonly #tables: () => Everything
  readonly #updates: Update[]

  static async of(endpoint: string): Promise<Watcher> {
    const client = openNorthbound({ endpoints: endpoint, tls: undefined })
    await client.ready()
    const monitor = client.monitor(EVERYTHING)
    await monitor[Symbol.asyncIterator]().next()
    const updates: Update[] = []
    const connected = await connect(unixEndpoint(endpoint), {
      signal: AbortSignal.timeout(600_000),
      onNotification: (method, params) => {
        if (method === 'update2') updates.push(params[1] as unknown as Update)
      },
    })
    if (connected.kind === 'failed') throw new Error(connected.reason)
    const watcher = new Watcher(
      unixEndpoint(endpoint),
      client,
      connected.session,
      () => monitor.tables,
      updates,
    )
    const tables = ['Port_Group', 'Address_Set', 'ACL']
    const wanted = Object.fromEntries(tables.map((table) => [table, [{}]]))
    await connected.session.request(
      'monitor_cond',
      ['OVN_Northbound', 'all', wanted],
      AbortSignal.timeout(20_000),
      20_000,
    )
    return watcher
  }

  private constructor(
    endpoint: UnixEndpoint,
    client: NorthboundClient,
    session: Session,
    tables: () => Everything,
    updates: Update[],
  ) {
    this.#endpoint = endpoint
    this.#client = client
    this.#session = session
    this.#tables = tables
    this.#updates = updates
  }

  /** What was done to groups, sets and ACLs since the last call, a list for each transaction: `ACL modified: match`. */
  async transactions(): Promise<readonly (readonly string[])[]> {
    await this.now()
    await this.#session.request('echo', [], AbortSignal.timeout(20_000), 20_000)
    return this.#updates.splice(0).map(described)
  }

  /** Takes a lock from whoever has it, for as long as the session that is returned lasts. */
  async steal(lock: string): Promise<Session> {
    const signal = AbortSignal.timeout(60_000)
    const connected = await connect(this.#endpoint, { signal, onNotification: () => {} })
    if (connected.kind === 'failed') throw new Error(connected.reason)
    await connected.session.request('steal', [lock], signal, 20_000)
    return connected.session
  }

  /** Waits until the rows are as they are in the database at this moment. */
  async now(): Promise<void> {
    await this.#client.transact([{ op: 'comment', comment: 'seen' }])
  }

  rows<N extends 'Port_Group' | 'Address_Set' | 'ACL'>(table: N): RowsOf<N> {
    const rows = [...this.#tables()[table].values()] as { readonly name?: string | undefined }[]
    return rows.sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1)) as unknown as RowsOf<N>
  }

  /** The UUID of a pod's port, as often as it is in a group. */
  ports(pod: string): readonly string[] {
    const { Port_Group, Logical_Switch_Port } = this.#tables()
    return [...Port_Group.values()].flatMap(({ ports }) =>
      [...ports].filter((uuid) => Logical_Switch_Port.get(uuid)?.name === `shop.blue_shop_${pod}`),
    )
  }

  /** The rows with our names, whosever they say they are. */
  text(): string {
    const tables = this.#tables()
    const ours = <R extends { readonly name: string }>(rows: ReadonlyMap<Uuid, R>): never =>
      new Map([...rows].filter(([, { name }]) => name.startsWith('mnpd_'))) as never
    const rows = { ...tables, Port_Group: ours(tables.Port_Group), Address_Set: ours(tables.Address_Set) }
    return ovnLines(standingRows(rows), portNames(tables)).join('\n')
  }

  /** Everything else, a line a row. */
  foreign(): readonly string[] {
    const tables = Object.entries(this.#tables()) as [string, ReadonlyMap<string, object>][]
    return tables
      .flatMap(([table, rows]) => [...rows.values()].map((row) => `${table} ${shown(row)}`))
      .filter((line) => !line.includes('multi-networkpolicyd'))
      .sort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session.close('done')
    await this.#client[Symbol.asyncDispose]()
  }
}

type UnixEndpoint = { readonly kind: 'unix'; readonly path: string }

function unixEndpoint(text: string): UnixEndpoint {
  return { kind: 'unix', path: text.replace('unix:', '') }
}

function described(update: Update): string[] {
  return Object.entries(update).flatMap(([table, rows]) =>
    Object.values(rows).map((row) => {
      if ('insert' in row) return `${table} inserted`
      if ('delete' in row) return `${table} deleted`
      const columns = Object.keys(row['modify'] ?? {}).filter((column) => column !== '_version')
      return `${table} modified: ${columns.sort().join(', ')}`
    }),
  )
}

function shown(row: object): string {
  return JSON.stringify(row, (_, value: unknown) =>
    value instanceof Map || value instanceof Set
      ? [...value].map((each) => JSON.stringify(each)).sort()
      : value,
  )
}
