/**
 * The client: keeps a session with a server that is fit to talk to, through restarts, changes of leader and of
 * schema, and puts monitors and locks onto each new one. All of it ends with the signal, or when the client is
 * disposed of.
 */
import { backoff } from './backoff.ts'
import { type ClientOptions, type ClientState, DEFAULT_BACKOFF } from './client-options.ts'
import { type Clock, systemClock } from './clock.ts'
import { isId } from './codec.ts'
import type { Database } from './description.ts'
import { type Endpoint, parseEndpoints, showEndpoint } from './endpoint.ts'
import { examine } from './examine.ts'
import type { Json } from './json.ts'
import { type Ask, watchLeadership } from './leadership.ts'
import { Lock } from './lock.ts'
import { Monitor, type MonitorInbox, type MonitorSpec } from './monitor.ts'
import type { AnyOperation, Operation, TransactResult } from './operations.ts'
import { type AnySpec, Replication } from './replication.ts'
import type { Schema } from './schema.ts'
import { connect, type Session } from './session.ts'
import { transact } from './transact.ts'

/** A session that is fit to talk to, and the schema that was read on it. */
type Current = { readonly session: Session; readonly schema: Schema }

type Attached = { readonly replication: Replication; readonly inbox: MonitorInbox }

export class OvsdbClient<D extends Database> implements AsyncDisposable {
  readonly #options: ClientOptions<D>
  readonly #endpoints: readonly Endpoint[]
  readonly #clock: Clock
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #attached = new Set<Attached>()
  readonly #locks = new Map<string, Lock>()
  readonly #done: Promise<void>
  #current: Current | undefined
  #state: ClientState = { kind: 'disconnected', endpoint: '', reason: 'not connected yet' }
  #stateChange = Promise.withResolvers<void>()
  #monitors = 0

