/**
 * A man in the middle on a socket of its own, between a client and a real server: it sees whole requests, and may
 * answer them itself, drop the connection, or change what comes back. So an old server, a lost reply and a torn
 * stream can be had from the one that is installed.
 */
import { createServer, connect as dial, type Server as NetServer, type Socket } from 'node:net'
import { isObject, type Json, type JsonObject } from '../../src/json.ts'
import { JsonStream } from '../../src/json-stream.ts'

export type Verdict =
  | { readonly kind: 'forward' }
  | { readonly kind: 'answer'; readonly result: Json; readonly error?: Json }
  /** The server gets it, the client's connection ends. */
  | { readonly kind: 'forward-and-cut' }

export type MiddlemanOptions = {
  readonly onRequest?: (method: string, params: Json) => Verdict
  /** What the client gets for bytes of the server. */
  readonly onBytes?: (bytes: Buffer) => readonly Buffer[]
}

export class Middleman implements AsyncDisposable {
  readonly endpoint: string
  readonly #server: NetServer
  readonly #sockets = new Set<Socket>()

  constructor(path: string, target: string, options: MiddlemanOptions) {
    this.endpoint = `unix:${path}`
    this.#server = createServer((client) => this.#serve(client, target.replace('unix:', ''), options))
    this.#server.listen(path)
  }

  /** Ends every connection there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** What a server would send of its own accord. */
  inject(bytes: string): void {
    for (const socket of this.#sockets) socket.write(bytes)
  }

  #serve(client: Socket, target: string, { onRequest, onBytes }: MiddlemanOptions): void {
    const server = dial(target)
    const end = (): void => {
      this.#sockets.delete(client)
      client.destroy()
      server.destroy()
    }
    this.#sockets.add(client)
    for (const socket of [client, server]) socket.on('error', end).on('close', end)
    const stream = new JsonStream()
    client.on('data', (chunk: Buffer) => {
      for (const message of stream.messages(chunk)) {
        if (!isObject(message)) continue
        const verdict = judge(message, onRequest)
        if (verdict.kind === 'answer') {
          client.write(
            JSON.stringify({ id: message['id'], result: verdict.result, error: verdict.error ?? null }),
          )
          continue
        }
        server.write(JSON.stringify(message))
        if (verdict.kind === 'forward-and-cut') client.destroy()
      }
    })
    server.on('data', (chunk: Buffer) => {
      for (const part of onBytes?.(chunk) ?? [chunk]) client.write(part)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function judge(message: JsonObject, onRequest: MiddlemanOptions['onRequest']): Verdict {
  const { method, params } = { method: message['method'], params: message['params'] }
  if (typeof method !== 'string' || onRequest === undefined) return { kind: 'forward' }
  return onRequest(method, params ?? null)
}
