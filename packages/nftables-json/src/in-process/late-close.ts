/**
 * Netfilter sockets that are closed a little later than they could be. The kernel frees what a commit replaced after an
 * RCU grace period, and who closes a socket of that namespace before then waits for it: 4 to 20 ms, against 0.01 ms once
 * 100 ms have passed (measured with Linux 6.18). It is not for longer, since an open socket keeps its namespace alive. Meanwhile
 * nobody can commit anything there, so none is closed before the namespace has been left alone for that time, and one is used
 * again until then.
 *
 * Others may have committed something, so they are closed by other threads, which can be in any namespace. It is from a
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
/** Of one namespace that is still written to. */
const MOST_DELAYED = 8
/** The lowest of their numbers; with all that are held it stays within 1,024 files, which a process may have as a rule. */
const LOWEST = 512
/** Beyond all of them. */
const HIGHEST = 1_023

/** Each holds a thread of the pool, of which Node.js has four. */
const MOST_AT_ONCE = 2

interface Held {
  readonly fd: number
  readonly since: number
  /** Of the namespace in which it was opened, where that is known. */
  readonly cookie: bigint | undefined
  /** It has no answer left to be read. */
  readonly isClean: boolean
}

export class LateClose {
  readonly #libc: Libc
  readonly #most: number
  /** The eldest first. */
  readonly #held: Held[] = []
  #closing = 0
  #timer: NodeJS.Timeout | undefined

  constructor(libc: Libc, most: number = MOST) {
    this.#libc = libc
    this.#most = most
    // It has the pool's threads start as well, while this one is in no pod's namespace.
    extendFiles(libc, HIGHEST)
  }

  /**
   * Takes over the descriptor.
   * @param cookie of its namespace; given only for one that has no answer left to be read
   */
  add(fd: number, cookie?: bigint): void {
    const place = { cookie, isClean: cookie !== undefined }
    if (fd >= LOWEST || !this.#keep(fd, place)) this.#hold({ fd, ...place })
    else this.#libc.close(fd)
  }

  /**
   * Keeps the socket open by a descriptor of its own, so that closing the one that is given does not wait.
   * @returns whether that could be done
   */
  keep(fd: number, cookie?: bigint): boolean {
    return this.#keep(fd, { cookie, isClean: false })
  }

  /** Gives back one of that namespace, for whoever adds it again; undefined where none is held. */
  take(cookie: bigint): number | undefined {
    const place = this.#held.findLastIndex((each) => each.isClean && each.cookie === cookie)
    return place < 0 ? undefined : this.#held.splice(place, 1)[0]?.fd
  }

  #keep(fd: number, place: Pick<Held, 'cookie' | 'isClean'>): boolean {
    const kept = duplicate(this.#libc, fd, LOWEST)
    if (kept >= 0) this.#hold({ fd: kept, ...place })
    return kept >= 0
  }

  #hold(held: Omit<Held, 'since'>): void {
    this.#held.push({ ...held, since: performance.now() })
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
      if (this.#delay(next)) continue
      this.#closing += 1
      close(next.fd, () => {
        this.#closing -= 1
        this.#closeRipe()
      })
    }
  }

  /** Puts it beside the youngest of its namespace. @returns whether somebody has been there since, and few others wait for that */
  #delay(held: Held): boolean {
    const isBeside = ({ cookie }: Held): boolean => cookie !== undefined && cookie === held.cookie
    const place = this.#held.findLastIndex(isBeside)
    const youngest = this.#held[place]
    if (youngest === undefined || youngest.since <= held.since) return false
    if (this.#held.filter(isBeside).length >= MOST_DELAYED) return false
    this.#held.splice(place, 0, { ...held, since: youngest.since })
    return true
  }

  #wait(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#closeRipe()
    }, ms)
  }

  /** By this thread, which may have to wait: otherwise there would be no end to how many are open. */
  #closeOldest(): void {
    const oldest = this.#held.shift()
    if (oldest !== undefined) this.#libc.close(oldest.fd)
  }
}
