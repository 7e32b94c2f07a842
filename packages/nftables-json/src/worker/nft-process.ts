/**
 * One process that holds libnftables, and the jobs that wait for it. What ends the library (an assertion, no memory) or
 * makes it hang costs the job it had: the process is killed if need be, and the next job gets another.
 *
 * There is one, since a transaction takes less than a millisecond and a second process another 10 MiB.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Failed } from '../run.ts'
import type { Answer, Greeting, Job } from './messages.ts'

export type Terms = {
  /** 30 seconds when not given; it runs from when the job's turn comes. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

type Turn = {
  /** Called when it is sent: a job is large, and what waits would hold it. */
  readonly job: () => Job
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly settle: (answer: Answer) => void
}

/** The process's entry, beside this file in the source and beside its chunk in a bundle. */
const ENTRY: URL = new URL(
  import.meta.url.endsWith('.ts') ? './entry.ts' : './nft-worker.mjs',
  import.meta.url,
)

/** Its heap holds one command and one listing at a time; it has two cores at most, and little to compile. */
const NODE_FLAGS: readonly string[] = [
  '--max-semi-space-size=1',
  '--max-old-space-size=64',
  '--v8-pool-size=1',
]

/** With more there than is under way it need not wait for this process to have heard of the end. */
const MOST_SENT = 4

/** How long the job under way may take to end when all is over. */
const CLOSE_MS = 1_000
/** Of what it says last, such as which assertion failed. */
const LAST_WORDS = 1_000

export class NftProcess implements AsyncDisposable {
  readonly #waiting: Turn[] = []
  /** The first is under way; who comes next is there already when it ends. */
  #sent: Turn[] = []
  #timer: NodeJS.Timeout | undefined
  #child: ChildProcess | undefined
  #closed = false

  /** Undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Starts the first process, and says whether it found its libraries. */
  async open(): Promise<Greeting> {
    const { promise, resolve } = Promise.withResolvers<Greeting>()
    const child = this.#start()
    child.once('message', (greeting: Greeting) => resolve(greeting))
    child.once('error', (error) => resolve({ kind: 'unavailable', reason: String(error) }))
    child.once('exit', (code, signal) =>
      resolve({ kind: 'unavailable', reason: `its process ended with ${signal ?? code}` }),
    )
    const greeting = await promise
    if (this.#sent.length === 0) unref(child)
    return greeting
  }

  /** Never rejects; `failed` when no answer came. */
  ask(job: () => Job, { timeoutMs = 30_000, signal }: Terms): Promise<Answer> {
    if (this.#closed) return Promise.resolve(failed('was closed'))
    if (signal?.aborted) return Promise.resolve(failed('was cancelled'))
    const { promise, resolve } = Promise.withResolvers<Answer>()
    const settle = (answer: Answer): void => {
      signal?.removeEventListener('abort', cancel)
      resolve(answer)
    }
    const turn: Turn = { job, timeoutMs, signal, settle }
    // What was sent cannot be called back, and its namespace has to be there until its end.
    const cancel = (): void => {
      const place = this.#waiting.indexOf(turn)
      if (place < 0) return
      this.#waiting.splice(place, 1)
      settle(failed('was cancelled'))
    }
    signal?.addEventListener('abort', cancel)
    this.#waiting.push(turn)
    this.#next()
    return promise
  }

  /** Fails what waits, gives the job under way a second to end, and ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const turn of this.#waiting.splice(0)) turn.settle(failed('was closed'))
    const child = this.#child
    if (child === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    child.ref()
    child.once('exit', () => resolve())
    const timer = setTimeout(() => this.#giveUp(child, 'was closed'), CLOSE_MS)
    // It ends when nobody is there any more, once it has done what it was at.
    if (child.connected) child.disconnect()
    await promise
    clearTimeout(timer)
  }

  #next(): void {
    while (this.#sent.length < MOST_SENT) {
      const turn = this.#waiting.shift()
      if (turn === undefined) break
      this.#send(turn)
    }
    if (this.#sent.length === 0 && this.#child !== undefined && !this.#closed) unref(this.#child)
  }

  #send(turn: Turn): void {
    const job = jobOf(turn)
    if (job === undefined) return
    const child = this.#child ?? this.#start()
    this.#sent.push(turn)
    if (this.#sent.length === 1) this.#watch(child)
    child.ref()
    child.channel?.ref()
    // Where it cannot be sent, the process has ended or is about to, or never began, and that is told.
    if (child.connected) child.send(job, () => {})
  }

  /** Has the job under way end in its time. */
  #watch(child: ChildProcess): void {
    clearTimeout(this.#timer)
    const [turn] = this.#sent
    if (turn === undefined) return
    const giveUp = (): void => {
      if (this.#sent[0] === turn) this.#giveUp(child, `ran longer than ${turn.timeoutMs} ms`)
    }
    // It may be this process that stood still: what has come from the other by now is heard first.
    this.#timer = setTimeout(() => setImmediate(giveUp), turn.timeoutMs)
  }

  #start(): ChildProcess {
    const child = fork(ENTRY, [], {
      execArgv: [...NODE_FLAGS],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    })
    let error = ''
    let words = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-LAST_WORDS)
    })
    child.on('message', (message: Greeting | Answer) => {
      if (child !== this.#child || message.kind === 'ready') return
      if (message.kind === 'unavailable') error = message.reason
      else this.#settle(message)
    })
    const ended = (how: string): void => {
      if (child === this.#child) this.#lose(`its process ${error || [how, words.trim()].join(' ').trim()}`)
    }
    child.on('error', (thrown) => ended(`cannot be started: ${String(thrown)}`))
    child.on('close', (code, signal) => setImmediate(ended, `ended with ${signal ?? code}`))
    this.#child = child
    return child
  }

  #giveUp(child: ChildProcess, reason: string): void {
    child.kill('SIGKILL')
    unref(child)
    if (child === this.#child) this.#lose(reason)
  }

  /** What ended it is taken to be the job under way; the next one, even if it was begun, can be asked again. */
  #lose(reason: string): void {
    this.#child = undefined
    for (const turn of this.#sent.splice(1).toReversed()) {
      if (this.#closed) turn.settle(failed('was closed'))
      else if (turn.signal?.aborted) turn.settle(failed('was cancelled'))
      else this.#waiting.unshift(turn)
    }
    this.#settle(failed(reason))
  }

  #settle(answer: Answer): void {
    clearTimeout(this.#timer)
    this.#sent.shift()?.settle(answer)
    if (this.#child !== undefined) this.#watch(this.#child)
    if (!this.#closed) this.#next()
  }
}

/** One that cannot be made costs only who asked for it. */
function jobOf({ job, settle }: Turn): Job | undefined {
  try {
    return job()
  } catch (error) {
    settle(failed(`cannot be asked: ${String(error)}`))
    return undefined
  }
}

/** The caller's process need not go on for it. */
function unref(child: ChildProcess): void {
  child.unref()
  child.channel?.unref()
  const { stderr } = child
  if (stderr !== null && 'unref' in stderr && typeof stderr.unref === 'function') stderr.unref()
}

function failed(reason: string): Failed {
  return { kind: 'failed', reason }
}