  /** Begins to connect at once. Throws RangeError for endpoints that are none. */
  constructor(options: ClientOptions<D>) {
    this.#options = options
    this.#endpoints = parseEndpoints(options.endpoints)
    this.#clock = options.clock ?? systemClock
    this.#signal = AbortSignal.any([
      this.#stop.signal,
      ...(options.signal === undefined ? [] : [options.signal]),
    ])
    this.#done = this.#run()
  }

  get state(): ClientState {
    return this.#state
  }

  /** Waits until there is a session. Rejects when the signal aborts or the client is closed. */
  async ready(signal?: AbortSignal): Promise<Extract<ClientState, { kind: 'ready' }>> {
    const stop = signal === undefined ? this.#signal : AbortSignal.any([this.#signal, signal])
    const aborted = Promise.withResolvers<never>()
    const abort = (): void => aborted.reject(stop.reason)
    aborted.promise.catch(() => {})
    stop.addEventListener('abort', abort, { once: true })
    try {
      while (true) {
        stop.throwIfAborted()
        if (this.#state.kind === 'ready') return this.#state
        await Promise.race([this.#stateChange.promise, aborted.promise])
      }
    } finally {
      stop.removeEventListener('abort', abort)
    }
  }

  /**
   * One transaction, all of it or nothing. It is sent once, on the session there is: it is never repeated, since
   * only the caller knows whether that would be right. Never rejects.
   */
  async transact(operations: readonly Operation<D>[], signal?: AbortSignal): Promise<TransactResult> {
    const current = this.#current
    if (current === undefined) return { kind: 'unsent', reason: 'not connected' }
    const { description, requestTimeoutMs = REQUEST_TIMEOUT_MS } = this.#options
    const stop = signal === undefined ? this.#signal : AbortSignal.any([this.#signal, signal])
    // What the types are made from is what the operations are encoded by.
    const any = operations as unknown as readonly AnyOperation[]
    return transact(current.session, description.name, current.schema, any, stop, requestTimeoutMs)
  }

  /** A copy of some columns of some rows, kept up to date until its loop is left or the client is closed. */
  monitor<const S extends MonitorSpec<D>>(spec: S): Monitor<D, S> {
    const id = `monitor-${this.#monitors++}`
    let attached: Attached | undefined
    const start = (inbox: MonitorInbox): Replication => {
      // As above.
      const replication = new Replication(
        id,
        this.#options.description.name,
        spec as unknown as AnySpec,
        inbox,
      )
      attached = { replication, inbox }
      this.#attached.add(attached)
      return replication
    }
    const monitor = new Monitor<D, S>(start, () => {
      if (attached !== undefined) this.#attached.delete(attached)
      attached?.replication.detach()
    })
    if (this.#signal.aborted) attached?.inbox.onEnd()
    else if (this.#current !== undefined)
      attached?.replication.attach(this.#current.session, this.#current.schema)
    return monitor
  }

  /**
   * Asks for a lock, and goes on asking over reconnections. Throws RangeError for a name that is none (letters,
   * digits, `_`) or that this client asks for already, and for a client that may be at a follower: locks are
   * kept by each server for itself.
   */
  lock(name: string): Lock {
    if (!isId(name) || this.#locks.has(name)) throw new RangeError(`"${name}" cannot be a lock's name here`)
    if (this.#options.role === 'any') throw new RangeError('a lock is of use at the leader only')
    const lock = new Lock(name, () => this.#locks.delete(name))
    this.#locks.set(name, lock)
    if (this.#signal.aborted) lock.end('closed')
    else if (this.#current !== undefined) lock.attach(this.#current.session)
    return lock
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { backoff: bounds, random = Math.random } = this.#options
    const waits = backoff({ ...DEFAULT_BACKOFF, ...bounds }, random)
    let failedInRow = 0
    for (let turn = 0; !this.#signal.aborted; turn += 1) {
      const endpoint = this.#endpoints[turn % this.#endpoints.length]
      if (endpoint === undefined) break
      const steady = await this.#serve(endpoint)
      if (steady) waits.reset()
      failedInRow = steady ? 0 : failedInRow + 1
      if (failedInRow < this.#endpoints.length) continue
      failedInRow = 0
      await this.#clock.sleep(waits.next(), this.#signal).catch(() => {})
    }
    for (const { inbox } of this.#attached) inbox.onEnd()
    for (const lock of [...this.#locks.values()]) lock.end('closed')
    this.#enter({ kind: 'closed' })
  }

  /** One session from its beginning to its end. Whether it was of use for long enough to try again at once. */
  async #serve(endpoint: Endpoint): Promise<boolean> {
    const shown = showEndpoint(endpoint)
    this.#enter({ kind: 'connecting', endpoint: shown })
    let notify = (_method: string, _params: readonly Json[]): void => {}
    const connected = await connect(endpoint, {
      ...this.#options,
      signal: this.#signal,
      onNotification: (method, params) => notify(method, params),
    })
    if (connected.kind === 'failed') {
      this.#enter({ kind: 'disconnected', endpoint: shown, reason: connected.reason })
      return false
    }
    const { session } = connected
    const { description, role = 'leader' } = this.#options
    const ask: Ask = (method, params) =>
      session.request(method, params, this.#signal, this.#options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS)
    const watch = watchLeadership(session, ask, description.name, role)
    notify = (method, params) => {
      watch.notify(method, params)
      for (const { replication } of this.#attached) replication.notify(session, method, params)
      for (const lock of this.#locks.values()) lock.notify(session, method, params)
    }
    const examined = await examine(ask, description, watch)
    if (examined.kind === 'unsuitable') session.close(examined.reason)
    const schema = examined.kind === 'suitable' ? examined.schema : undefined
    const readyAt = this.#clock.now()
    if (schema !== undefined && session.reason === undefined) this.#begin(shown, session, schema)
    const reason = await session.closed
    this.#end(shown, reason)
    return schema !== undefined && this.#clock.now() - readyAt >= STEADY_MS
  }

  /** Locks before monitors: by the time a copy is whole, it is known who may write. */
  #begin(endpoint: string, session: Session, schema: Schema): void {
    this.#current = { session, schema }
    for (const lock of this.#locks.values()) lock.attach(session)
    for (const { replication } of this.#attached) replication.attach(session, schema)
    this.#enter({ kind: 'ready', endpoint, version: schema.version, absent: schema.absent })
  }

  #end(endpoint: string, reason: string): void {
    if (this.#current !== undefined) {
      this.#current = undefined
      for (const lock of this.#locks.values()) lock.detach(reason)
      for (const { inbox } of this.#attached) inbox.onDisconnected(reason)
    }
    this.#enter({ kind: 'disconnected', endpoint, reason })
  }

  #enter(state: ClientState): void {
    this.#state = state
    this.#stateChange.resolve()
    this.#stateChange = Promise.withResolvers<void>()
    this.#options.onState?.(state)
  }
}

/** A session that lasted this long was no part of a series of failures. */
const STEADY_MS = 1_000

const REQUEST_TIMEOUT_MS = 30_000
