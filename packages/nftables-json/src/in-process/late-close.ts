/**
 * Netfilter sockets that are closed a little later than they could be. The kernel frees what a commit replaced after an
 * RCU grace period, and who closes a socket of that namespace before then waits for it: 4 to 20 ms, against 0.01 ms once
 * 100 ms have passed (measured with Linux 6.18). It is not for longer, since an open socket keeps its namespace alive. There
 * may have been another commit by then, so they are closed by other threads, which can be in any namespace. It is from a
 * timer that they are told to: a thread is born in the namespace of who starts it, and would keep it alive with all its
 * links, and who gives a socket away may be in a pod's.
 *
 * They are held by numbers that are out of the way, since another thread may free one at any time, and who opens a file
 * gets the lowest number that is free.
 */
import { close } from 'node:fs'
import type { Libc } from './libc.ts'
import { duplicate, extendFiles } from './netfilter-socket.ts'

/** By then the kernel has freed it. */
const RIPE_MS = 100
/** Beyond that many, the oldest is closed before its time. */
const MOST = 256
/** The lowest of their numbers; with all that are held it stays within 1,024 files, which a process may have as a rule. */
const LOWEST = 512
/** Beyond all of them. */
const HIGHEST = 1_023

/** Each holds a thread of the pool, of which Node.js has four. */
const MOST_AT_ONCE = 2

export class LateClose {
  readonly #libc: Libc
  readonly #most: number
  readonly #held: { readonly fd: number; readonly since: number }[] = []
  #closing = 0
  #timer: NodeJS.Timeout | undefined

  constructor(libc: Libc, most: number = MOST) {
    this.#libc = libc
    this.#most = most
    // It has the pool's threads start as well, while this one is in no pod's namespace.
    extendFiles(libc, HIGHEST)
  }

  /** Takes over the descriptor. */
  add(fd: number): void {
    if (this.keep(fd)) this.#libc.close(fd)
    else this.#hold(fd)
  }

  /**
   * Keeps the socket open by a descriptor of its own, so that closing the one that is given does not wait.
   * @returns whether that could be done
   */
  keep(fd: number): boolean {
    const kept = duplicate(this.#libc, fd, LOWEST)
    if (kept >= 0) this.#hold(kept)
    return kept >= 0
  }

  #hold(fd: number): void {
    this.#held.push({ fd, since: performance.now() })
    if (this.#held.length > this.#most) this.#closeOldest()
    this.#wait(RIPE_MS)
  }

  /** Goes on for as long as one is held. */
  #closeRipe(): void {
    while (this.#closing < MOST_AT_ONCE) {
      const [next] = this.#held
      if (next === undefined) return
      const left = RIPE_MS - (performance.now() - next.since)
      if (left > 0) {
        this.#wait(left)
        return
      }
      this.#held.shift()
      this.#closing += 1
      close(next.fd, () => {
        this.#closing -= 1
        this.#closeRipe()
      })
    }
  }

  #wait(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#closeRipe()
    }, ms)
  }

  #closeOldest(): void {
    const oldest = this.#held.shift()
    if (oldest !== undefined) this.#libc.close(oldest.fd)
  }
}
