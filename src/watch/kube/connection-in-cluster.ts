/**
 * The connection of a pod to its own cluster, by its ServiceAccount: two environment variables and two mounted
 * files. It is written out here, and not taken from the client library, because this is how nearly every
 * installation runs and the library would double the daemon's memory.
 *
 * The mounted token is valid for an hour and the kubelet replaces the file in good time, so it is read again at
 * most a minute after the last reading and whenever the server refuses it. Source: Kubernetes documentation,
 * "Accessing the Kubernetes API from a Pod" and "Bound service account tokens".
 */
import { readFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { type Clock, systemClock } from '../../clock.ts'
import type { ApiConnection } from './connection.ts'
import type { Access, Credentials } from './connection-access.ts'
import { ConnectionError, wordsOf } from './connection-error.ts'
import { connect, type HttpOptions } from './connection-http.ts'

export interface InClusterOptions extends HttpOptions {
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly readText?: ((path: string) => Promise<string>) | undefined
  readonly clock?: Pick<Clock, 'now'> | undefined
  /** Another address of the same cluster, for when the service address does not work yet on this node. */
  readonly server?: string | undefined
  readonly directory?: string | undefined
}

const rereadMs = 60_000

/**
 * @throws {ConnectionError} of phase `configuration` when this is no pod, `credentials` when the token or the
 *   authority's certificate cannot be read.
 */
export async function inCluster(options: InClusterOptions = {}): Promise<ApiConnection> {
  const credentials = serviceAccount(serverOf(options), options)
  await credentials.access()
  return connect(credentials, options)
}

function serverOf({ env = process.env, server }: InClusterOptions): URL {
  if (server !== undefined) return parsed(server, 'the server address')
  const host = env['KUBERNETES_SERVICE_HOST']
  const port = env['KUBERNETES_SERVICE_PORT']
  if (!host || !port) {
    const reason = 'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set'
    throw new ConnectionError('configuration', `not in a pod (${reason}) and no kubeconfig was given`)
  }
  return parsed(`https://${isIPv6(host) ? `[${host}]` : host}:${port}`, 'KUBERNETES_SERVICE_HOST and _PORT')
}

function parsed(text: string, what: string): URL {
  const url = URL.parse(text)
  if (url !== null) return url
  throw new ConnectionError('configuration', `${what}: not a URL: ${text}`)
}

function serviceAccount(server: URL, options: InClusterOptions): Credentials {
  const { directory = '/var/run/secrets/kubernetes.io/serviceaccount', clock = systemClock } = options
  const { readText = (path) => readFile(path, 'utf8') } = options
  let known: Access | undefined
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<Access> | undefined

  const read = async (): Promise<Access> => {
    const [token, ca] = await Promise.all([
      text(`${directory}/token`, readText),
      text(`${directory}/ca.crt`, readText),
    ])
    known = { headers: { authorization: `Bearer ${token}` }, tls: { ca } }
    readAt = clock.now()
    return known
  }
  return {
    server,
    access: async () => {
      if (known !== undefined && clock.now() - readAt < rereadMs) return known
      reading ??= read().finally(() => {
        reading = undefined
      })
      // A token in hand may well still be good, however the file looks in this instant.
      return await reading.catch((error: unknown) => known ?? Promise.reject(error))
    },
    renew: () => {
      readAt = Number.NEGATIVE_INFINITY
      return true
    },
  }
}

async function text(path: string, readText: (path: string) => Promise<string>): Promise<string> {
  const content = await readText(path).catch((error: unknown) => {
    throw new ConnectionError('credentials', `ServiceAccount: ${path}: ${wordsOf(error)}`, { cause: error })
  })
  if (content.trim() === '') throw new ConnectionError('credentials', `ServiceAccount: ${path}: is empty`)
  return content.trim()
}
