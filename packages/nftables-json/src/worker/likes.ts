/**
 * Which transactions the process has been told of, as their caller remembers it: the first of a kind is done as any other,
 * since most have no second; the second is learned from, which takes a little longer; and further ones are only named.
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
    const next = this.#next.get(key)
    this.#next.set(key, next === undefined ? 'learn' : next === 'learn' ? 'again' : next)
    return next ?? 'call'
  }

  /** The process has learned nothing, and may or may not the next time. */
  forget(key: string): void {
    this.#next.set(key, 'learn')
  }

  /** There is nothing to be learned. */
  giveUp(key: string): void {
    this.#next.set(key, 'call')
  }
}
