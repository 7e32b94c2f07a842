/**
 * How a request reaches the API server. The rest of the daemon sees only this interface: where the server is,
 * what proves who we are and when that proof is renewed stay below it. There are two ways to get one: from the
 * pod's own ServiceAccount, or from a kubeconfig file. The second costs a good 15 MiB of memory, for the library
 * that knows kubeconfig files, and therefore loads it only when called.
 */
import type { IncomingHttpHeaders } from 'node:http'

export { ConnectionError, type ConnectionPhase } from './connection-error.ts'
export type { HttpOptions } from './connection-http.ts'
export { type InClusterOptions, inCluster } from './connection-in-cluster.ts'
export { fromKubeconfig, type KubeconfigOptions } from './connection-kubeconfig.ts'

export interface ApiRequest {
  readonly query?: Readonly<Record<string, string>> | undefined
  /** The Accept header; `application/json` unless told. */
  readonly accept?: string | undefined
  /**
   * Whether the answer may come compressed; true unless told. A watch says false: what compresses a stream on
   * the way may hold events back until its block is full.
   */
  readonly compressed?: boolean | undefined
  /** Aborts the request and, once there is an answer, the reading of its body. */
  readonly signal?: AbortSignal | undefined
}

export interface ApiResponse {
  readonly status: number
  readonly headers: Readonly<IncomingHttpHeaders>
  /**
   * The decompressed bytes, readable once. Read it to its end, or leave the loop early, or abort the request:
   * one of these must happen, else its connection stays taken. Reading throws ConnectionError where the
   * connection breaks, the signal's reason where the signal aborted.
   */
  readonly body: AsyncIterable<Uint8Array>
}

/** Disposing of it closes what connections it keeps open. */
export interface ApiConnection extends Disposable {
  /** The server's address, for messages; never a credential in it. */
  readonly server: string
  /**
   * Any HTTP status is an answer, not an error.
   *
   * @throws {ConnectionError} when no answer came: credentials, connecting, TLS, a time-out.
   */
  get(path: string, request?: ApiRequest): Promise<ApiResponse>
  /** @throws {ConnectionError} like {@link get}. */
  send(
    method: 'POST' | 'PATCH',
    path: string,
    body: string,
    contentType: string,
    request?: Pick<ApiRequest, 'signal'>,
  ): Promise<ApiResponse>
}
