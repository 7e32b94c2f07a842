/**
 * Whether a server is one to talk to, by its database `_Server` (ovsdb-server(5)). In a cluster only the leader
 * has everything that was committed, and a lock is a matter of one server: so writers go to the leader. Servers
 * before 2.9 have no such database, and no clusters either.
 */
import type { Row } from './description.ts'
import { isList, type Json } from './json.ts'
import { Replication } from './replication.ts'
import { checkSchema } from './schema.ts'
import { SERVER } from './server-db.ts'
import type { Reply, Session } from './session.ts'

/** `any`: a follower or a relay will do, to read from; its copy may be older than what was seen elsewhere. */
export type Role = 'leader' | 'any'

/** A request of the session that is looked at. */
export type Ask = (method: string, params: readonly Json[]) => Promise<Reply>

/** Notifications are to be handed to it, for as long as the session lasts. */
export type Watch = {
  /** Why the server is none to talk to; undefined when it is. When that changes, the session is closed. */
  readonly objection: Promise<string | undefined>
  readonly notify: (method: string, params: readonly Json[]) => void
}

export function watchLeadership(session: Session, ask: Ask, database: string, role: Role): Watch {
  const first = Promise.withResolvers<string | undefined>()
  const look = (): string | undefined => objectionTo(databaseRow(replication, database), role)
  const replication: Replication = new Replication(
    'leadership',
    SERVER.name,
    { Database: { columns: Object.keys(SERVER.tables.Database), anyOf: [['name', '==', database]] } },
    {
      onSynchronized: () => first.resolve(look()),
      onChanged: () => {
        const objection = look()
        if (objection !== undefined) session.close(objection)
      },
    },
  )
  session.closed.then(first.resolve)
  begin(session, ask, replication).then((problem) => {
    if (problem !== 'begun') first.resolve(problem)
  }, first.reject)
  return {
    objection: first.promise,
    notify: (method, params) => {
      replication.notify(session, method, params)
    },
  }
}

/** `begun`, or what stands against the server; undefined for an old one, which is what it seems to be. */
async function begin(session: Session, ask: Ask, replication: Replication): Promise<string | undefined> {
  const names = await ask('list_dbs', [])
  if (names.kind !== 'result' || !isList(names.result)) return 'the databases cannot be listed'
  if (!names.result.includes(SERVER.name)) return undefined
  const reply = await ask('get_schema', [SERVER.name])
  const checked = checkSchema(SERVER, reply.kind === 'result' ? reply.result : null)
  if (checked.kind === 'unsuitable') return `_Server: ${checked.problems.join('; ')}`
  replication.attach(session, checked.schema)
  return 'begun'
}

type DatabaseRow = Row<typeof SERVER.tables.Database>

function databaseRow(replication: Replication, name: string): DatabaseRow | undefined {
  // The rows were decoded by the description that the type is made from.
  const rows = [...(replication.tables.get('Database')?.values() ?? [])] as unknown as readonly DatabaseRow[]
  return rows.find((row) => row.name === name)
}

function objectionTo(row: DatabaseRow | undefined, role: Role): string | undefined {
  if (row === undefined) return 'the server does not have the database'
  if (row.model === 'standalone') return undefined
  if (!row.connected) return `the server's ${row.model} database is cut off from its source`
  return role === 'leader' && !row.leader ? `the server is not the leader (${row.model})` : undefined
}
