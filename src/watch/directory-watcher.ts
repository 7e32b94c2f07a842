/** Tells when something in a directory changed, by notification where the kernel gives it and by time where not. */
import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'

export class DirectoryWatcher implements Disposable {
  readonly #path: string
  #watcher: FSWatcher | undefined
  #inode: bigint | undefined
  #dirty = true
  #wake: (() => void) | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** Resolves when something has changed since the last call, after `ms`, or when the signal aborts. */
  async changed(ms: number, signal: AbortSignal): Promise<void> {
    await this.#attach()
    if (!this.#dirty && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
        signal.addEventListener('abort', this.#wake, { once: true })
      })
      if (this.#wake !== undefined) signal.removeEventListener('abort', this.#wake)
      this.#wake = undefined
    }
    this.#dirty = false
  }

  [Symbol.dispose](): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }

  /** Watches the directory that is there now: one that was deleted and made again is another one. */
  async #attach(): Promise<void> {
    const inode = await stat(this.#path, { bigint: true }).then(
      (found) => found.ino,
      () => undefined,
    )
    if (inode !== undefined && inode === this.#inode && this.#watcher !== undefined) return
    this[Symbol.dispose]()
    this.#inode = inode
    if (inode === undefined) return
    try {
      this.#watcher = watch(this.#path, { persistent: false }, () => this.#notify())
      this.#watcher.on('error', () => this[Symbol.dispose]())
    } catch {
      this.#watcher = undefined // The next call tries again; until then time alone tells.
    }
    this.#dirty = true
  }

  #notify(): void {
    this.#dirty = true
    this.#wake?.()
  }
}
