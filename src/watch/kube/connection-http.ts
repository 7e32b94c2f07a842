/**
 * The connection proper: node's own HTTP client with one keep-alive agent for the whole process, so that
 * hundreds of calls cost one TLS handshake and not hundreds. A 401 is answered once with fresh credentials.
 */
import http from 'node:http'
import https from 'node:https'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { ApiConnection, ApiResponse } from './connection.ts'
import type { Access, Credentials, TlsMaterial } from './connection-access.ts'
import { ConnectionError, wordsOf } from './connection-error.ts'
import { type Exchange, exchange } from './connection-exchange.ts'

export interface HttpOptions {
  /** Until name, TCP and TLS are done; 10 s unless told. */
  readonly connectTimeoutMs?: number | undefined
  /** From the request to the head of its answer; 60 s unless told, what the API server gives itself. */
  readonly headTimeoutMs?: number | undefined
  readonly userAgent?: string | undefined
}

/** Idle connections go before any load balancer on the way drops them in silence. */
const idleSocketMs = 60_000

/** Which kernel probes keep a quiet connection known to be alive; a dead peer shows within a minute. */
const keepAliveMs = 30_000

type Call = Pick<Exchange, 'method' | 'path' | 'query' | 'body' | 'signal'> & {
  readonly headers: Readonly<Record<string, string>>
}

export function connect(credentials: Credentials, options: HttpOptions = {}): ApiConnection {
  const { server } = credentials
  const agents = agentFor(server)
  const attempt = async (call: Call): Promise<http.IncomingMessage> => {
    const access = await abortable(credentials.access(), call.signal)
    return await exchange({
      ...call,
      server,
      agent: access.agent ?? agents.for(access.tls),
      headers: {
        'user-agent': options.userAgent ?? 'multi-networkpolicyd',
        ...call.headers,
        ...access.headers,
      },
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
      headTimeoutMs: options.headTimeoutMs ?? 60_000,
    })
  }
  const call = async (what: Call): Promise<ApiResponse> => {
    const first = await attempt(what)
    if (first.statusCode !== 401 || !credentials.renew()) return answer(first, server, what.signal)
    // Its few words are read and dropped, so that the connection can be used again.
    first.resume()
    return answer(await attempt(what), server, what.signal)
  }
  return {
    server: (server.origin + server.pathname).replace(/\/$/, ''),
    get: (path, { query, accept = 'application/json', compressed = true, signal } = {}) => {
      const headers = { accept, 'accept-encoding': compressed ? 'gzip' : 'identity' }
      return call({ method: 'GET', path, query, headers, signal })
    },
    send: (method, path, body, contentType, { signal } = {}) => {
      const headers = { accept: 'application/json', 'content-type': contentType }
      return call({ method, path, body, headers, signal })
    },
    [Symbol.dispose]: () => agents.destroy(),
  }
}

/**
 * One agent, and another only once certificates changed: the old one's watches run on to their end instead of
 * all breaking at that instant, and its idle connections time out.
 */
function agentFor(server: URL): { for(tls: TlsMaterial): http.Agent; destroy(): void } {
  const options = { keepAlive: true, keepAliveMsecs: keepAliveMs, timeout: idleSocketMs }
  let current: http.Agent | undefined
  let material = ''
  return {
    for: (tls) => {
      const wanted = JSON.stringify(tls)
      if (current === undefined || wanted !== material) {
        current =
          server.protocol === 'http:' ? new http.Agent(options) : new https.Agent({ ...options, ...tls })
        material = wanted
      }
      return current
    },
    destroy: () => current?.destroy(),
  }
}

/** An exec plugin may hang for as long as it likes; the one who waits for it need not. */
async function abortable(access: Promise<Access>, signal: AbortSignal | undefined): Promise<Access> {
  if (signal === undefined) return await access
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([access, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function answer(message: http.IncomingMessage, server: URL, signal: AbortSignal | undefined): ApiResponse {
  const zipped = message.headers['content-encoding'] === 'gzip'
  // pipeline hands errors on to its last stream, where the one who reads meets them.
  const bytes = zipped ? pipeline(message, createGunzip(), () => undefined) : message
  return { status: message.statusCode ?? 0, headers: message.headers, body: read(bytes, server, signal) }
}

async function* read(
  bytes: AsyncIterable<Uint8Array>,
  server: URL,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* bytes
  } catch (error) {
    signal?.throwIfAborted()
    throw new ConnectionError('exchange', `${server.origin}: ${wordsOf(error)}`, { cause: error })
  }
  signal?.throwIfAborted()
}
