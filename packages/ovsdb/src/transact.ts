/** One transaction: sent, and its answer read (RFC 7047, section 4.1.3). */
import { EncodeError, isErrorObject } from './codec.ts'
import { isUuid, type Uuid } from './description.ts'
import { encodeOperation } from './encode-operation.ts'
import { brief, isList, isObject, type Json, type JsonObject } from './json.ts'
import type { AnyOperation, TransactResult } from './operations.ts'
import type { Schema } from './schema.ts'
import type { Session } from './session.ts'

/** Never rejects: what the server, the network or a value says against it is in the result. */
export async function transact(
  session: Session,
  database: string,
  schema: Schema,
  operations: readonly AnyOperation[],
  signal: AbortSignal,
  timeoutMs: number,
): Promise<TransactResult> {
  const encoded: JsonObject[] = []
  for (const operation of operations) {
    try {
      encoded.push(encodeOperation(schema, operation))
    } catch (error) {
      if (!(error instanceof EncodeError)) throw error
      return { kind: 'refused', error: 'invalid value', details: error.message, operation: encoded.length }
    }
  }
  const reply = await session.request('transact', [database, ...encoded], signal, timeoutMs)
  if (reply.kind === 'unsent') return { kind: 'unsent', reason: reply.reason }
  if (reply.kind === 'unanswered') return { kind: 'unknown', reason: reply.reason }
  if (reply.kind === 'error') return refused(reply.error, undefined)
  return readResults(reply.result, operations.length)
}

/**
 * One result for each operation; null for those after one that failed; and, when all went well but the commit
 * itself did not, one more.
 */
function readResults(results: Json, count: number): TransactResult {
  if (!isList(results) || results.length < count) return unreadable(results)
  const failed = results.findIndex((result) => isErrorObject(result))
  if (failed >= 0) return refused(results[failed], failed < count ? failed : undefined)
  const uuids: (Uuid | undefined)[] = []
  const counts: (number | undefined)[] = []
  for (const result of results.slice(0, count)) {
    if (!isObject(result)) return unreadable(results)
    uuids.push(readUuid(result['uuid']))
    counts.push(typeof result['count'] === 'number' ? result['count'] : undefined)
  }
  return { kind: 'committed', uuids, counts }
}

function readUuid(json: Json | undefined): Uuid | undefined {
  const text = isList(json) ? json[1] : undefined
  return typeof text === 'string' && isUuid(text) ? text : undefined
}

const unreadable = (results: Json): TransactResult => ({
  kind: 'unknown',
  reason: `no results of a transaction: ${brief(results)}`,
})

function refused(error: Json | undefined, operation: number | undefined): TransactResult {
  if (!isErrorObject(error)) {
    return {
      kind: 'refused',
      error: typeof error === 'string' ? error : brief(error),
      details: '',
      operation,
    }
  }
  const { details = '' } = error
  const text = typeof details === 'string' ? details : brief(details)
  return { kind: 'refused', error: error.error, details: text, operation }
}
