/** Where a server listens, in the spelling of ovsdb(7), "Active Database Connections". */
import { isIPv6 } from 'node:net'

export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp' | 'ssl'; readonly host: string; readonly port: number }

/** The port that IANA gave to OVSDB; ovsdb(7) lets it be left out. */
const DEFAULT_PORT = 6640

/**
 * `unix:/path`, `tcp:host:port`, `ssl:host:port`; IPv6 addresses in brackets; the port may be left out. Several
 * are separated by commas, as in OVN_NB_DB. Throws RangeError, with the part that is wrong.
 */
export function parseEndpoints(text: string): readonly Endpoint[] {
  return text.split(',').map((part) => parseEndpoint(part.trim()))
}

/** The same spelling again. */
export function showEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix:${endpoint.path}`
  const host = isIPv6(endpoint.host) ? `[${endpoint.host}]` : endpoint.host
  return `${endpoint.kind}:${host}:${endpoint.port}`
}

function parseEndpoint(text: string): Endpoint {
  if (text.startsWith('unix:') && text.length > 'unix:'.length) return { kind: 'unix', path: text.slice(5) }
  const match = /^(tcp|ssl):(?:\[([^\]]+)\]|([^:[\]\s]+))(?::([0-9]{1,5}))?$/.exec(text)
  const [, kind, bracketed, plain, digits] = match ?? []
  const host = bracketed ?? plain
  const port = digits === undefined ? DEFAULT_PORT : Number(digits)
  const wrong = bracketed !== undefined && !isIPv6(bracketed)
  if ((kind !== 'tcp' && kind !== 'ssl') || host === undefined || wrong || port < 1 || port > 65535) {
    throw new RangeError(
      `"${text}" is no endpoint: unix:/path, tcp:host:port or ssl:host:port, IPv6 in brackets`,
    )
  }
  return { kind, host, port }
}
