/** Waits that double, with jitter, so that the clients of a server that comes back do not come all at once. */

export type BackoffOptions = { readonly firstMs: number; readonly mostMs: number }

/** Each wait is between half and the whole of its turn's length, in milliseconds. */
export function backoff(
  { firstMs, mostMs }: BackoffOptions,
  random: () => number,
): { readonly next: () => number; readonly reset: () => void } {
  let turn = 0
  return {
    next: () => {
      const length = Math.min(mostMs, firstMs * 2 ** turn)
      turn = Math.min(turn + 1, 30)
      return length * (0.5 + random() / 2)
    },
    reset: () => {
      turn = 0
    },
  }
}
