/**
 * One worker, and the jobs that wait for it. libnftables keeps state per process (the names of interfaces, what
 * getprotobyname found) without locks: two threads at once got wrong protocols and crashed, so there is one.
 *
 * A worker that hangs or dies costs the job it had, and another takes its place. A thread within native code cannot be
 * stopped: one that hangs is left to itself, and should it come back, it closes what it holds and ends.
 */
import { SHARE_ENV, Worker } from 'node:worker_threads'
import type { Failed } from '../run.ts'
import type { Answer, Greeting, Job } from './messages.ts'

export type Terms = {
  /** 30 seconds when not given; it runs from when the job's turn comes. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

type Turn = { readonly job: Job; readonly timeoutMs: number; readonly settle: (answer: Answer) => void }

/** The worker's entry, beside this file in the source and beside its chunk in a bundle. */
const ENTRY: URL = new URL(
  import.meta.url.endsWith('.ts') ? './worker.ts' : './nft-worker.mjs',
  import.meta.url,
)

/** How long a worker may take to end when all is over. */
const CLOSE_MS = 1_000

export class NftThread implements AsyncDisposable {
  readonly #waiting: Turn[] = []
  #current: { readonly turn: Turn; readonly timer: NodeJS.Timeout } | undefined
  #worker: Worker | undefined
  readonly #hanging = new Set<Worker>()
  #closed = false

  /** Threads that were given up and have not come back. */
  get hanging(): number {
    return this.#hanging.size
  }

  /** Starts the first worker, and says whether it found its libraries. */
  async open(): Promise<Greeting> {
    const worker = this.#start()
    const greeting = await new Promise<Greeting>((resolve) => {
      worker.once('message', resolve)
      worker.once('error', (error) => resolve({ kind: 'unavailable', reason: String(error) }))
    })
    worker.unref()
    return greeting
  }

  /** Never rejects; `failed` when the worker did not come back with an answer. */
  ask(job: Job, { timeoutMs = 30_000, signal }: Terms): Promise<Answer> {
    if (this.#closed) return Promise.resolve(failed('was closed'))
    if (signal?.aborted) return Promise.resolve(failed('was cancelled'))
    const { promise, resolve } = Promise.withResolvers<Answer>()
    const settle = (answer: Answer): void => {
      signal?.removeEventListener('abort', cancel)
      resolve(answer)
    }
    const turn: Turn = { job, timeoutMs, settle }
    // What is under way cannot be called back; the worker is busy with it until it ends.
    const cancel = (): void => {
      const place = this.#waiting.indexOf(turn)
      if (place >= 0) this.#waiting.splice(place, 1)
      settle(failed('was cancelled'))
    }
    signal?.addEventListener('abort', cancel)
    this.#waiting.push(turn)
    this.#next()
    return promise
  }

  /** Fails what waits, gives the job under way a second to end, and lets the worker close what it holds. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const turn of this.#waiting.splice(0)) turn.settle(failed('was closed'))
    const worker = this.#worker
    if (worker === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, CLOSE_MS)
    worker.ref()
    worker.once('exit', resolve)
    worker.postMessage({ kind: 'close' } satisfies Job)
    await promise
    clearTimeout(timer)
    if (this.#worker === worker) this.#giveUp(worker, 'was closed')
  }

  #next(): void {
    if (this.#current !== undefined) return
    const turn = this.#waiting.shift()
    if (turn === undefined) {
      this.#worker?.unref()
      return
    }
    const worker = this.#worker ?? this.#start()
    const timer = setTimeout(
      () => this.#giveUp(worker, `ran longer than ${turn.timeoutMs} ms`),
      turn.timeoutMs,
    )
    this.#current = { turn, timer }
    worker.ref()
    worker.postMessage(turn.job)
  }

  #start(): Worker {
    const worker = new Worker(ENTRY, {
      name: 'nft',
      env: SHARE_ENV,
      execArgv: [],
      // Its heap holds one command and one listing at a time.
      resourceLimits: { maxYoungGenerationSizeMb: 1 },
    })
    let error = 'ended'
    worker.on('message', (message: Greeting | Answer) => {
      if (worker !== this.#worker || message.kind === 'ready') return
      if (message.kind === 'unavailable') error = message.reason
      else this.#settle(message)
    })
    worker.on('error', (thrown) => {
      error = String(thrown)
    })
    worker.on('exit', () => {
      this.#hanging.delete(worker)
      if (worker === this.#worker) this.#lose(`its thread: ${error}`)
    })
    this.#worker = worker
    return worker
  }

  #giveUp(worker: Worker, reason: string): void {
    if (worker !== this.#worker) return
    worker.postMessage({ kind: 'close' } satisfies Job)
    worker.unref()
    this.#hanging.add(worker)
    this.#lose(reason)
  }

  #lose(reason: string): void {
    this.#worker = undefined
    this.#settle(failed(reason))
  }

  #settle(answer: Answer): void {
    if (this.#current !== undefined) {
      clearTimeout(this.#current.timer)
      this.#current.turn.settle(answer)
      this.#current = undefined
    }
    this.#next()
  }
}

function failed(reason: string): Failed {
  return { kind: 'failed', reason }
}
