/** Items that several hold: each is there until the last lets go of it. */
export class Counts<T> {
  readonly #counts = new Map<T, number>()
  #changed = false

  /** @param before what the same holder held */
  replace(before: Iterable<T>, after: Iterable<T>): void {
    for (const item of after) this.#add(item, 1)
    for (const item of before) this.#add(item, -1)
  }

  /** Whether items came or went since this was last asked. */
  takeChanged(): boolean {
    const changed = this.#changed
    this.#changed = false
    return changed
  }

  items(): ReadonlySet<T> {
    return new Set(this.#counts.keys())
  }

  #add(item: T, by: 1 | -1): void {
    const before = this.#counts.get(item) ?? 0
    if (before + by > 0) this.#counts.set(item, before + by)
    else this.#counts.delete(item)
    this.#changed ||= before === 0 || before + by === 0
  }
}
