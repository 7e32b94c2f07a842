/**
 * What can go wrong with a list or a watch, as values: where it happened, why in words for an operator, and
 * what to do next. The words of one and the same trouble stay the same from try to try, so that they are said
 * once.
 */
import { STATUS_CODES } from 'node:http'
import type { ApiResponse } from './connection.ts'
import { ConnectionError } from './connection-error.ts'
import { excerpt, Malformed } from './malformed.ts'
import type { Resource } from './resource.ts'

/**
 * Where: asking for a list and reading it; getting a watch going; within its stream; or about one object, which
 * is left out while all the rest works.
 */
export type Stage = 'list' | 'open' | 'stream' | 'object'

export interface Failure {
  readonly kind: 'failed'
  readonly stage: Stage
  readonly reason: string
  /** `watch`: nothing was lost, the watch can go on where it was. `list`: something may be, or the watch can't. */
  readonly next: 'list' | 'watch'
  /** 404: the kind is not there, as before its CRD is installed. Worth a look more often than other failures. */
  readonly missing?: boolean
  /** 400 or 406: the server does not know the field selector, or the form, that was asked for. */
  readonly refused?: boolean
  /** What the server asked for in Retry-After. */
  readonly retryAfterMs?: number
}

/** 410: the server no longer knows the resourceVersion, or the page, that we hold. Not a fault: a relist. */
export interface Expired {
  readonly kind: 'expired'
}

/** A server that asks for more than this is not to be trusted with our patience. */
const maxRetryAfterMs = 120_000
const maxErrorBytes = 65_536

export function failure(resource: Resource, stage: Stage, why: string, next: Failure['next']): Failure {
  const doing = { list: 'list ', open: 'watch ', stream: 'watch ', object: '' }[stage]
  return { kind: 'failed', stage, next, reason: `${doing}${resource.path}: ${why}` }
}

/** A thrown thing as a failure; what is neither the connection's nor the body's fault is a bug and thrown on. */
export function failureOfError(resource: Resource, stage: Stage, error: unknown): Failure {
  if (error instanceof ConnectionError) return failure(resource, stage, error.message, 'watch')
  if (error instanceof Malformed) return failure(resource, stage, error.message, 'list')
  throw error
}

/** An answer other than 200, with what the API says about it in its body. */
export async function failureOfAnswer(
  resource: Resource,
  stage: Stage,
  { status, headers, body }: Pick<ApiResponse, 'status' | 'headers' | 'body'>,
): Promise<Failure | Expired> {
  if (status === 410) return { kind: 'expired' }
  const said = messageOf(await beginning(body))
  const words = `${status} ${STATUS_CODES[status] ?? ''}${said === '' ? '' : `: ${said}`}`
  const again = status >= 500 || status === 429 || status === 401 || status === 403
  const missing = status === 404
  const refused = status === 400 || status === 406
  const retryAfterMs = status === 429 || status >= 500 ? retryAfter(headers['retry-after'], headers.date) : 0
  return { ...failure(resource, stage, words, again ? 'watch' : 'list'), missing, refused, retryAfterMs }
}

/** An ERROR event in a watch: its object is a Status. */
export function failureOfStatus(resource: Resource, status: unknown): Failure | Expired {
  const { code, reason, message } = fields(status)
  if (code === 410 || reason === 'Expired' || reason === 'Gone') return { kind: 'expired' }
  const words = [code, reason, message].filter((part) => part !== undefined && part !== '')
  return failure(
    resource,
    'stream',
    `the server reports ${words.join(' ') || 'an error without a reason'}`,
    'list',
  )
}

async function beginning(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > maxErrorBytes) break
    }
  } catch (error) {
    // The status is what counts; its explanation may be cut off.
    if (!(error instanceof ConnectionError)) throw error
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** A Status object's message, or the beginning of whatever else came: a proxy's page tells who answered. */
function messageOf(text: string): string {
  try {
    const { message } = fields(JSON.parse(text))
    if (typeof message === 'string') return message
  } catch {
    // Not JSON, so not from the API server.
  }
  return excerpt(text)
}

function retryAfter(value: string | undefined, date: string | undefined): number {
  if (value === undefined) return 0
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.parse(date ?? '')) / 1000
  return Number.isFinite(seconds) ? Math.min(Math.max(0, seconds * 1000), maxRetryAfterMs) : 0
}

function fields(value: unknown): Partial<Record<'code' | 'reason' | 'message', unknown>> {
  return typeof value === 'object' && value !== null ? value : {}
}
