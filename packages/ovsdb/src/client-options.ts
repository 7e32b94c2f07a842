/** What a client is told, and what it tells of itself. */
import type { BackoffOptions } from './backoff.ts'
import type { Clock } from './clock.ts'
import type { Database } from './description.ts'
import type { Role } from './leadership.ts'
import type { SessionOptions } from './session.ts'

export type ClientOptions<D extends Database> = Pick<
  SessionOptions,
  'tls' | 'connectTimeoutMs' | 'probeIntervalMs' | 'messageLimit'
> & {
  /** `unix:/path`, `tcp:host:port`, `ssl:host:port`, separated by commas. */
  readonly endpoints: string
  readonly description: D
  /** `leader` unless said otherwise. */
  readonly role?: Role
  readonly signal?: AbortSignal
  /** For logs; what matters to a program is in the monitors' and locks' own events. */
  readonly onState?: (state: ClientState) => void
  /** How long a reply may take, transactions included; 30 s. */
  readonly requestTimeoutMs?: number
  readonly backoff?: Partial<BackoffOptions>
  readonly clock?: Clock
  /** A number from 0 up to 1, for the jitter. */
  readonly random?: () => number
}

export type ClientState =
  | { readonly kind: 'connecting'; readonly endpoint: string }
  /** `absent`: the columns marked `ifPresent` that this server does not have, as `Table.column`. */
  | {
      readonly kind: 'ready'
      readonly endpoint: string
      readonly version: string
      readonly absent: ReadonlySet<string>
    }
  /** The attempt failed, or the session ended; `endpoint` is where. */
  | { readonly kind: 'disconnected'; readonly endpoint: string; readonly reason: string }
  | { readonly kind: 'closed' }

export const DEFAULT_BACKOFF: BackoffOptions = { firstMs: 250, mostMs: 8_000 }
