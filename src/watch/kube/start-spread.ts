/**
 * Keeps nodes that start together, as after a power cut, from asking for all pods at one and the same moment: each waits
 * a time that it draws. How long that may be follows from how much is asked for, so that a small cluster waits for
 * nothing: 10,000 pods, half a second at most; 100,000, five seconds.
 */
import type { Clock } from '../../clock.ts'
import type { ApiConnection } from './connection.ts'
import { countObjects } from './list.ts'
import type { Resource } from './resource.ts'

const PER_OBJECT_MS = 0.05
const IDLE_MS = 10_000
const MAX_OBJECT_BYTES = 16 * 1024 * 1024

export interface SpreadOptions {
  readonly connection: ApiConnection
  readonly clock: Clock
  readonly random: () => number
  /** The longest wait; 0 for none. */
  readonly mostMs: number
}

/** Waits; not at all where the server does not say how much there is. Throws when the signal aborts. */
export async function spreadStart(
  resource: Resource,
  { connection, clock, random, mostMs }: SpreadOptions,
  signal: AbortSignal,
): Promise<void> {
  if (mostMs <= 0) return
  const request = { connection, resource, clock, idleMs: IDLE_MS, maxObjectBytes: MAX_OBJECT_BYTES }
  const objects = (await countObjects(request, signal)) ?? 0
  await clock.sleep(Math.round(random() * Math.min(mostMs, objects * PER_OBJECT_MS)), signal)
}
