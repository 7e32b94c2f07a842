/** The API as the administrator sees it, by node's own client and none of ours: it must not hide our bugs. */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { stringify } from 'yaml'

/** As much of any object as tests look at without a type of their own. */
export interface ApiObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly uid: string
    readonly resourceVersion: string
  }
  readonly [field: string]: unknown
}

export class ApiFailure extends Error {
  readonly status: number

  constructor(method: string, path: string, status: number, body: string) {
    super(`${method} ${path}: ${status} ${body.slice(0, 1000)}`)
    this.status = status
  }
}

export class AdminClient {
  readonly #url: string
  readonly #token: string
  readonly #certificate: string
  #agent: Agent | undefined

  /** The server writes its self-signed certificate to that path when it first starts. */
  constructor(url: string, token: string, certificate: string) {
    this.#url = url
    this.#token = token
    this.#certificate = certificate
  }

  ca(): Promise<string> {
    return readFile(this.#certificate, 'utf8')
  }

  close(): void {
    this.#agent?.destroy()
  }

  async call(method: string, path: string, body?: unknown, contentType?: string): Promise<ApiObject> {
    const answer = await this.raw(method, path, body, contentType)
    if (answer.status >= 400) throw new ApiFailure(method, path, answer.status, answer.body)
    return JSON.parse(answer.body) as ApiObject
  }

  async raw(
    method: string,
    path: string,
    body?: unknown,
    contentType: string = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
  ): Promise<{ status: number; body: string }> {
    this.#agent ??= new Agent({ keepAlive: true, ca: await this.ca() })
    const bytes = Buffer.from(body === undefined ? '' : JSON.stringify(body))
    // Said for each method: without it node sends a DELETE's body and does not say that there is one.
    const length = { 'content-length': bytes.length }
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': contentType, ...length }
    const call = request(this.#url + path, { method, headers, agent: this.#agent })
    const answered = once(call, 'response')
    call.end(bytes)
    const [response] = await answered
    return { status: response.statusCode, body: await text(response) }
  }

  async kubeconfig(directory: string, name: string, token: string): Promise<string> {
    const path = join(directory, `${name}.kubeconfig`)
    const cluster = {
      server: this.#url,
      'certificate-authority-data': Buffer.from(await this.ca()).toString('base64'),
    }
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster }],
      users: [{ name, user: { token } }],
      contexts: [{ name, context: { cluster: 'test', user: name } }],
      'current-context': name,
    }
    await writeFile(path, stringify(config), { mode: 0o600 })
    return path
  }
}

/** Lets one status pass, for calls whose aim is reached by it as well. */
export function unless(status: number): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ApiFailure && error.status === status)) throw error
  }
}
