/** What fails in streams that the outside takes for one: each reason is said once, and the end of the last is. */
import type { SourceEvent } from '../source.ts'

export class Troubles<Stream> {
  readonly #what: string
  readonly #standing = new Map<Stream, string>()

  constructor(what: string) {
    this.#what = what
  }

  failing(stream: Stream, reason: string): readonly SourceEvent[] {
    const known = [...this.#standing.values()].includes(reason)
    this.#standing.set(stream, reason)
    return known ? [] : [{ kind: 'failing', what: this.#what, reason }]
  }

  /** The stream works, or is no longer needed. */
  over(stream: Stream): readonly SourceEvent[] {
    const stood = this.#standing.delete(stream)
    return stood && this.#standing.size === 0 ? [{ kind: 'recovered', what: this.#what }] : []
  }
}
