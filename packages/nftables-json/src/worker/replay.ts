/**
 * Batches that libnftables has made once, sent again by a socket of ours. The kernel itself holds the generation that is
 * expected against its own, under the lock of the commit, so that nobody can come in between.
 */
import { LRUCache } from 'lru-cache'
import { readCookie } from '../in-process/cookie.ts'
import { readGenerationBy } from '../in-process/generation.ts'
import type { LateClose } from '../in-process/late-close.ts'
import type { Libc } from '../in-process/libc.ts'
import { LITTLE, openNetfilterSocket } from '../in-process/netfilter-socket.ts'
import type { Failed } from '../run.ts'
import type { Alike } from '../transaction.ts'
import { Batch } from './batch.ts'
import { type Expected, generationOf, held, type Moved, moved } from './expected.ts'
import type { Command, Ran, RunCommand } from './libnftables.ts'

/** The batch is not known, or cannot be sent here; nothing was committed. */
export type Unknown = { readonly kind: 'unknown'; readonly reason: string }

/** In characters of JSON: libnftables' words of a larger one would fill this process. */
const LARGE = 30_000
/** Of all batches, in bytes, and how many. */
const [MOST_BYTES, MOST] = [4_000_000, 1_000]

/** `never`: it is not to be tried again. */
export type Learning = (Ran & { readonly learned?: 'not yet' | 'never' }) | Moved | Failed

type Replayed = Ran | Moved | Unknown | Failed

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
   * Has libnftables run it and tell what it sends, and keeps that if the generation has grown by just that: then nobody else
   * has committed anything since it was the one expected, and nobody there can have had a part in what libnftables read.
   * (A commit that changes nothing does not count, so only those are kept that always change something.)
   */
  learn({ key, comments }: Alike, command: Command, expected: Expected, run: RunCommand): Learning {
    const isFit = command.input.length <= LARGE && !MEANT_BY_NAMESPACE.test(command.input)
    const ran = run({ ...command, expected, debug: isFit })
    if (ran.kind !== 'ran') return ran
    const told = { ...ran, stdout: '' }
    if (ran.code === 0 && ran.at?.generation !== generationOf(expected) + 1)
      return { ...told, learned: 'not yet' }
    const batch = isFit && ran.code === 0 ? Batch.ofDebugOutput(ran.stdout, comments) : undefined
    if (batch?.isChange !== true) return { ...told, learned: 'never' }
    this.#batches.set(key, batch)
    return told
  }

  /** Sends it in the thread's namespace of the moment. */
  again({ key, comments }: Alike, expected: Expected): Replayed {
    const batch = this.#batches.get(key)
    if (batch?.comments !== comments.length) return unknown('is not known')
    const sent = this.#within(batch, comments, expected)
    return sent.kind === 'ran' ? { ...sent, isReplayed: true } : sent
  }

  #within(batch: Batch, comments: readonly string[], expected: Expected): Replayed {
    const fd = this.#socketOf(expected) ?? openNetfilterSocket(this.#libc)
    if (fd < 0) return unknown(`has no socket: ${this.#libc.lastError()}`)
    let cookie: bigint | undefined
    try {
      const sent = this.#send(fd, batch, comments, expected)
      cookie = sent.kind === 'ran' ? sent.at?.cookie : undefined
      return sent
    } finally {
      this.#late.add(fd, cookie)
    }
  }

  /** One from before, if the thread is in the namespace that is expected. */
  #socketOf(expected: Expected): number | undefined {
    if (expected === 'untouched' || readCookie(this.#libc) !== expected.cookie) return undefined
    return this.#late.take(expected.cookie)
  }

  #send(fd: number, batch: Batch, comments: readonly string[], expected: Expected): Replayed {
    const libc = this.#libc
    const before = held(expected, libc, fd)
    if ('kind' in before) return before
    const bytes = batch.bytes(before.generation, comments)
    if (libc.send(fd, bytes, bytes.length, 0) < 0) return unknown(`cannot be sent: ${libc.lastError()}`)
    const refused = answered(libc, fd)
    if (refused === ERESTART) return moved(`it is no longer in generation ${before.generation}`)
    if (typeof refused === 'number') return unknown(`is refused with error ${refused}`)
    if (refused !== undefined) return { kind: 'failed', reason: refused }
    const generation = readGenerationBy(libc, fd)
    if (generation === undefined) return { kind: 'failed', reason: 'the generation cannot be told' }
    if (generation === before.generation) return unknown('was not committed')
    return { kind: 'ran', code: 0, stdout: '', stderr: '', at: { ...before, generation } }
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
