/** Several streams as one, in the order in which things come. Who puts something in waits until it was dealt with. */
export class Inbox<T> {
  readonly #waiting: { readonly item: T; readonly dealtWith: () => void }[] = []
  #wake: () => void = () => undefined

  /** Resolves when the reader asks for more; never, where it has left. */
  put(item: T): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ item, dealtWith: resolve })
    this.#wake()
    return promise
  }

  /** Ends when the signal aborts. For one reader. */
  async *read(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    const wake = (): void => this.#wake()
    signal.addEventListener('abort', wake)
    try {
      while (!signal.aborted) {
        const first = this.#waiting.shift()
        if (first === undefined) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
          continue
        }
        yield first.item
        first.dealtWith()
      }
    } finally {
      signal.removeEventListener('abort', wake)
    }
  }
}
