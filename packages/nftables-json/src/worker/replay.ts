/**
 * Batches that libnftables has made once, sent again by a socket of ours. The kernel itself holds the generation that is
 * expected against its own, under the lock of the commit, so that nobody can come in between.
 */
import { LRUCache } from 'lru-cache'
import { readCookieBy } from '../in-process/cookie.ts'
import { readGenerationBy } from '../in-process/generation.ts'
import type { LateClose } from '../in-process/late-close.ts'
import type { Libc } from '../in-process/libc.ts'
import { LITTLE, openNetfilterSocket } from '../in-process/netfilter-socket.ts'
import type { Failed } from '../run.ts'
import type { Alike } from '../transaction.ts'
import { Batch } from './batch.ts'
import type { Command, Expected, Moved, Ran, RunCommand } from './libnftables.ts'

/** The batch is not known, or cannot be sent here; nothing was committed. */
export type Unknown = { readonly kind: 'unknown'; readonly reason: string }

/** In characters of JSON: libnftables' words of a larger one would fill this process. */
const LARGE = 30_000
/** Of all batches, in bytes, and how many. */
const [MOST_BYTES, MOST] = [4_000_000, 1_000]

/** What one sends again is as libnftables has made it, or why there is none of it. */
type Learned = Ran | Moved | Unknown | Failed

export class Replay {
  readonly #libc: Libc
  readonly #late: LateClose
  readonly #batches = new LRUCache<string, Batch>({
    ...{ max: MOST, maxSize: MOST_BYTES },
    sizeCalculation: ({ size }) => size + 1,
  })

  constructor(libc: Libc, late: LateClose) {
    this.#libc = libc
    this.#late = late
  }

  /**
   * Has libnftables make the batch and not send it, and sends it. It is kept if the kernel takes it: then the namespace was in
   * the generation that is expected for all the time, so that nobody there can have had a part in what libnftables read.
   * @returns `unknown` where nothing was committed, and never will be in this way
   */
  learn({ key, comments }: Alike, command: Command, expected: Expected, run: RunCommand): Learned {
    const { input } = command
    if (input.length > LARGE || MEANT_BY_NAMESPACE.test(input)) return unknown('is not to be kept')
    const ran = run({ ...command, check: true, debug: true })
    if (ran.kind !== 'ran') return ran
    const batch = ran.code === 0 ? Batch.ofDebugOutput(ran.stdout, comments) : undefined
    if (batch === undefined) return unknown('was not made')
    const sent = this.#within(batch, comments, expected)
    if (sent.kind === 'ran') this.#batches.set(key, batch)
    return sent
  }

  /** Sends it in the thread's namespace of the moment. */
  again({ key, comments }: Alike, expected: Expected): Learned {
    const batch = this.#batches.get(key)
    if (batch?.comments !== comments.length) return unknown('is not known')
    const sent = this.#within(batch, comments, expected)
    return sent.kind === 'ran' ? { ...sent, isReplayed: true } : sent
  }

  #within(batch: Batch, comments: readonly string[], expected: Expected): Learned {
    const fd = openNetfilterSocket(this.#libc)
    if (fd < 0) return unknown(`has no socket: ${this.#libc.lastError()}`)
    try {
      return this.#send(fd, batch, comments, expected)
    } finally {
      this.#late.add(fd)
    }
  }

  #send(fd: number, batch: Batch, comments: readonly string[], { cookie, generation }: Expected): Learned {
    const libc = this.#libc
    // 0 is any, for the kernel.
    if (generation < 1 || generation > 0xffffffff)
      return { kind: 'moved', reason: 'there is no such generation' }
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
    return { kind: 'ran', code: 0, stdout: '', stderr: '', generation: now }
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

/** What matches an interface that is named here and sent as its number, which is a namespace's own. */
const MEANT_BY_NAMESPACE =
  /(?:"key":"(?:[io]if|sdif)"|"result":"oif"[^}]*)\}\}(?!,"right":(?:\d|true|false))|"iface_index"/

/** An error's answer has the message that it is about behind it, which is cut off. */
const ANSWER = 4_096
const HEADER = 16
const NLMSG_ERROR = 2
const MSG_DONTWAIT = 0x40
const ERESTART = 85
