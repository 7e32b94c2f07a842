/**
 * Pods as a source that watches as little as it can: this node's own whole, those of other nodes by their metadata, and
 * whole only while a policy needs the ports of their containers. That is two streams, and a third while the form of the
 * second changes: the new one is listed beside the old one and then takes its place, so nothing is lost in between.
 *
 * A server that refuses the field selectors, or metadata alone, is asked for all pods in one stream, as ever.
 */
import type { Clock } from '../../clock.ts'
import type { Issue } from '../../compile/model.ts'
import { isUnreadable } from '../parse/metadata.ts'
import type { Source, SourceEvent } from '../source.ts'
import type { ApiConnection } from './connection.ts'
import { Inbox } from './inbox.ts'
import { PodMerge, type VersionedPod } from './pod-merge.ts'
import { keyOfTold, type PodForm, PodReader, podResource, type Told } from './pod-stream.ts'
import type { PortDemand } from './port-demand.ts'
import { type ReflectorEvent, reflect } from './reflector.ts'
import { spreadStart } from './start-spread.ts'
import { Troubles } from './troubles.ts'

export interface PodsOptions {
  readonly connection: ApiConnection
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Whose pods are local. */
  readonly node: string
  readonly demand: PortDemand
  /** At least 0, below 1. */
  readonly random: () => number
  /** See `SpreadOptions`. */
  readonly mostSpreadMs: number
  /** How long ports must not have been needed before they are let go: a policy that comes and goes costs one list, not many. */
  readonly calmMs: number
}

/** How long the first list waits to be told whether ports are needed. */
const POLICIES_FIRST_MS = 1_000

interface Stream {
  readonly form: PodForm
  readonly reader: PodReader
  readonly abort: AbortController
}

type Happened =
  | { readonly kind: 'event'; readonly stream: Stream; readonly event: ReflectorEvent<Told> }
  | { readonly kind: 'look' }
  | { readonly kind: 'broken'; readonly error: unknown }

export async function* watchPods(options: PodsOptions): Source {
  const over = new AbortController()
  const signal = AbortSignal.any([options.signal, over.signal])
  const pods = new PodStreams({ ...options, signal })
  try {
    yield* pods.run()
  } finally {
    over.abort()
  }
}

class PodStreams {
  readonly #options: PodsOptions
  readonly #merge = new PodMerge()
  readonly #inbox = new Inbox<Happened>()
  readonly #troubles = new Troubles<Stream>('Pod')
  readonly #unreadable = new Map<Stream, readonly Issue[]>()
  #local: Stream | undefined
  /** What other nodes' pods come from, and what is to take its place once it was listed. */
  #remote: Stream | undefined
  #next: Stream | undefined
  /** The local stream is open, and what other nodes' pods come from may be chosen. */
  #started = false
  #refused = false
  /** When ports were needed last, and whether there is a time set at which to look again. */
  #neededAt = Number.NEGATIVE_INFINITY
  #calming = false

  constructor(options: PodsOptions) {
    this.#options = options
  }

  async *run(): Source {
    const { signal, demand } = this.#options
    this.#local = this.#open('local')
    demand.onChange(() => this.#look())
    void this.#firstList()
    for await (const happened of this.#inbox.read(signal)) {
      if (happened.kind === 'broken') throw happened.error
      const taken = happened.kind === 'look' ? [] : this.#take(happened.stream, happened.event)
      const events = [...taken, ...this.#steer()]
      if (events.length > 0) yield events
      // Only now are they in the consumer's hands.
      demand.met = this.#remote !== undefined && this.#remote.form !== 'metadata'
    }
  }

  async #firstList(): Promise<void> {
    const { clock, signal, demand } = this.#options
    await Promise.race([demand.known, clock.sleep(POLICIES_FIRST_MS, signal)]).catch(() => undefined)
    if (signal.aborted) return
    this.#started = true
    this.#look()
  }

  /** Has the form in which pods are watched thought over. */
  #look(): void {
    void this.#inbox.put({ kind: 'look' })
  }

  #take(stream: Stream, event: ReflectorEvent<Told>): readonly SourceEvent[] {
    if (stream.abort.signal.aborted) return []
    switch (event.kind) {
      case 'failing':
        if (event.refused && !this.#refused) return this.#fallBack(event.reason)
        return this.#troubles.failing(stream, event.reason)
      case 'recovered':
        return this.#troubles.over(stream)
      case 'replaced':
        return this.#replace(stream, event.objects)
      case 'changed':
      case 'deleted':
        return this.#change(stream, event.object, event.kind === 'deleted')
      default:
        return event satisfies never
    }
  }

