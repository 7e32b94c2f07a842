/**
 * What one request needs besides its path, as the two ways of getting it (ServiceAccount, kubeconfig) hand it
 * to the one way of using it. Asked for anew at each request: tokens and certificates are short-lived and
 * change below a daemon that runs for months.
 */
import type { Agent } from 'node:http'

/** In PEM, as node:tls takes them. An absent `ca` means the system's authorities. */
export interface TlsMaterial {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly servername?: string | undefined
  readonly rejectUnauthorized?: boolean | undefined
}

export interface Access {
  readonly headers: Readonly<Record<string, string>>
  readonly tls: TlsMaterial
  /** Set where the way to the server is not ours to open, that is through a proxy. */
  readonly agent?: Agent | undefined
}

export interface Credentials {
  /** Scheme, host, port and any path that all requests are below. */
  readonly server: URL
  /** @throws {ConnectionError} of phase `credentials`. */
  access(): Promise<Access>
  /** The server answered 401. Forgets what may be stale; false where there is nothing that could change. */
  renew(): boolean
}

/** No credentials at all: what a bare server address comes to. */
export function anonymous(server: URL): Credentials {
  return { server, access: async () => ({ headers: {}, tls: {} }), renew: () => false }
}

/** A bare `host:port` means TLS only if the entry says anything about TLS, as it does for kubectl. */
export function withScheme(server: string, cluster: Readonly<Record<string, unknown>>): string {
  if (server.includes('://')) return server
  const tls = ['certificate-authority', 'certificate-authority-data', 'insecure-skip-tls-verify'].some(
    (field) => cluster[field],
  )
  return `${tls ? 'https' : 'http'}://${server}`
}
