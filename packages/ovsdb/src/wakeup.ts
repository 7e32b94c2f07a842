/** One reader waits, others say that there is something to look at. Wakings while nobody waits are not lost. */
export class Wakeup {
  #next = Promise.withResolvers<void>()

  wake(): void {
    this.#next.resolve()
  }

  async wait(): Promise<void> {
    await this.#next.promise
    this.#next = Promise.withResolvers<void>()
  }
}