  /** Pods fail, and recover once they were listed in one stream. */
  #fallBack(reason: string): readonly SourceEvent[] {
    this.#refused = true
    const given = this.#next === undefined ? [] : this.#close(this.#next)
    this.#next = this.#open('all')
    this.#started = true
    return [...given, ...this.#troubles.failing(this.#next, `${reason}; all pods are watched whole instead`)]
  }

  #replace(stream: Stream, objects: readonly Told[]): readonly SourceEvent[] {
    stream.reader.listed()
    const pods = new Map<string, VersionedPod>()
    for (const object of objects) if (object.kind === 'Pod') pods.set(keyOfTold(object), object)
    const ended: readonly SourceEvent[] = stream === this.#next ? this.#swap(stream) : []
    const sides =
      stream.form === 'local'
        ? { local: pods }
        : { remote: pods, ...(stream.form === 'all' && { local: new Map<string, VersionedPod>() }) }
    return [...this.#merge.replace(sides), ...this.#noteUnreadable(stream, objects, 'all'), ...ended]
  }

  #change(stream: Stream, object: Told, deleted: boolean): readonly SourceEvent[] {
    if (isUnreadable(object)) return this.#noteUnreadable(stream, [object], 'more')
    const pod = deleted || object.kind === 'absent' ? undefined : object
    return this.#merge.set(stream.form === 'local' ? 'local' : 'remote', keyOfTold(object), pod)
  }

  /** The stream that was listed beside takes its place. */
  #swap(stream: Stream): readonly SourceEvent[] {
    const old = [this.#remote, ...(stream.form === 'all' ? [this.#local] : [])]
    this.#remote = stream
    this.#next = undefined
    const closed = old.flatMap((each) => (each === undefined ? [] : this.#close(each)))
    return [...closed, ...this.#troubles.over(stream)]
  }

  /** Opens the stream that is wanted beside the one that there is, unless that is it. */
  #steer(): readonly SourceEvent[] {
    if (!this.#started) return []
    const form = this.#wanted()
    if ((this.#next ?? this.#remote)?.form === form) return []
    const given = this.#next === undefined ? [] : this.#close(this.#next)
    this.#next = this.#remote?.form === form ? undefined : this.#open(form)
    return given
  }

  #wanted(): PodForm {
    const { clock, demand, calmMs, signal } = this.#options
    if (this.#refused) return 'all'
    if (demand.wanted) {
      this.#neededAt = clock.now()
      return 'ports'
    }
    const calmInMs = this.#neededAt + calmMs - clock.now()
    if (this.#remote?.form !== 'ports' || calmInMs <= 0) return 'metadata'
    if (this.#calming) return 'ports'
    this.#calming = true
    const look = (): void => {
      this.#calming = false
      this.#look()
    }
    clock.sleep(calmInMs, signal).then(look, () => undefined)
    return 'ports'
  }

  #open(form: PodForm): Stream {
    const side = form === 'local' ? 'local' : 'remote'
    const reader = new PodReader(form, this.#options.node, () =>
      stream === this.#local || stream === this.#remote ? this.#merge.pods(side) : new Map(),
    )
    const stream: Stream = { form, reader, abort: new AbortController() }
    this.#follow(stream).catch((error: unknown) => this.#inbox.put({ kind: 'broken', error }))
    return stream
  }

  async #follow(stream: Stream): Promise<void> {
    const { connection, clock, random, mostSpreadMs, node } = this.#options
    const signal = AbortSignal.any([this.#options.signal, stream.abort.signal])
    const resource = podResource(stream.form, node)
    // A stream that takes another's place must not begin with what is older than that one has told.
    const first = this.#remote === undefined ? 'cache' : 'latest'
    if (stream.form !== 'local') {
      const spread = { connection, clock, random, mostMs: mostSpreadMs }
      await spreadStart(resource, spread, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error
      })
    }
    const decode = (raw: unknown): Told => stream.reader.read(raw)
    const keeps = (told: Told): boolean => told.kind !== 'absent'
    for await (const event of reflect({ connection, resource, decode, keeps, first, clock, random, signal }))
      await this.#inbox.put({ kind: 'event', stream, event })
  }

  #close(stream: Stream): readonly SourceEvent[] {
    stream.abort.abort()
    return [...this.#troubles.over(stream), ...this.#noteUnreadable(stream, [], 'all')]
  }

  /** Objects without a usable name. The API server lets none through, so a bounded memory of them will do. */
  #noteUnreadable(stream: Stream, told: readonly Told[], which: 'all' | 'more'): readonly SourceEvent[] {
    const found = told.filter((each) => isUnreadable(each)).map(({ issue }) => issue)
    const before = this.#unreadable.get(stream) ?? []
    if (found.length === 0 && (which === 'more' || before.length === 0)) return []
    this.#unreadable.set(stream, (which === 'all' ? found : [...before, ...found]).slice(-100))
    return [{ kind: 'issues', issues: [...this.#unreadable.values()].flat() }]
  }
}
