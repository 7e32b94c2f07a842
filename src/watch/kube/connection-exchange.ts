/**
 * One HTTP request up to the head of its answer, with a limit on each thing that can take for ever: reaching
 * the server, and the server's silence once reached.
 */
import http from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import { ConnectionError, type ConnectionPhase, codeOf, wordsOf } from './connection-error.ts'

export interface Exchange {
  readonly server: URL
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly path: string
  readonly query?: Readonly<Record<string, string>> | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly agent: http.Agent
  readonly signal?: AbortSignal | undefined
  readonly connectTimeoutMs: number
  readonly headTimeoutMs: number
}

/**
 * @throws {ConnectionError} where no answer came; the signal's reason where it aborted.
 */
export async function exchange(what: Exchange): Promise<http.IncomingMessage> {
  try {
    return await once(what)
  } catch (error) {
    if (!(error instanceof StaleSocket)) throw error
    return await once(what)
  }
}

/** The server closed a kept connection in the instant we took it up again; a GET may simply be repeated. */
class StaleSocket extends ConnectionError {}

function once(what: Exchange): Promise<http.IncomingMessage> {
  const { server, signal } = what
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>()
  signal?.throwIfAborted()
  const request = open(what)
  const limits = limit(request, what)
  let connected = false
  request.once('socket', (socket) => {
    whenReady(socket, server, () => {
      connected = true
      limits.connected()
    })
  })
  request.once('response', (message) => {
    limits.over()
    resolve(message)
  })
  request.on('error', (error) => {
    limits.over()
    if (signal?.aborted) return reject(signal.reason)
    if (error instanceof ConnectionError) return reject(error)
    const closed = ['ECONNRESET', 'EPIPE'].includes(codeOf(error) ?? '')
    const stale = what.method === 'GET' && request.reusedSocket && closed
    const phase: ConnectionPhase = connected ? 'exchange' : 'connect'
    const words = `${server.origin}: ${wordsOf(error)}`
    reject(new (stale ? StaleSocket : ConnectionError)(phase, words, { cause: error }))
  })
  request.end(what.body)
  return promise
}

function open(what: Exchange): http.ClientRequest {
  const { server, method, path, query, headers, agent, signal } = what
  const url = new URL(server)
  url.pathname = server.pathname.replace(/\/$/, '') + path
  url.search = new URLSearchParams(query).toString()
  const length = what.body === undefined ? {} : { 'content-length': Buffer.byteLength(what.body) }
  const options = { method, agent, headers: { ...headers, ...length }, ...(signal && { signal }) }
  try {
    return url.protocol === 'http:' ? http.request(url, options) : https.request(url, options)
  } catch (error) {
    // Node refuses a header with a line break in it: a token file that holds something else than a token.
    throw new ConnectionError('credentials', `${server.origin}: ${wordsOf(error)}`, { cause: error })
  }
}

/** A socket from the agent's store is ready; a new one is once TCP, and TLS on top of it, stand. */
function whenReady(socket: Socket, server: URL, ready: () => void): void {
  const fresh = socket.connecting || ('secureConnecting' in socket && socket.secureConnecting === true)
  if (fresh) socket.once(server.protocol === 'http:' ? 'connect' : 'secureConnect', ready)
  else ready()
}

function limit(request: http.ClientRequest, what: Exchange): { connected(): void; over(): void } {
  const expire = (phase: ConnectionPhase, ms: number, doing: string): NodeJS.Timeout =>
    setTimeout(() => {
      request.destroy(new ConnectionError(phase, `${what.server.origin}: ${doing} within ${ms / 1000} s`))
    }, ms)
  const connecting = expire('connect', what.connectTimeoutMs, 'no connection')
  const waiting = expire('exchange', what.connectTimeoutMs + what.headTimeoutMs, 'no answer')
  return {
    connected: () => clearTimeout(connecting),
    over: () => {
      clearTimeout(connecting)
      clearTimeout(waiting)
    },
  }
}
