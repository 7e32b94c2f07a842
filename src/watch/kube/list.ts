/**
 * One whole list of a resource, page by page. Objects are decoded as their bytes arrive and the bytes dropped,
 * so a list costs what its decoded objects cost.
 */
import type { Clock } from '../../clock.ts'
import type { ApiConnection } from './connection.ts'
import { wordsOf } from './connection-error.ts'
import { type Expired, type Failure, failure, failureOfAnswer, failureOfError } from './failure.ts'
import { IdleGuard } from './idle.ts'
import { type ListMetadata, ListReader } from './list-items.ts'
import { acceptOf, type Resource, selectorsOf, shortenerOf } from './resource.ts'

export interface ListRequest<T> {
  readonly connection: ApiConnection
  readonly resource: Resource
  readonly decode: (raw: unknown) => T
  readonly keeps: (object: T) => boolean
  readonly clock: Clock
  /** Objects a page; undefined asks for all at once. */
  readonly pageSize: number | undefined
  /** Silence within a body after which it is given up. */
  readonly idleMs: number
  readonly maxObjectBytes: number
  /**
   * `cache`: whatever the API server has in memory, which is cheapest for it and may be a moment old; a server
   * that answers so ignores the page size. `latest`: nothing older than now, as a relist needs, for it must
   * not go back behind what was seen before.
   */
  readonly from: 'cache' | 'latest'
}

export interface Listed<T> {
  readonly kind: 'listed'
  readonly objects: readonly T[]
  /** Where a watch goes on from. */
  readonly resourceVersion: string
  /** About the first object that decode threw on. Such objects are left out. */
  readonly undecoded: Failure | undefined
}

type PageRequest = Omit<ListRequest<never>, 'decode' | 'keeps'>

/** Of a list of one object, which is not decoded. */
type OneRequest = Omit<PageRequest, 'pageSize' | 'from'>

/** `expired` means that a page's token was too old by the time it was used. Throws when the signal aborts. */
export async function list<T>(
  request: ListRequest<T>,
  signal: AbortSignal,
): Promise<Listed<T> | Expired | Failure> {
  const objects: T[] = []
  let undecoded: Failure | undefined
  const take = (raw: unknown): void => {
    try {
      const object = request.decode(raw)
      if (request.keeps(object)) objects.push(object)
    } catch (error) {
      undecoded ??= undecodable(request.resource, raw, error)
    }
  }
  let resourceVersion: string | undefined
  for (let token: string | undefined; ; ) {
    const page = await readPage(request, token, take, signal)
    if ('kind' in page) return page
    // The first page's, where a later one differs: what a watch repeats does no harm, what it skips does.
    resourceVersion ??= page.resourceVersion
    token = page.continue
    if (token === undefined) return { kind: 'listed', objects, resourceVersion, undecoded }
  }
}

/** The version that the store stands at now, asked for by a list of one object. Throws when the signal aborts. */
export async function newestVersion(
  request: OneRequest,
  signal: AbortSignal,
): Promise<string | Expired | Failure> {
  const page = await readPage({ ...request, pageSize: 1, from: 'latest' }, undefined, () => undefined, signal)
  return 'kind' in page ? page : page.resourceVersion
}

/** How many objects there are, whatever the selectors, which the server does not count by; undefined where it does not say. */
export async function countObjects(request: OneRequest, signal: AbortSignal): Promise<number | undefined> {
  const { path, kind, accept } = request.resource
  const all = { ...request, resource: { path, kind, accept }, pageSize: 1, from: 'latest' as const }
  const page = await readPage(all, undefined, () => undefined, signal)
  return 'kind' in page || page.remaining === undefined ? undefined : page.remaining + 1
}

/** What decode threw, by the object's name. */
export function undecodable(resource: Resource, raw: unknown, error: unknown): Failure {
  const { metadata } = (raw ?? {}) as { metadata?: { namespace?: unknown; name?: unknown } | null }
  const name = [metadata?.namespace, metadata?.name].filter((part) => typeof part === 'string').join('/')
  return failure(resource, 'object', `${resource.kind} ${name} cannot be decoded: ${wordsOf(error)}`, 'list')
}

async function readPage(
  request: PageRequest,
  token: string | undefined,
  take: (raw: unknown) => void,
  signal: AbortSignal,
): Promise<ListMetadata | Expired | Failure> {
  const { connection, resource, idleMs } = request
  using guard = new IdleGuard(idleMs, request.clock, signal)
  try {
    const response = await connection.get(resource.path, {
      query: queryOf(request, token),
      accept: acceptOf(resource, 'list'),
      signal: guard.signal,
    })
    const body = guard.over(response.body)
    if (response.status !== 200) return await failureOfAnswer(resource, 'list', { ...response, body })
    const reader = new ListReader(take, request.maxObjectBytes, shortenerOf(resource))
    for await (const chunk of body) reader.push(chunk)
    return reader.end()
  } catch (error) {
    signal.throwIfAborted()
    if (guard.fired) return failure(resource, 'list', `no byte within ${idleMs / 1000} s`, 'list')
    return failureOfError(resource, 'list', error)
  }
}

/** A page's token stands for the version and the match too, which may not be given again next to it. */
function queryOf(
  { resource, pageSize, from }: PageRequest,
  token: string | undefined,
): Record<string, string> {
  const start = from === 'cache' ? { resourceVersion: '0', resourceVersionMatch: 'NotOlderThan' } : {}
  return {
    ...selectorsOf(resource),
    ...(pageSize !== undefined && { limit: String(pageSize) }),
    ...(token === undefined ? start : { continue: token }),
  }
}
