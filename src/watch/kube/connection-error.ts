/**
 * What goes wrong between us and the API server before it answers, said once and whole: an operator reads this
 * line in the log of a daemon that cannot start and has nothing else to go by.
 */

/**
 * - `configuration`: the kubeconfig file or the pod's environment; trying again does not help by itself.
 * - `credentials`: getting the token or certificate for a request (a file, an exec plugin, an identity provider).
 * - `connect`: no connection: name, route, refusal, TLS, a time-out.
 * - `exchange`: a connection that broke, or said nothing for too long, before the answer was whole.
 */
export type ConnectionPhase = 'configuration' | 'credentials' | 'connect' | 'exchange'

export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
  readonly phase: ConnectionPhase

  constructor(phase: ConnectionPhase, message: string, options?: ErrorOptions) {
    super(message, options)
    this.phase = phase
  }
}

/** An unknown thing that was thrown, in words: all of an aggregate's reasons, TLS named as such. */
export function wordsOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(wordsOf))].join('; ')
  }
  if (!(error instanceof Error)) return String(error)
  const code = codeOf(error)
  const text = error.message === '' ? (code ?? error.name) : error.message
  return isTls(code) ? `TLS: ${reasonOf(error) ?? text}` : (reasonOf(error) ?? text)
}

/** OpenSSL's own words, without the numbers around them that differ from one time to the next. */
function reasonOf(error: Error): string | undefined {
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : undefined
}

/** Node's short name of a system error, such as ECONNREFUSED. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Certificate checks report OpenSSL's own names, hence the prefixes. */
function isTls(code: string | undefined): boolean {
  return (
    code !== undefined &&
    /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|CRL_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA)/.test(
      code,
    )
  )
}
