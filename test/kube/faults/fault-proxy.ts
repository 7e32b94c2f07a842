/**
 * Stands between the daemon and the API server and does to their exchange what a test tells it: answers in the server's
 * place, breaks connections, makes them mute, changes what a stream brings. What no test asks for passes unchanged, and
 * every request is counted. It speaks TLS with the API server's own certificate, so that the daemon trusts it as it is.
 */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, request as httpsRequest, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tear, trickle } from './body.ts'
import { type Line, linesOf } from './watch-stream.ts'

/** The last part of a collection's path, such as `pods`. */
export type Plural = 'pods' | 'namespaces' | 'multi-networkpolicies' | 'network-attachment-definitions'

export interface Asked {
  readonly plural: Plural | 'other'
  readonly verb: 'list' | 'watch' | 'write'
  readonly query: URLSearchParams
  readonly authorization: string
}

/** What becomes of one request. */
export type Fate =
  | { readonly kind: 'passes' }
  /** Passes with another query, or another Authorization. */
  | { readonly kind: 'altered'; readonly query?: URLSearchParams; readonly authorization?: string }
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    }
  /** The connection breaks where an answer is waited for. */
  | { readonly kind: 'reset' }
  /** Nothing is answered before that; then it passes. */
  | { readonly kind: 'held'; readonly until: Promise<unknown> }
  /** The real answer's body breaks off after so many bytes. */
  | { readonly kind: 'torn'; readonly afterBytes: number }
  /** The real answer comes one byte at a time. */
  | { readonly kind: 'slow'; readonly msPerByte: number }

export const passes: Fate = { kind: 'passes' }

interface Stream {
  readonly plural: string
  readonly response: ServerResponse
  readonly socket: Socket
  frozen: boolean
}

export class FaultProxy implements AsyncDisposable {
  readonly requests: Asked[] = []
  /** Asked for each request. */
  fate: (asked: Asked) => Fate | Promise<Fate> = () => passes
  /** Asked for each line of each watch; what it returns is sent in the line's place. */
  line: Line = (_, text) => [{ kind: 'text', text }]
  readonly #upstream: URL
  readonly #ca: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #watches = new Set<Stream>()
  #port = 0

  private constructor(upstream: string, ca: string, server: Server) {
    this.#upstream = new URL(upstream)
    this.#ca = ca
    this.#server = server
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('tlsClientError', () => undefined)
    server.on('request', (request, response) => {
      // An exchange that breaks is what tests are about; the daemon is the one to complain.
      this.#serve(request, response).catch(() => request.socket.destroy())
    })
  }

  /** @param credentials of the API server itself, in PEM */
  static async start(
    upstream: string,
    credentials: { readonly cert: string; readonly key: string },
  ): Promise<FaultProxy> {
    const proxy = new FaultProxy(upstream, credentials.cert, createServer(credentials))
    await proxy.accept()
    return proxy
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`
  }

  /** Requests since there were `from`, by what is asked for, such as `list pods`. */
  count(from: number, verb?: Asked['verb'], plural?: Plural): number {
    return this.requests
      .slice(from)
      .filter((asked) => (verb ?? asked.verb) === asked.verb && (plural ?? asked.plural) === asked.plural)
      .length
  }

  /** The kinds that are being watched through this proxy now. */
  get watched(): readonly string[] {
    return [...this.#watches].filter(({ frozen }) => !frozen).map(({ plural }) => plural)
  }

  /** Connections are refused by the kernel from here on; those there are break. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.breakAll()
    await closed
  }

  /** On the same port as ever. */
  async accept(): Promise<void> {
    await once(this.#server.listen(this.#port, '127.0.0.1'), 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Breaks every connection with a reset. */
  breakAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Breaks the watches of one kind. */
  breakWatches(plural: Plural): void {
    for (const stream of this.#watches) if (stream.plural === plural) stream.socket.destroy()
  }

  /** Writes bytes into the watches of one kind, as if the server had sent them. */
  inject(plural: Plural, bytes: string | Uint8Array): void {
    for (const stream of this.#watches) if (stream.plural === plural) stream.response.write(bytes)
  }

  /** From here on nothing passes on the watches of one kind that are open, and nobody is told. */
  freeze(plural: Plural): void {
    for (const stream of this.#watches) if (stream.plural === plural) stream.frozen = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.#upstream)
    const asked = askedOf(request, url)
    this.requests.push(asked)
    const fate = await this.fate(asked)
    switch (fate.kind) {
      case 'answered':
        response.writeHead(fate.status, fate.headers).end(fate.body)
        return
      case 'reset':
        request.socket.destroy()
        return
      case 'held':
        await fate.until
        break
      case 'altered':
        if (fate.query !== undefined) url.search = fate.query.toString()
        if (fate.authorization !== undefined) request.headers.authorization = fate.authorization
        break
      case 'passes':
      case 'torn':
      case 'slow':
        break
      default:
        fate satisfies never
    }
    await this.#pass({ request, response, url, asked, fate })
  }

  async #pass(exchange: {
    readonly request: IncomingMessage
    readonly response: ServerResponse
    readonly url: URL
    readonly asked: Asked
    readonly fate: Fate
  }): Promise<void> {
    const { request, response, url, asked, fate } = exchange
    const { method = 'GET', headers } = request
    const call = httpsRequest(url, { method, headers, ca: this.#ca, agent: false })
    const answered = once(call, 'response')
    response.once('close', () => call.destroy())
    call.on('error', () => request.socket.destroy())
    request.pipe(call)
    const [answer] = (await answered) as [IncomingMessage]
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    response.flushHeaders()
    if (fate.kind === 'torn') return await tear(answer, response, fate.afterBytes)
    if (fate.kind === 'slow') return await trickle(answer, response, fate.msPerByte)
    if (asked.verb !== 'watch' || answer.statusCode !== 200) {
      answer.pipe(response)
      return
    }
    await this.#watch(asked, answer, {
      plural: asked.plural,
      response,
      socket: request.socket,
      frozen: false,
    })
  }

  async #watch(asked: Asked, answer: IncomingMessage, stream: Stream): Promise<void> {
    const { response, socket } = stream
    this.#watches.add(stream)
    response.once('close', () => this.#watches.delete(stream))
    for await (const text of linesOf(answer)) {
      for (const sent of await this.line(asked.plural, text)) {
        if (stream.frozen) continue
        if (sent.kind === 'breaks') response.write(sent.text, () => socket.destroy())
        else if (sent.kind === 'ends') response.end(sent.text)
        else response.write(sent.text)
        // What follows the last of a stream must not be sent either.
        if (sent.kind !== 'text') return
      }
    }
    if (!stream.frozen) response.end()
  }
}

function askedOf({ method, headers }: IncomingMessage, { pathname, searchParams }: URL): Asked {
  const last = pathname.split('/').at(-1) ?? ''
  const ours = ['pods', 'namespaces', 'multi-networkpolicies', 'network-attachment-definitions']
  return {
    plural: ours.includes(last) ? (last as Plural) : 'other',
    verb: method !== 'GET' ? 'write' : searchParams.has('watch') ? 'watch' : 'list',
    query: searchParams,
    authorization: headers.authorization ?? '',
  }
}
