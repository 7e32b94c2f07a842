/**
 * The reflector's second half: watch after watch, each going on where the one before stood, until only a list
 * can go on. The ways in which a watch ends are judged here: which are normal, which are waited after, and
 * which mean that an event may be lost.
 */
import { type Failure, failure } from './failure.ts'
import { newestVersion, undecodable } from './list.ts'
import { type Events, pause, type Reflector, rest, type Start } from './pace.ts'
import { isOlder } from './version.ts'
import { type WatchEnd, type WatchEvent, watch } from './watch.ts'

/** How long a watch runs, at least and at most: drawn, so that the nodes' watches do not all end together. */
const watchSeconds = { least: 300, most: 600 }

/**
 * The server sends a bookmark about every minute, so some minutes of silence are suspicious. They are no proof:
 * a server that has seen no event of a kind since it started sends no bookmark for it. So a watch that goes
 * mute is replaced by a short one, which a live server ends by itself after these seconds; only if that is mute
 * as well, for the grace on top, something on the way is broken. (A dead peer is noticed earlier, by TCP.)
 */
const probe = { seconds: 10, graceMs: 20_000 }

/** When many nodes' watches end for one reason, as when a server goes away, they come back spread over this. */
const spreadMs = 1_000

/** A watch that ends sooner than this, having brought nothing, was not really opened. */
const stillbornMs = 1_000

/** How early before its time a watch may end and still be at its normal end. */
const punctualMs = 5_000

/** A list whose resourceVersion is too old within this time was no good to start from. */
const freshMs = 60_000

/** Where the watching stands. */
interface Place {
  resourceVersion: string
  /** Lines taken since the list. */
  lines: number
  /** Whether the next watch is a short one, because the last one was mute. */
  probing: boolean
  /**
   * Whether the server was lost sight of. Its store may have been restored to an older state meanwhile, and a watch from a
   * version that it has not reached yet is accepted and brings nothing.
   */
  doubted: boolean
}

/** Throws when the signal aborts. */
export async function* watchUntilRelist<T>(reflector: Reflector<T>, start: Start): Events<T> {
  const place: Place = { resourceVersion: start.resourceVersion, lines: 0, probing: false, doubted: false }
  while (reflector.clock.now() < start.relistAt) {
    const next = yield* watchAndJudge(reflector, place, start)
    if (next === 'list') return
  }
}

async function* watchAndJudge<T>(
  reflector: Reflector<T>,
  place: Place,
  start: Start,
): Events<T, 'watch' | 'list'> {
  const { clock, resource, health } = reflector
  if (place.doubted) {
    const newest = await newestVersion(reflector, reflector.signal)
    if (typeof newest !== 'string' && newest.kind === 'failed') {
      yield* pause(reflector, { ...newest, stage: 'open' })
      return 'watch'
    }
    if (typeof newest !== 'string' || isOlder(newest, place.resourceVersion)) return 'list'
    place.doubted = false
  }
  const { lines, probing } = place
  const openedAt = clock.now()
  const timeoutSeconds = secondsOf(reflector, probing, start.relistAt - openedAt)
  const end = yield* tell(reflector, place, timeoutSeconds)
  const lastedMs = clock.now() - openedAt
  place.probing = end.kind === 'mute' && !probing
  switch (end.kind) {
    case 'failed':
      place.doubted = true
      yield* pause(reflector, end)
      return end.next
    case 'expired': {
      const useless = place.lines === 0 && clock.now() - start.listedAt < freshMs
      const why = 'its resourceVersion is too old right after the list'
      if (useless) yield* pause(reflector, failure(resource, 'open', why, 'list'))
      else await spread(reflector)
      return 'list'
    }
    case 'mute': {
      if (!probing) return 'watch'
      const why = 'mute: the server does not even end it at the time that was asked for'
      yield* pause(reflector, failure(resource, 'stream', why, 'list'))
      return 'list'
    }
    case 'ended': {
      const stillborn = place.lines === lines && lastedMs < stillbornMs
      const why = 'the server ends it as soon as it is open'
      if (stillborn) yield* pause(reflector, failure(resource, 'stream', why, 'watch'))
      else yield* health.reached('list', 'open', 'stream')
      if (!stillborn && lastedMs < timeoutSeconds * 1000 - punctualMs) await spread(reflector)
      return 'watch'
    }
  }
}

/** Whole seconds for one watch, none of them after the next list is due. */
function secondsOf<T>({ random }: Reflector<T>, probing: boolean, untilRelistMs: number): number {
  if (probing) return probe.seconds
  const drawn = watchSeconds.least + random() * (watchSeconds.most - watchSeconds.least)
  return Math.ceil(Math.max(probe.seconds, Math.min(drawn, untilRelistMs / 1000)))
}

async function spread<T>(reflector: Reflector<T>): Promise<void> {
  await rest(reflector, reflector.random() * spreadMs)
}

/** One watch as events, moving the place along. */
async function* tell<T>(reflector: Reflector<T>, place: Place, timeoutSeconds: number): Events<T, WatchEnd> {
  const idleMs = place.probing ? probe.seconds * 1000 + probe.graceMs : reflector.idleMs
  const { resourceVersion } = place
  const events = watch({ ...reflector, resourceVersion, timeoutSeconds, idleMs }, reflector.signal)
  try {
    for (;;) {
      const { done, value: event } = await events.next()
      if (done) return event
      if (event.kind === 'open') {
        yield* reflector.health.reached('list', 'open')
        continue
      }
      const lost = yield* tellOne(reflector, event)
      if (lost) return lost
      place.resourceVersion = event.resourceVersion
      place.lines++
      yield* reflector.health.reached('list', 'open', 'stream')
    }
  } finally {
    // The consumer may have left for good: the request must not outlive it.
    await events.return({ kind: 'ended' })
  }
}

/** Returns a failure where not telling the event would leave something standing that is gone. */
async function* tellOne<T>(
  { decode, health, resource, relistMs }: Reflector<T>,
  event: Exclude<WatchEvent, { kind: 'open' }>,
): Events<T, Failure | undefined> {
  if (event.kind === 'bookmark') return undefined
  let object: T
  try {
    object = decode(event.raw)
  } catch (error) {
    const why = undecodable(resource, event.raw, error)
    if (event.kind === 'deleted') return why
    yield* health.note(why, relistMs)
    return undefined
  }
  yield { kind: event.kind, object }
  return undefined
}
