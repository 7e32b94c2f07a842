/**
 * One connection: requests and their replies, the server's notifications, and whether the other side is alive.
 * It knows JSON-RPC 1.0 as RFC 7047, section 4, uses it, and nothing of databases.
 *
 * Replies and notifications are handed over within the arrival of their bytes, in their order on the wire. A
 * promise would not do that: what follows a reply in the same packet would be seen before the reply.
 */
import type { Socket } from 'node:net'
import { type Clock, systemClock } from './clock.ts'
import { type Endpoint, showEndpoint } from './endpoint.ts'
import { brief, isList, isObject, type Json, type JsonObject } from './json.ts'
import { DEFAULT_MESSAGE_LIMIT, JsonStream, ProtocolError } from './json-stream.ts'
import { openSocket, type TlsFiles } from './socket.ts'

/** `unsent`: the server never saw the request. `unanswered`: it may have seen it, and carried it out. */
export type Reply =
  | { readonly kind: 'result'; readonly result: Json }
  | { readonly kind: 'error'; readonly error: Json }
  | { readonly kind: 'unsent'; readonly reason: string }
  | { readonly kind: 'unanswered'; readonly reason: string }

export type SessionOptions = {
  readonly tls?: TlsFiles | undefined
  readonly clock?: Clock
  /** Ends the session, or the attempt. */
  readonly signal: AbortSignal
  readonly onNotification: (method: string, params: readonly Json[]) => void
  /** How long to wait for the connection, TLS included. */
  readonly connectTimeoutMs?: number
  /** After so much silence the server is asked for an echo, after as much again it counts as gone. */
  readonly probeIntervalMs?: number
  readonly messageLimit?: number
}

export type Connected =
  | { readonly kind: 'connected'; readonly session: Session }
  | { readonly kind: 'failed'; readonly reason: string }

/** Opens a connection. Never rejects. */
export async function connect(endpoint: Endpoint, options: SessionOptions): Promise<Connected> {
  const { signal, clock = systemClock, connectTimeoutMs = 5_000 } = options
  const attempt = new AbortController()
  const timer = new AbortController()
  clock.sleep(connectTimeoutMs, timer.signal).then(
    () => attempt.abort(new Error(`no connection within ${connectTimeoutMs} ms`)),
    () => {},
  )
  try {
    signal.throwIfAborted()
    const socket = await openSocket(endpoint, options.tls, AbortSignal.any([signal, attempt.signal]))
    return { kind: 'connected', session: new Session(socket, options) }
  } catch (error) {
    return { kind: 'failed', reason: `${showEndpoint(endpoint)}: ${messageOf(error)}` }
  } finally {
    timer.abort()
  }
}

export class Session {
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #stream: JsonStream
  readonly #onNotification: SessionOptions['onNotification']
  readonly #pending = new Map<number, (reply: Reply) => void>()
  readonly #ended = Promise.withResolvers<string>()
  readonly #life = new AbortController()
  #nextId = 0
  #heardAt: number
  #reason: string | undefined

