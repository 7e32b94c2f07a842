/**
 * A real HTTP server on loopback that answers nothing by itself: the test takes each request as it comes in and
 * says, down to the byte, what goes back.
 */
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'

/** One request, to be answered by the test. */
export class ScriptedRequest {
  readonly path: string
  readonly query: Record<string, string>
  readonly headers: http.IncomingHttpHeaders
  readonly socket: Duplex
  readonly body: Promise<string>
  readonly #response: http.ServerResponse

  constructor(request: http.IncomingMessage, response: http.ServerResponse) {
    const url = new URL(request.url ?? '/', 'http://loopback')
    this.path = url.pathname
    this.query = Object.fromEntries(url.searchParams)
    this.headers = request.headers
    this.socket = request.socket
    this.body = text(request)
    this.#response = response
  }

  /** A whole answer: JSON, or text as it is. */
  answer(status: number, body: unknown, headers: http.OutgoingHttpHeaders = {}): void {
    this.#response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
  }

  /** The head of an answer whose body comes with {@link write}. */
  open(status = 200, headers: http.OutgoingHttpHeaders = {}): this {
    this.#response.writeHead(status, headers).flushHeaders()
    return this
  }

  write(bytes: string | Uint8Array): this {
    this.#response.write(bytes)
    return this
  }

  /** Chunks as separate as TCP lets them be: the next is written when the last has been handed to the kernel. */
  async writeEach(chunks: Iterable<string | Uint8Array>): Promise<void> {
    for (const chunk of chunks) {
      await new Promise<void>((resolve) => this.#response.write(chunk, () => setImmediate(resolve)))
    }
  }

  events(...events: readonly unknown[]): this {
    return this.write(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
  }

  end(): void {
    this.#response.end()
  }

  /** Breaks the connection, as a crash does. */
  reset(): void {
    this.#response.socket?.resetAndDestroy()
  }

  /** Resolves when the client has given this request up, or its connection is gone. */
  async closed(): Promise<void> {
    if (!this.#response.closed) await once(this.#response, 'close')
  }
}

export class ScriptedServer implements AsyncDisposable {
  readonly url: string
  /** How many TCP connections there have been. */
  connections = 0
  readonly #server: http.Server
  readonly #arrived: ScriptedRequest[] = []
  readonly #waiting: ((request: ScriptedRequest) => void)[] = []

  private constructor(server: http.Server, scheme: string) {
    this.#server = server
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('connection', () => {
      this.connections++
    })
    server.on('request', (request, response) => {
      const scripted = new ScriptedRequest(request, response)
      const next = this.#waiting.shift()
      if (next === undefined) this.#arrived.push(scripted)
      else next(scripted)
    })
  }

  /** With TLS where options for it are given. */
  static async start(tls?: https.ServerOptions, port = 0): Promise<ScriptedServer> {
    const server = tls === undefined ? http.createServer() : https.createServer(tls)
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return new ScriptedServer(server, tls === undefined ? 'http' : 'https')
  }

  /** The next request that nobody has taken, as soon as it is there. */
  next(): Promise<ScriptedRequest> {
    const arrived = this.#arrived.shift()
    if (arrived !== undefined) return Promise.resolve(arrived)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** How many requests wait to be taken. */
  get unanswered(): number {
    return this.#arrived.length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
