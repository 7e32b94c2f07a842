/**
 * What the two halves of a reflector, list and watch, have in common: its settings, and how it waits.
 */
import type { Failure } from './failure.ts'
import type { Health } from './health.ts'
import type { ReflectorEvent, ReflectorOptions } from './reflector.ts'

/** The options with nothing left open, as the parts of a reflector hand them around. */
export type Reflector<T> = Required<{
  [K in keyof ReflectorOptions<T>]: NonNullable<ReflectorOptions<T>[K]>
}> & {
  readonly health: Health
}

export type Events<T, R = void> = AsyncGenerator<ReflectorEvent<T>, R, undefined>

/** Where a watch starts. */
export interface Start {
  readonly resourceVersion: string
  readonly listedAt: number
  readonly relistAt: number
}

/** Says what fails, unless that was said, and waits. Throws when the signal aborts. */
export async function* pause<T>(reflector: Reflector<T>, failed: Failure): Events<T> {
  const { say, waitMs } = reflector.health.failed(failed)
  yield* say
  await rest(reflector, waitMs)
}

export async function rest<T>({ clock, signal }: Reflector<T>, ms: number): Promise<void> {
  await clock.sleep(ms, signal)
}
