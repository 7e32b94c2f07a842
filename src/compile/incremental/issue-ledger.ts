/** Issues by what they follow from, so that a change costs its own and not all there are. */
import type { Issue } from '../model.ts'

export class IssueLedger {
  readonly #byCause = new Map<string, readonly Issue[]>()
  #all: readonly Issue[] | undefined = []

  /** States all that follow from the cause now. */
  set(cause: string, issues: readonly Issue[]): void {
    if (issues.length > 0) this.#byCause.set(cause, issues)
    else if (!this.#byCause.delete(cause)) return
    this.#all = undefined
  }

  /** The same array until they change. */
  all(): readonly Issue[] {
    this.#all ??= [...this.#byCause.values()].flat()
    return this.#all
  }
}
