/**
 * Issues as Kubernetes Events on the objects that they are about, where `kubectl describe` shows them to their owners.
 *
 * An Event's name follows from its Issue, so that of all nodes that find one the first says it and the API server
 * refuses the others' copies. Who floods us with Issues gets the first of them, and the rest at a slow pace; namespaces take
 * turns, so that one's flood keeps no other's waiting. Where the API server does not let us write, the log has it all, and
 * Events are tried again after a while.
 */
import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import type { Issue, ObjectReference } from '../compile/model.ts'
import { once } from '../compile/once.ts'
import { type Rate, TokenBucket } from './token-bucket.ts'

/** What is needed of a connection to the API server. */
export interface EventWriter {
  send(
    method: 'POST',
    path: string,
    body: string,
    contentType: string,
    request: { readonly signal: AbortSignal },
  ): Promise<{ readonly status: number; readonly body: AsyncIterable<Uint8Array> }>
}

export interface IssueEventsOptions {
  readonly writer: EventWriter
  readonly node: string
  readonly clock: Clock
  readonly log: Logger
  readonly signal: AbortSignal
}

/** Events at once, and from then on one in so many ms: of all, and of one namespace. */
const OF_ALL: Rate = { burst: 25, paceMs: 2_000 }
const OF_A_NAMESPACE: Rate = { burst: 15, paceMs: 10_000 }

/** Issues of one namespace that wait to be told; more than that are left to the log. */
const MOST_WAITING = 100

/** After a refusal nothing is written for so long. */
const REFUSED_MS = 10 * 60_000

/** Longer than an Event lives by default: one that still holds is told again. */
const REPEAT_MS = 65 * 60_000

const API_VERSIONS: Readonly<Record<ObjectReference['kind'], string>> = {
  MultiNetworkPolicy: 'k8s.cni.cncf.io/v1beta1',
  NetworkAttachmentDefinition: 'k8s.cni.cncf.io/v1',
  Pod: 'v1',
  Namespace: 'v1',
  File: '',
}

/** What one namespace has to be told. */
interface Share {
  readonly bucket: TokenBucket
  waiting: readonly Issue[]
  /** The number of the Event that it had last. */
  turn: number
  /** Whether it was said that there are too many. */
  isOver: boolean
}

export class IssueEvents {
  readonly #options: IssueEventsOptions
  readonly #toldAt = new Map<string, number>()
  readonly #shares = new Map<string, Share>()
  readonly #bucket: TokenBucket
  #turns = 0
  #running = false

  constructor(options: IssueEventsOptions) {
    this.#options = options
    this.#bucket = new TokenBucket(OF_ALL, options.clock)
  }

  /** States all Issues that hold now; those not told yet will be. */
  set(issues: readonly Issue[]): void {
    const now = this.#options.clock.now()
    const holding = new Set(issues.map(eventName))
    for (const name of this.#toldAt.keys()) if (!holding.has(name)) this.#toldAt.delete(name)
    const untold = issues.filter(
      (issue) => now - (this.#toldAt.get(eventName(issue)) ?? Number.NEGATIVE_INFINITY) > REPEAT_MS,
    )
    const byNamespace = Map.groupBy(untold, namespaceOf)
    for (const [namespace, own] of byNamespace) this.#setShare(namespace, own)
    for (const [namespace, share] of this.#shares) {
      if (!byNamespace.has(namespace)) this.#setShare(namespace, [])
      if (share.waiting.length === 0 && share.bucket.isFull) this.#shares.delete(namespace)
    }
    if (!this.#running && untold.length > 0) void this.#tell()
  }

  #setShare(namespace: string, own: readonly Issue[]): void {
    const share = this.#shares.get(namespace) ?? {
      bucket: new TokenBucket(OF_A_NAMESPACE, this.#options.clock),
      waiting: [],
      turn: 0,
      isOver: false,
    }
    this.#shares.set(namespace, share)
    share.waiting = own.slice(0, MOST_WAITING)
    const left = own.length - share.waiting.length
    if (left > 0 && !share.isOver)
      this.#options.log.warn(
        { namespace },
        `${left} Issues of namespace ${namespace} are left out of Events for now; the log has them`,
      )
    share.isOver = left > 0
  }

  async #tell(): Promise<void> {
    const { clock, log, signal } = this.#options
    this.#running = true
    while (!signal.aborted && [...this.#shares.values()].some(({ waiting }) => waiting.length > 0)) {
      const issue = this.#next()
      const refusal = issue && (await this.#write(issue))
      if (refusal !== undefined)
        log.warn({ reason: refusal }, `Events cannot be written, the log has all: ${refusal}`)
      if (refusal !== undefined || issue === undefined)
        await clock.sleep(refusal === undefined ? OF_ALL.paceMs : REFUSED_MS, signal).catch(() => undefined)
    }
    this.#running = false
  }

  /** Of those namespaces that may have one now, the one that has waited for the most turns; undefined: none may. */
  #next(): Issue | undefined {
    if (!this.#bucket.has) return undefined
    const ready = [...this.#shares.values()].filter(({ waiting, bucket }) => waiting.length > 0 && bucket.has)
    const [share] = ready.sort((a, b) => a.turn - b.turn)
    const [issue, ...others] = share?.waiting ?? []
    if (share === undefined || issue === undefined) return undefined
    this.#bucket.take()
    share.bucket.take()
    this.#turns += 1
    share.turn = this.#turns
    share.waiting = others
    this.#toldAt.set(eventName(issue), this.#options.clock.now())
    return issue
  }

  /** @returns why it could not be written, if so */
  async #write(issue: Issue): Promise<string | undefined> {
    const { writer, node, clock, signal } = this.#options
    const event = eventOf(issue, node, new Date(clock.wallTime()).toISOString())
    try {
      const path = `/api/v1/namespaces/${event.metadata.namespace}/events`
      const { status, body } = await writer.send('POST', path, JSON.stringify(event), 'application/json', {
        signal,
      })
      for await (const _ of body) {
        // Read to its end, so that the connection can be used again.
      }
      // 409: another node has told it. 404: the namespace is gone, and the object with it.
      return status < 300 || status === 409 || status === 404 ? undefined : `POST ${path}: ${status}`
    } catch (error) {
      return signal.aborted ? undefined : error instanceof Error ? error.message : String(error)
    }
  }
}

function namespaceOf({ object }: Issue): string {
  return object.namespace ?? (object.kind === 'Namespace' ? object.name : '')
}

/** The same for the same Issue on every node. Issues that hold on are the same objects. */
const eventName: (issue: Issue) => string = once(({ object, field, value, reason }) => {
  const hash = createHash('sha256')
    .update(JSON.stringify([object, field, value, reason]))
    .digest('hex')
  return `${object.name.slice(0, 200)}.${hash.slice(0, 16)}`
})

function eventOf(issue: Issue, node: string, time: string) {
  const { object, field, value, reason } = issue
  const namespace = object.namespace ?? 'default'
  const where = [field, value].filter((part) => part !== undefined && part !== '').join(': ')
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: eventName(issue), namespace },
    involvedObject: {
      apiVersion: API_VERSIONS[object.kind],
      kind: object.kind,
      name: object.name,
      ...(object.namespace === undefined ? {} : { namespace: object.namespace }),
      ...(object.uid === undefined ? {} : { uid: object.uid }),
    },
    type: 'Warning',
    reason: 'NotEnforced',
    message: `${where}${where === '' ? '' : ': '}${reason}`.slice(0, 1_024),
    source: { component: 'multi-networkpolicyd', host: node },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  }
}