  constructor(socket: Socket, options: SessionOptions) {
    const { signal, clock = systemClock, probeIntervalMs = 15_000 } = options
    this.#socket = socket
    this.#clock = clock
    this.#stream = new JsonStream(options.messageLimit ?? DEFAULT_MESSAGE_LIMIT)
    this.#onNotification = options.onNotification
    this.#heardAt = clock.now()
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error) => this.close(messageOf(error)))
    socket.on('end', () => this.close('the server closed the connection'))
    socket.on('close', () => this.close('the connection was closed'))
    const abort = (): void => this.close('aborted')
    signal.addEventListener('abort', abort, { once: true })
    this.closed.then(() => signal.removeEventListener('abort', abort))
    if (signal.aborted) abort()
    this.#probe(probeIntervalMs).catch((error: unknown) => this.close(messageOf(error)))
  }

  /** Resolves with the reason once the session has ended, whoever ended it. */
  get closed(): Promise<string> {
    return this.#ended.promise
  }

  /** Why it ended; undefined while it has not. */
  get reason(): string | undefined {
    return this.#reason
  }

  /**
   * Sends a request; `onReply` is called once, before anything that the server sent after the reply is looked at.
   * Returns a way to stop waiting: the reply is then `unanswered` with the reason given.
   */
  call(method: string, params: readonly Json[], onReply: (reply: Reply) => void): (reason: string) => void {
    if (this.#reason !== undefined) {
      onReply({ kind: 'unsent', reason: this.#reason })
      return () => {}
    }
    const id = this.#nextId++
    this.#pending.set(id, onReply)
    this.#write({ method, params, id })
    return (reason) => this.#settle(id, { kind: 'unanswered', reason })
  }

  /** The same as a promise, which never rejects, with an end to the waiting. */
  async request(
    method: string,
    params: readonly Json[],
    signal: AbortSignal,
    timeoutMs: number,
  ): Promise<Reply> {
    if (signal.aborted) return { kind: 'unsent', reason: 'aborted' }
    const reply = Promise.withResolvers<Reply>()
    const giveUp = this.call(method, params, reply.resolve)
    const abort = (): void => giveUp('aborted')
    const timer = new AbortController()
    signal.addEventListener('abort', abort, { once: true })
    this.#clock.sleep(timeoutMs, timer.signal).then(
      () => giveUp(`no reply to ${method} within ${timeoutMs} ms`),
      () => {},
    )
    try {
      return await reply.promise
    } finally {
      timer.abort()
      signal.removeEventListener('abort', abort)
    }
  }

  /** Ends the session; the first reason stands. Requests under way are `unanswered`. */
  close(reason: string): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#life.abort()
    this.#socket.destroy()
    for (const id of [...this.#pending.keys()]) this.#settle(id, { kind: 'unanswered', reason })
    this.#ended.resolve(reason)
  }

  #settle(id: number, reply: Reply): void {
    const onReply = this.#pending.get(id)
    this.#pending.delete(id)
    onReply?.(reply)
  }

  #write(message: JsonObject): void {
    this.#socket.write(JSON.stringify(message))
  }

  #receive(chunk: Buffer): void {
    this.#heardAt = this.#clock.now()
    try {
      for (const message of this.#stream.messages(chunk)) {
        this.#dispatch(message)
        if (this.#reason !== undefined) return
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.close(error.message)
    }
  }

  #dispatch(message: Json): void {
    if (!isObject(message)) throw new ProtocolError(`a message is no object: ${brief(message)}`)
    const { method, params, id } = { ...NOTHING, ...message }
    if (method === undefined) {
      this.#dispatchReply(message)
      return
    }
    if (typeof method !== 'string' || !isList(params)) {
      throw new ProtocolError(`neither a request nor a reply: ${brief(message)}`)
    }
    if (id === null || id === undefined) this.#onNotification(method, params)
    else if (method === 'echo') this.#write({ id, result: params, error: null })
    else this.#write({ id, result: null, error: 'unknown method' })
  }

  #dispatchReply(message: JsonObject): void {
    const { id, result, error } = { ...NOTHING, ...message }
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= this.#nextId) {
      throw new ProtocolError(`a reply to nothing that was asked: ${brief(message)}`)
    }
    if (error !== null && error !== undefined) this.#settle(id, { kind: 'error', error })
    else if (result !== undefined) this.#settle(id, { kind: 'result', result })
    else throw new ProtocolError(`a reply without a result: ${brief(message)}`)
  }

  /** The inactivity probe. A peer that vanished without a word would otherwise never be missed. */
  async #probe(intervalMs: number): Promise<void> {
    let askedAt = Number.NEGATIVE_INFINITY
    while (this.#reason === undefined) {
      const now = this.#clock.now()
      const answered = this.#heardAt > askedAt
      const due = (answered ? this.#heardAt : askedAt) + intervalMs
      if (now >= due && !answered) this.close(`nothing heard for ${Math.round(now - this.#heardAt)} ms`)
      else if (now >= due) {
        askedAt = now
        this.call('echo', [], () => {})
      } else await this.#clock.sleep(due - now, this.#life.signal).catch(() => {})
    }
  }
}

const NOTHING: Message = {}

/** The members of a message, of which a JSON object may have any. */
type Message = {
  readonly method?: Json
  readonly params?: Json
  readonly id?: Json
  readonly result?: Json
  readonly error?: Json
}

/** Where a name has several addresses, Node's error is the sum of the attempts and has no message of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message : String(error)
}
