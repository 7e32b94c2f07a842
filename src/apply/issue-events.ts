/**
 * Issues as Kubernetes Events on the objects that they are about, where `kubectl describe` shows them to their owners.
 *
 * An Event's name follows from its Issue, so that of all nodes that find one the first says it and the API server
 * refuses the others' copies. Who floods us with Issues gets the first of them, and the rest at a slow pace. Where the
 * API server does not let us write, the log has it all, and Events are tried again after a while.
 */
import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import type { Issue, ObjectReference } from '../compile/model.ts'

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

/** Events at once, and from then on one in so many ms. */
const BURST = 25
const PACE_MS = 2_000

/** Issues that wait to be told; more than that are left to the log. */
const MOST_WAITING = 1_000

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

export class IssueEvents {
  readonly #options: IssueEventsOptions
  readonly #toldAt = new Map<string, number>()
  #waiting: Issue[] = []
  #tokens = BURST
  #running = false

  constructor(options: IssueEventsOptions) {
    this.#options = options
  }

  /** States all Issues that hold now; those not told yet will be. */
  set(issues: readonly Issue[]): void {
    const now = this.#options.clock.now()
    const told = issues.map((issue) => [eventName(issue), issue] as const)
    const holding = new Set(told.map(([name]) => name))
    for (const name of this.#toldAt.keys()) if (!holding.has(name)) this.#toldAt.delete(name)
    this.#waiting = told
      .filter(([name]) => now - (this.#toldAt.get(name) ?? Number.NEGATIVE_INFINITY) > REPEAT_MS)
      .slice(0, MOST_WAITING)
      .map(([, issue]) => issue)
    if (!this.#running && this.#waiting.length > 0) void this.#tell()
  }

  async #tell(): Promise<void> {
    const { clock, log, signal } = this.#options
    this.#running = true
    for (
      let issue = this.#waiting.shift();
      issue !== undefined && !signal.aborted;
      issue = this.#waiting.shift()
    ) {
      this.#toldAt.set(eventName(issue), clock.now())
      const refusal = await this.#write(issue)
      if (refusal !== undefined)
        log.warn({ reason: refusal }, `Events cannot be written, the log has all: ${refusal}`)
      this.#tokens = Math.max(0, this.#tokens - 1)
      if (refusal !== undefined || this.#tokens === 0) {
        await clock.sleep(refusal === undefined ? PACE_MS : REFUSED_MS, signal).catch(() => undefined)
      }
    }
    this.#running = false
    void this.#refill()
  }

  async #refill(): Promise<void> {
    const { clock, signal } = this.#options
    while (!this.#running && this.#tokens < BURST && !signal.aborted) {
      await clock.sleep(PACE_MS, signal).catch(() => undefined)
      if (!this.#running) this.#tokens += 1
    }
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

/** The same for the same Issue on every node. */
function eventName({ object, field, value, reason }: Issue): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([object, field, value, reason]))
    .digest('hex')
  return `${object.name.slice(0, 200)}.${hash.slice(0, 16)}`
}

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
