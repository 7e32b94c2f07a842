/** Tells when something in a directory changed, by notification where the kernel gives it and by time where not. */
import { type FSWatcher, statSync, watch } from 'node:fs'
import { setImmediate } from 'node:timers/promises'

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
    this.#attach()
    // Whoever asks again and again lets others have a turn, whatever happens to the directory meanwhile.
    if (this.#dirty) await setImmediate()
    else if (!signal.aborted) {
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
  #attach(): void {
    const inode = inodeAt(this.#path)
    if (inode !== undefined && inode === this.#inode && this.#watcher !== undefined) return
    this[Symbol.dispose]()
    if (inode !== this.#inode) this.#dirty = true
    this.#inode = inode
    if (inode === undefined) return
    try {
      this.#watcher = watch(this.#path, { persistent: false }, () => this.#notify())
      this.#watcher.on('error', () => this[Symbol.dispose]())
      // Until now nobody would have told.
      this.#dirty = true
    } catch {
      this.#watcher = undefined // The next call tries again; until then time alone tells.
    }
  }

  #notify(): void {
    this.#dirty = true
    this.#wake?.()
  }
}

function inodeAt(path: string): bigint | undefined {
  try {
    return statSync(path, { bigint: true }).ino
  } catch {
    return undefined
  }
}
