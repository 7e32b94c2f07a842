/**
 * The one clock of the lab. It is the kernel's monotonic clock, which all processes of a machine share
 * whatever their network namespace, so instants taken by two agents and by the test can be compared.
 */

/** Nanoseconds. A double holds them to the nanosecond for the first hundred days after the boot. */
export function now(): number {
  return Number(process.hrtime.bigint())
}

export const MS = 1_000_000

/** How long waiting for a condition may take, and which time counts. */
export interface UntilOptions {
  /** Only what happened at or after this instant counts (ns of {@link now}); default: any time. */
  readonly after?: number
  /** Default 5,000. */
  readonly timeoutMs?: number
}

/**
 * Looks again and again, with a short pause between, until there is something to return.
 * @throws with the description when the time is over
 */
export async function until<T>(
  what: string,
  timeoutMs: number,
  look: () => Promise<T | undefined>,
  pauseMs: number = 5,
): Promise<T> {
  const end = now() + timeoutMs * MS
  for (;;) {
    const seen = await look()
    if (seen !== undefined) return seen
    if (now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
