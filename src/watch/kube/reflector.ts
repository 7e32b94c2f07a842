/**
 * Keeps a consumer's picture of one kind of object the same as the API server's: a list, then a watch from
 * where the list stands, and a list again whenever an event may have been lost. It never ends by itself and
 * never throws: whatever the server, or what stands between, does wrong is said as `failing`, and tried again.
 *
 * The order of events is that of the API. What the consumer holds changes either by one object or, at
 * `replaced`, as a whole; half a list is never seen. While something fails, what was told before holds.
 *
 * Source of the protocol: Kubernetes documentation, "Kubernetes API Concepts", and the behaviour of the server.
 */
import { type Clock, systemClock } from '../../clock.ts'
import type { ApiConnection } from './connection.ts'
import { failure } from './failure.ts'
import { type Failing, Health, type Recovered } from './health.ts'
import { list } from './list.ts'
import { type Events, pause, type Reflector, type Start } from './pace.ts'
import type { Resource } from './resource.ts'
import { watchUntilRelist } from './rewatch.ts'

export { metadataOnly, type Resource } from './resource.ts'

export type ReflectorEvent<T> =
  /** All objects there are: what is not among them is gone, or was replaced by one of the same name. */
  | { readonly kind: 'replaced'; readonly objects: readonly T[] }
  /** Added or modified. */
  | { readonly kind: 'changed'; readonly object: T }
  /** As it last was. */
  | { readonly kind: 'deleted'; readonly object: T }
  /** Said when it starts and when its reason changes, not for each retry. */
  | Failing
  | Recovered

export interface ReflectorOptions<T> {
  readonly connection: ApiConnection
  readonly resource: Resource
  /**
   * From the API's JSON to what the consumer keeps, called once for each object as it arrives. The items of a
   * list of a built-in kind lack `kind` and `apiVersion`. It should not throw; an object on which it does is
   * left out of `replaced`, or its change is not told, and that is said as `failing`.
   */
  readonly decode: (raw: unknown) => T
  /** Decoded objects of which false is said are left out of `replaced`, so that a list holds none of them. */
  readonly keeps?: ((object: T) => boolean) | undefined
  /** Where the first list comes from; `cache` unless told. See `ListRequest`. */
  readonly first?: 'cache' | 'latest' | undefined
  /** Ends the events, promptly and without an error. */
  readonly signal: AbortSignal
  readonly clock?: Clock | undefined
  /** At least 0, below 1. */
  readonly random?: (() => number) | undefined
  /** Objects a page of a list; 500 unless told. */
  readonly pageSize?: number | undefined
  /** Silence after which a watch is doubted, in milliseconds; three minutes unless told. */
  readonly idleMs?: number | undefined
  /** The least time between two lists that nothing but prudence asks for; 15 minutes, and up to twice that. */
  readonly relistMs?: number | undefined
  /** The largest object that is believed; 16 MiB unless told, ten times what etcd stores. */
  readonly maxObjectBytes?: number | undefined
}

/** A list's body may pause this long; the server gives a whole list no more. */
const listIdleMs = 60_000

/** Back-pressure is the consumer's pace: nothing is read from the connection while an event waits to be taken. */
export async function* reflect<T>(options: ReflectorOptions<T>): Events<T> {
  const reflector = complete(options)
  try {
    for (let from: 'cache' | 'latest' = reflector.first; ; from = 'latest') {
      const start = yield* listUntilWhole(reflector, from)
      yield* watchUntilRelist(reflector, start)
    }
  } catch (error) {
    if (!options.signal.aborted) throw error
  }
}

function complete<T>(options: ReflectorOptions<T>): Reflector<T> {
  const { clock = systemClock, random = Math.random } = options
  return {
    ...options,
    clock,
    random,
    keeps: options.keeps ?? (() => true),
    first: options.first ?? 'cache',
    pageSize: options.pageSize ?? 500,
    idleMs: options.idleMs ?? 180_000,
    relistMs: options.relistMs ?? 15 * 60_000,
    maxObjectBytes: options.maxObjectBytes ?? 16 * 1024 * 1024,
    health: new Health(clock, random),
  }
}

async function* listUntilWhole<T>(reflector: Reflector<T>, from: 'cache' | 'latest'): Events<T, Start> {
  const { clock, random, health, signal, relistMs, resource } = reflector
  for (let expiries = 0; ; ) {
    // Pages that expire before they are fetched would do so for ever; then all comes at once.
    const pageSize = expiries < 2 ? reflector.pageSize : undefined
    const listed = await list({ ...reflector, from, pageSize, idleMs: listIdleMs }, signal)
    if (listed.kind === 'listed') {
      const listedAt = clock.now()
      const relistAt = listedAt + relistMs * (1 + random())
      yield { kind: 'replaced', objects: listed.objects }
      yield* health.reached('list', ...(listed.undecoded ? [] : (['object'] as const)))
      if (listed.undecoded) yield* health.note(listed.undecoded, relistAt - listedAt)
      return { resourceVersion: listed.resourceVersion, listedAt, relistAt }
    }
    if (listed.kind === 'failed') yield* pause(reflector, listed)
    else if (++expiries > 1) {
      yield* pause(reflector, failure(resource, 'list', 'its pages expire before they are read', 'list'))
    }
  }
}
