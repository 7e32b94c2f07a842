/** A stream to an endpoint. Of TLS it knows what Open vSwitch's own clients take: a key, a certificate, a CA. */
import { readFile } from 'node:fs/promises'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Endpoint, showEndpoint } from './endpoint.ts'

/** Paths of PEM files. They are read anew for each connection: certificates are renewed while a client runs. */
export type TlsFiles = {
  readonly privateKey: string
  readonly certificate: string
  readonly ca: string
  /**
   * The name that the server's certificate must bear. Without it the chain to the CA is all that is looked at,
   * as Open vSwitch's clients do: the CA of a database is its own, and certificates often bear no host's name.
   */
  readonly serverName?: string
}

/** Resolves once the stream is open, TLS included; rejects with the system's error or the signal's reason. */
export async function openSocket(
  endpoint: Endpoint,
  tls: TlsFiles | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const socket = await dial(endpoint, tls, signal)
  const opened = endpoint.kind === 'ssl' ? 'secureConnect' : 'connect'
  const abort = (): void => {
    socket.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
  }
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once(opened, resolve).once('error', reject)
      socket.once('close', () => reject(new Error('closed before it was open')))
      signal.addEventListener('abort', abort, { once: true })
    })
  } finally {
    signal.removeEventListener('abort', abort)
  }
  socket.setNoDelay(true)
  return socket
}

async function dial(endpoint: Endpoint, tls: TlsFiles | undefined, signal: AbortSignal): Promise<Socket> {
  if (endpoint.kind === 'unix') return connectPlain({ path: endpoint.path })
  const { host, port } = endpoint
  if (endpoint.kind === 'tcp') return connectPlain({ host, port })
  if (tls === undefined) throw new Error(`${showEndpoint(endpoint)} needs a key, a certificate and a CA`)
  const read = (path: string): Promise<string> => readFile(path, { encoding: 'utf8', signal })
  const [key, cert, ca] = await Promise.all([read(tls.privateKey), read(tls.certificate), read(tls.ca)])
  signal.throwIfAborted()
  const trust = { key, cert, ca, rejectUnauthorized: true }
  return tls.serverName === undefined
    ? connectTls({ host, port, ...trust, checkServerIdentity: () => undefined })
    : connectTls({ host, port, ...trust, servername: tls.serverName })
}
