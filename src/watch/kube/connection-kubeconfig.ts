/**
 * The connection that a kubeconfig file describes. Authentication is the client library's: client certificates,
 * tokens, token files, exec plugins, identity providers. Only the file of it that is needed is imported, and
 * that, like the YAML parser, only when a kubeconfig is given. Of the library's connections we use none, since
 * it opens a new one for each call; except through a proxy, where it knows the way.
 */
import type { Agent, RequestOptions } from 'node:https'
import type { KubeConfig, User } from '@kubernetes/client-node'
import type { ApiConnection } from './connection.ts'
import { type Access, anonymous, type Credentials, withScheme } from './connection-access.ts'
import { ConnectionError, wordsOf } from './connection-error.ts'
import { connect, type HttpOptions } from './connection-http.ts'
import type { Kubeconfig } from './kubeconfig.ts'

export interface KubeconfigOptions extends HttpOptions {
  /** A path. Without one, `master` alone is used, with no credentials. */
  readonly kubeconfig?: string | undefined
  /** Takes the place of the server in the file. */
  readonly master?: string | undefined
  /** For one round of the authentication, such as an exec plugin's run; 60 s unless told. */
  readonly credentialsTimeoutMs?: number | undefined
}

/**
 * @throws {ConnectionError} of phase `configuration`, naming file, field and reason. Credentials are first
 *   asked for at the first request: an identity provider that is out of reach is no reason not to start.
 */
export async function fromKubeconfig(options: KubeconfigOptions): Promise<ApiConnection> {
  const { kubeconfig, master } = options
  if (kubeconfig) {
    const { readKubeconfig } = await import('./kubeconfig.ts')
    return connect(await credentialsOf(readKubeconfig(kubeconfig, master), options), options)
  }
  const server = URL.parse(withScheme(master ?? '', {}))
  if (!master || !server?.hostname) {
    throw new ConnectionError('configuration', `--master: is no http or https URL: ${master ?? '(not set)'}`)
  }
  return connect(anonymous(server), options)
}

async function credentialsOf(config: Kubeconfig, options: KubeconfigOptions): Promise<Credentials> {
  const library = await import('@kubernetes/client-node/dist/config.js')
  const text = JSON.stringify(document(config))
  const fresh = (users?: User[]): KubeConfig => {
    const loaded = new library.KubeConfig()
    loaded.loadFromString(text)
    // An identity provider's refresh token works once, and the library keeps the next one on the user.
    if (users !== undefined) loaded.users = users
    return loaded
  }
  const timeoutMs = options.credentialsTimeoutMs ?? 60_000
  let loaded = fresh()
  let running: Promise<Access> | undefined
  return {
    server: new URL(config.cluster.server),
    access: async () => {
      // One at a time: four watches that start together must not run an exec plugin four times.
      running ??= accessBy(loaded, config).finally(() => {
        running = undefined
      })
      return await within(running, timeoutMs, config)
    },
    renew: () => {
      // Fresh objects ask again, where the old ones answer from memory until the expiry they were told.
      loaded = fresh(loaded.users)
      return config.user['exec'] !== undefined || config.user['auth-provider'] !== undefined || isFile(config)
    },
  }
}

/** What of the file the library is shown, in the form that it understands. */
function document(config: Kubeconfig): unknown {
  const { cluster, user, clusterName, userName } = config
  const { tokenFile, token, ...rest } = user
  const file = { ...rest, 'auth-provider': { name: 'tokenFile', config: { tokenFile } } }
  // The library refuses plain http unless told that TLS is not to be verified, of which there is none.
  const plain = cluster.server.startsWith('http:') && { 'insecure-skip-tls-verify': true }
  return {
    clusters: [{ name: clusterName, cluster: { ...cluster, ...plain } }],
    users: [{ name: userName, user: tokenFile ? file : user }],
    contexts: [{ name: 'current', context: { cluster: clusterName, user: userName } }],
    'current-context': 'current',
  }
}

function isFile({ user }: Kubeconfig): boolean {
  return ['tokenFile', 'client-certificate', 'client-key'].some((field) => user[field])
}

async function accessBy(loaded: KubeConfig, config: Kubeconfig): Promise<Access> {
  const options: RequestOptions = {}
  try {
    await loaded.applyToHTTPSOptions(options)
  } catch (error) {
    // The library reads a plugin's output unchecked and trips over what is missing in it.
    const tripped =
      config.user['exec'] !== undefined && (error instanceof TypeError || error instanceof SyntaxError)
    const reason = tripped ? 'printed no ExecCredential with a status' : wordsOf(error).trim()
    throw new ConnectionError('credentials', `${whose(config)}: ${reason}`, { cause: error })
  }
  const { ca, cert, key, servername, rejectUnauthorized, auth } = options
  const basic = auth ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {}
  const agent = config.cluster['proxy-url'] ? { agent: options.agent as Agent } : {}
  const tls = { ca: pem(ca), cert: pem(cert), key: pem(key), servername, rejectUnauthorized }
  return { headers: { ...basic, ...headersOf(options) }, tls, ...agent }
}

/** Trimmed: a token file ends in a line break more often than not. */
function headersOf({ headers }: RequestOptions): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [name, String(value).trim()]),
  )
}

/** The library hands out file contents as buffers and what a plugin printed as text. */
function pem(material: unknown): string | undefined {
  return material === undefined || material === null ? undefined : String(material)
}

/** The library sets no limit; a plugin that hangs would otherwise stop everything and say nothing. */
async function within(access: Promise<Access>, ms: number, config: Kubeconfig): Promise<Access> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(new ConnectionError('credentials', `${whose(config)}: no credentials within ${ms / 1000} s`))
  }, ms)
  try {
    return await Promise.race([access, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

function whose({ file, user, userName }: Kubeconfig): string {
  const exec = user['exec']
  const command = typeof exec === 'object' && exec !== null && 'command' in exec ? ` (${exec.command})` : ''
  const how = ['exec', 'auth-provider', 'tokenFile'].find((field) => user[field])
  return `kubeconfig ${file}: user ${userName}${how === undefined ? '' : `: ${how}${command}`}`
}
