/**
 * Batches that libnftables has made once, sent again by a socket of ours. The kernel itself holds the generation that is
 * expected against its own, under the lock of the commit, so that nobody can come in between.
 */
import { readCookieBy } from '../in-process/cookie.ts'
import { readGenerationBy } from '../in-process/generation.ts'
import type { LateClose } from '../in-process/late-close.ts'
import type { Libc } from '../in-process/libc.ts'
import { LITTLE, openNetfilterSocket } from '../in-process/netfilter-socket.ts'
import type { Failed } from '../run.ts'
import type { Alike } from '../transaction.ts'
import { Batch } from './batch.ts'
import type { Expected, Moved, Ran } from './libnftables.ts'

/** The batch is not known, or cannot be sent here; nothing was committed. */
export type Unknown = { readonly kind: 'unknown'; readonly reason: string }

/** In bytes: of a batch, which has to fit into a socket's buffer, and of all. */
const [LARGE, MOST] = [150_000, 4_000_000]

export class Replay {
  readonly #libc: Libc
  readonly #late: LateClose
  /** By key; what was not asked for lately comes first. */
  readonly #batches = new Map<string, Batch>()
  #size = 0

  constructor(libc: Libc, late: LateClose) {
    this.#libc = libc
    this.#late = late
  }

  /**
   * Keeps what libnftables sent, if it is certain that only it, and what was expected to stand, led to that.
   * @param ran with its debug output
   * @returns whether it did; undefined: another one like it may be learned from
   */
  learn(
    { key, comments }: Alike,
    input: string,
    ran: Ran,
    expected: Expected | undefined,
  ): boolean | undefined {
    // Whoever had changed something while libnftables read the namespace could have had it send anything.
    const isCertain = expected !== undefined && ran.generation === expected.generation + 1
    if (ran.code !== 0 || !isCertain) return undefined
    if (MEANT_BY_NAMESPACE.test(input)) return false
    const batch = Batch.ofDebugOutput(ran.stdout, comments)
    if (batch === undefined || batch.size > LARGE) return false
    this.#forget(key)
    this.#batches.set(key, batch)
    this.#size += batch.size
    for (const [oldest] of this.#batches) {
      if (this.#size <= MOST) break
      this.#forget(oldest)
    }
    return true
  }

  /** Sends it in the thread's namespace of the moment. */
  again({ key, comments }: Alike, expected: Expected): Ran | Moved | Unknown | Failed {
    const batch = this.#batches.get(key)
    if (batch?.comments !== comments.length) return unknown('is not known')
    this.#batches.delete(key)
    this.#batches.set(key, batch)
    const fd = openNetfilterSocket(this.#libc)
    if (fd < 0) return unknown(`has no socket: ${this.#libc.lastError()}`)
    try {
      return this.#send(fd, batch, comments, expected)
    } finally {
      this.#late.add(fd)
    }
  }

  #send(
    fd: number,
    batch: Batch,
    comments: readonly string[],
    { cookie, generation }: Expected,
  ): Ran | Moved | Unknown | Failed {
    const libc = this.#libc
    if (readCookieBy(libc, fd) !== cookie) return { kind: 'moved', reason: 'it is another network namespace' }
    const bytes = batch.bytes(generation, comments)
    if (libc.send(fd, bytes, bytes.length, 0) < 0) return unknown(`cannot be sent: ${libc.lastError()}`)
    const refused = answered(libc, fd)
    if (refused === ERESTART) return { kind: 'moved', reason: `it is not in generation ${generation}` }
    if (typeof refused === 'number') return unknown(`is refused with error ${refused}`)
    if (refused !== undefined) return { kind: 'failed', reason: refused }
    const now = readGenerationBy(libc, fd)
    if (now === undefined) return { kind: 'failed', reason: 'the generation cannot be told' }
    if (now === generation) return unknown('was not committed')
    return { kind: 'ran', code: 0, stdout: '', stderr: '', generation: now, isReplayed: true }
  }

  #forget(key: string): void {
    this.#size -= this.#batches.get(key)?.size ?? 0
    this.#batches.delete(key)
  }
}

/** The first error that the kernel answered with, or why none can be read; undefined: it has committed the batch. */
function answered(libc: Libc, fd: number): number | string | undefined {
  const answer = new Uint8Array(ANSWER)
  const data = new DataView(answer.buffer)
  for (;;) {
    const length = libc.recv(fd, answer, answer.length, MSG_DONTWAIT)
    if (length < 0) return libc.lastError() === 'EAGAIN' ? undefined : `recv: ${libc.lastError()}`
    if (length < HEADER + 4 || data.getUint16(4, LITTLE) !== NLMSG_ERROR) return 'something else was answered'
    const error = data.getInt32(HEADER, LITTLE)
    if (error !== 0) return -error
  }
}

function unknown(reason: string): Unknown {
  return { kind: 'unknown', reason: `the batch ${reason}` }
}

/** Numbers of interfaces are a namespace's own. */
const MEANT_BY_NAMESPACE = /"key":"[io]if"|"iface_index"/

/** An error's answer has the message that it is about behind it, which is cut off. */
const ANSWER = 4_096
const HEADER = 16
const NLMSG_ERROR = 2
const MSG_DONTWAIT = 0x40
const ERESTART = 85
