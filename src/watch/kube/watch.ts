/**
 * One watch: from its request to its end, which always comes, since the server is asked to end it after some
 * minutes. What it brings is checked here, as far as the API promises it for every kind.
 */
import type { Clock } from '../../clock.ts'
import type { ApiConnection } from './connection.ts'
import { type Expired, type Failure, failureOfAnswer, failureOfError, failureOfStatus } from './failure.ts'
import { IdleGuard } from './idle.ts'
import { Malformed } from './malformed.ts'
import { acceptOf, type Resource, selectorsOf, shortenerOf } from './resource.ts'
import { watchLines } from './watch-lines.ts'

export interface WatchRequest {
  readonly connection: ApiConnection
  readonly resource: Resource
  readonly clock: Clock
  /** What happened after this version is brought. */
  readonly resourceVersion: string
  /** After which the server is to end the watch. */
  readonly timeoutSeconds: number
  /** Silence after which the watch is given up. */
  readonly idleMs: number
  readonly maxObjectBytes: number
}

export type WatchEvent =
  /** The server accepted. */
  | { readonly kind: 'open' }
  | { readonly kind: 'changed' | 'deleted'; readonly raw: unknown; readonly resourceVersion: string }
  /** Nothing happened up to this version. */
  | { readonly kind: 'bookmark'; readonly resourceVersion: string }

export type WatchEnd =
  /** As HTTP ends a body: nothing was lost. */
  { readonly kind: 'ended' } | { readonly kind: 'mute' } | Expired | Failure

/** Throws when the signal aborts. */
export async function* watch(
  request: WatchRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent, WatchEnd, undefined> {
  const { connection, resource, idleMs } = request
  using guard = new IdleGuard(idleMs, request.clock, signal)
  let stage: 'open' | 'stream' = 'open'
  try {
    const response = await connection.get(resource.path, {
      query: queryOf(request),
      accept: acceptOf(resource, 'watch'),
      compressed: false,
      signal: guard.signal,
    })
    const body = guard.over(response.body)
    if (response.status !== 200) return await failureOfAnswer(resource, stage, { ...response, body })
    yield { kind: 'open' }
    stage = 'stream'
    for await (const line of watchLines(body, request.maxObjectBytes, shortenerOf(resource))) {
      const event = eventOf(line, resource)
      if ('raw' in event || event.kind === 'bookmark') yield event
      else return event
    }
    return { kind: 'ended' }
  } catch (error) {
    signal.throwIfAborted()
    return guard.fired ? { kind: 'mute' } : failureOfError(resource, stage, error)
  }
}

function queryOf({ resource, resourceVersion, timeoutSeconds }: WatchRequest): Record<string, string> {
  return {
    ...selectorsOf(resource),
    watch: '1',
    allowWatchBookmarks: 'true',
    resourceVersion,
    timeoutSeconds: String(timeoutSeconds),
  }
}

type LineEvent = Exclude<WatchEvent, { kind: 'open' }>

/** @throws {Malformed} where the line is no watch event, for then one may be lost. */
function eventOf(line: unknown, resource: Resource): LineEvent | Expired | Failure {
  const { type, object } = (line ?? {}) as { type?: unknown; object?: unknown }
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      return { kind: 'changed', raw: object, resourceVersion: versionOf(object, type) }
    case 'DELETED':
      return { kind: 'deleted', raw: object, resourceVersion: versionOf(object, type) }
    case 'BOOKMARK':
      return { kind: 'bookmark', resourceVersion: versionOf(object, type) }
    case 'ERROR':
      return failureOfStatus(resource, object)
    default:
      throw new Malformed(`a watch event has the unknown type ${JSON.stringify(type) ?? 'undefined'}`)
  }
}

function versionOf(object: unknown, type: string): string {
  const { metadata } = (object ?? {}) as { metadata?: { resourceVersion?: unknown } | null }
  const version = metadata?.resourceVersion
  if (typeof version === 'string' && version !== '') return version
  throw new Malformed(`a watch event ${type} has an object without metadata.resourceVersion`)
}
