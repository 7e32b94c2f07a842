/**
 * Netfilter sockets that are closed a little later than they could be. The kernel frees what a commit replaced after an
 * RCU grace period, and who closes a socket of that namespace before then waits for it: 4 to 20 ms, against 0.01 ms once
 * 100 ms have passed (measured with Linux 6.18). It is not for longer, since an open socket keeps its namespace alive.
 */
import type { Libc } from './libc.ts'

/** By then the kernel has freed it. */
const RIPE_MS = 100
/** Beyond that many, the oldest is closed before its time; libnftables waits by select(2), which takes 1,024 files. */
const MOST = 256

export class LateClose {
  readonly #libc: Libc
  readonly #most: number
  readonly #held: { readonly fd: number; readonly since: number }[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(libc: Libc, most: number = MOST) {
    this.#libc = libc
    this.#most = most
  }

  /** @param fd -1, of a call that failed, is nothing to close */
  add(fd: number): void {
    if (fd < 0) return
    this.#held.push({ fd, since: performance.now() })
    if (this.#held.length > this.#most) this.#closeOldest()
    this.#timer ??= setTimeout(() => this.#closeRipe(), RIPE_MS)
  }

  closeAll(): void {
    clearTimeout(this.#timer)
    while (this.#held.length > 0) this.#closeOldest()
  }

  #closeRipe(): void {
    this.#timer = undefined
    const now = performance.now()
    while (this.#held[0] !== undefined && now - this.#held[0].since >= RIPE_MS) this.#closeOldest()
    const [next] = this.#held
    if (next === undefined) return
    this.#timer = setTimeout(() => this.#closeRipe(), RIPE_MS - (now - next.since))
  }

  #closeOldest(): void {
    const oldest = this.#held.shift()
    if (oldest !== undefined) this.#libc.close(oldest.fd)
  }
}
