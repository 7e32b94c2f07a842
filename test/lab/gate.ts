/**
 * Lets a bounded number of tasks run at once. Probes wait most of their time, so many fit; processes do
 * not, and on a small machine a crowd of them makes answers late, which a probe would call blocked.
 */
export class Gate {
  #free: number
  readonly #waiting = new Set<() => void>()

  /** @param width how many tasks may run at once */
  constructor(width: number) {
    this.#free = width
  }

  /** Runs the task when there is room, in the order of asking. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.add(resolve))
    try {
      return await task()
    } finally {
      this.#leave()
    }
  }

  /** The place passes straight to the one who waits longest: it must not be free in between. */
  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    next()
  }
}

/**
 * Does the task for each item, through the item's gate. After a failure no further task is begun.
 * @returns the results in the order of the items
 * @throws the first failure, when the tasks that had begun are done: nothing runs on behind
 */
export async function forAll<Item, Result>(
  items: readonly Item[],
  gateOf: (item: Item) => Gate,
  task: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const failures: unknown[] = []
  const attempt = async (item: Item): Promise<Result | undefined> => {
    if (failures.length > 0) return undefined
    return await task(item).catch((error: unknown) => {
      failures.push(error)
      return undefined
    })
  }
  const results = await Promise.all(items.map((item) => gateOf(item).run(() => attempt(item))))
  if (failures.length > 0) throw failures[0]
  return results as Result[]
}
