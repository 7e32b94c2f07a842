/**
 * Which transactions the process has been told of, as their caller remembers it: the first of a kind is learned from, and
 * further ones are only named.
 */
import { LRUCache } from 'lru-cache'

export type Way = 'call' | 'learn' | 'again'

/** Of so many kinds. */
const MOST = 1_000

export class Likes {
  /** What is done with the next of its kind. */
  readonly #next = new LRUCache<string, Way>({ max: MOST })

  /** How the next one is to be done. */
  way(key: string): Way {
    const way = this.#next.get(key) ?? 'learn'
    if (way === 'learn') this.#next.set(key, 'again')
    return way
  }

  /** The process has learned nothing, and may or may not the next time. */
  forget(key: string): void {
    this.#next.delete(key)
  }

  /** There is nothing to be learned. */
  giveUp(key: string): void {
    this.#next.set(key, 'call')
  }
}
