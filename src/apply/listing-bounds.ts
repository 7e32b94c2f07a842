/**
 * What a listing of a pod's rules may take. Root in a pod can put into our table whatever it likes (300,000 addresses have nft
 * take 200 MiB for three seconds), while our own rules are within `compile/limits.ts`: 4 MiB of JSON, and 55 MiB for nft.
 */
import type { Bounds } from 'nftables-json/run'

export const LISTING_BOUNDS: Bounds = { output: 6 * 1024 * 1024, memoryKib: 64 * 1024, cpuSeconds: 5 }

/** What was too large to be listed is not listed again for so long, and twice as long each time it was; ms. */
const FIRST_REST_MS = 60_000
const LAST_REST_MS = 30 * 60_000

interface Large {
  readonly rest: number
  readonly since: number
}

/** Pods whose rules were too large to be listed. While one rests, they are replaced unseen where anything was changed. */
export class LargeListings {
  readonly #known = new Map<string, Large>()
  readonly #now: () => number

  /** @param now in ms, never going backwards */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Why the pod's rules are not to be listed now, if so. */
  resting(key: string): string | undefined {
    const known = this.#known.get(key)
    return known !== undefined && this.#now() < known.since + known.rest
      ? 'its rules were made too large to be listed by somebody else: for a while they are replaced unseen'
      : undefined
  }

  note(key: string): void {
    const before = this.#known.get(key)?.rest ?? FIRST_REST_MS / 2
    this.#known.set(key, { rest: Math.min(LAST_REST_MS, before * 2), since: this.#now() })
  }

  /** The pod's rules could be listed: after two of the longest rests it is as if they had never been too large. */
  listed(key: string): void {
    const known = this.#known.get(key)
    if (known !== undefined && this.#now() > known.since + 2 * LAST_REST_MS) this.#known.delete(key)
  }

  forget(key: string): void {
    this.#known.delete(key)
  }
}
