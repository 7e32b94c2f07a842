/**
 * What `nftables-json/run` does by a process for each command, done by libnftables in one process that stays: a tenth of
 * the time and less. What ends libnftables (an assertion, no memory) or makes it hang costs the command it was at.
 */
import { parseListing } from '../listing.ts'
import type { Failed, ListResult, NetnsGone, RunOptions, RunResult, TooLarge } from '../run.ts'
import type { Transaction } from '../transaction.ts'
import type { TableKey } from '../types.ts'
import type { At, Expected, Moved } from './expected.ts'
import type { Command, Ran } from './libnftables.ts'
import { Likes, type Way } from './likes.ts'
import type { Answer } from './messages.ts'
import { NftProcess } from './nft-process.ts'

export type { At, Expected, Moved } from './expected.ts'

/**
 * As `run` takes them. A command under way, and the next three, cannot be stopped: cancelled, or too late, they may still be
 * committed.
 */
export type WorkerOptions = Pick<RunOptions, 'netns' | 'check' | 'signal' | 'timeoutMs'> & {
  /** The transaction is run only where the namespace is so, as the process itself finds right before (`run` only). */
  readonly expected?: Expected | undefined
}

export type WorkerResult =
  | Exclude<RunResult, { kind: 'done' }>
  | Moved
  /**
   * `at`: where it was, by now, if something was expected; its generation is one more than before, if nobody else has committed
   * anything meanwhile. `isReplayed`: it was sent as it had been for one that is alike, without libnftables.
   */
  | { readonly kind: 'done'; readonly at?: At; readonly isReplayed?: true }

export type Opened =
  | { readonly kind: 'opened'; readonly nft: NftWorker }
  /** koffi or libnftables.so.1 is not there, or no process can be started. */
  | { readonly kind: 'unavailable'; readonly reason: string }

export class NftWorker implements AsyncDisposable {
  readonly #process: NftProcess
  readonly #likes = new Likes()

  private constructor(process: NftProcess) {
    this.#process = process
  }

  /** Starts the process. */
  static async open(): Promise<Opened> {
    const process = new NftProcess()
    const greeting = await process.open()
    return greeting.kind === 'ready' ? { kind: 'opened', nft: new NftWorker(process) } : greeting
  }

  /**
   * Commits the transaction, all of it or nothing. A string is a script in nft's own text, as `toText` prints it; nft's
   * text can include files, so it must come from whom you trust.
   */
  async run(transaction: Transaction | string, options: WorkerOptions = {}): Promise<WorkerResult> {
    const where = whereOf(options)
    if (typeof transaction === 'string' && transaction.includes('\0')) {
      return { kind: 'refused', reason: `${where}: the script has a NUL, where C would end it`, stderr: '' }
    }
    const ran =
      typeof transaction === 'string'
        ? await this.#command(() => ({ grammar: 'text', input: transaction }), options)
        : await this.#transaction(transaction, options)
    if (ran.kind !== 'ran') return ran
    const { code, stderr, at, isReplayed } = ran
    if (code === 0) {
      return {
        kind: 'done',
        ...(at !== undefined && { at }),
        ...(isReplayed === true && { isReplayed }),
      }
    }
    return { kind: 'refused', reason: `${where}: ${firstLine(stderr) ?? `returned ${code}`}`, stderr }
  }

  /** One table as the kernel has it. The name goes to nft as data, so any name may be asked for. */
  async listTable(
    { family, name }: TableKey,
    options: WorkerOptions = {},
  ): Promise<Exclude<ListResult, TooLarge>> {
    const where = whereOf(options)
    const input = JSON.stringify({ nftables: [{ list: { table: { family, name } } }] })
    const ran = await this.#command(() => ({ grammar: 'json', input }), {
      ...options,
      check: false,
      expected: undefined,
    })
    if (ran.kind === 'moved') return { kind: 'failed', reason: ran.reason }
    if (ran.kind !== 'ran') return ran
    const { code, stdout, stderr } = ran
    if (code !== 0) {
      if (ABSENT.test(stderr)) return { kind: 'absent' }
      return { kind: 'failed', reason: `${where}: ${firstLine(stderr) ?? `returned ${code}`}` }
    }
    try {
      return { kind: 'listed', listing: parseListing(stdout) }
    } catch (error) {
      return { kind: 'failed', reason: `${where}: printed no listing: ${String(error)}` }
    }
  }

  /** The process of the moment; undefined between the end of one and the next command. */
  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Fails what waits, and ends the process; waits a second for what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]()
  }

  async #transaction(transaction: Transaction, options: WorkerOptions): Promise<Commanded> {
    const call = (): Text => ({ grammar: 'json', input: transaction.toJSONText() })
    const { likeness } = transaction
    const { netns, check, expected, ...terms } = options
    if (likeness === undefined || expected === undefined || check === true)
      return await this.#command(call, options)
    const { key } = likeness
    const where = { netns, expected }
    let asked: Way | undefined
    const answer = await this.#process.ask(() => {
      const way = this.#likes.way(key)
      asked = way
      if (way === 'again') return { ...where, again: likeness }
      return { ...where, check: false, learn: way === 'learn' ? likeness : undefined, ...call() }
    }, terms)
    const learned = answer.kind === 'ran' ? answer.learned : undefined
    if (answer.kind === 'failed' || learned === 'never') this.#likes.giveUp(key)
    const isElsewhere = asked === 'learn' && ['moved', 'netns-gone'].includes(answer.kind)
    if (isElsewhere || answer.kind === 'unknown' || learned === 'not yet') this.#likes.forget(key)
    return answer.kind === 'unknown' ? await this.#command(call, options) : commanded(answer, options)
  }

  async #command(command: () => Text, options: WorkerOptions): Promise<Commanded> {
    const { netns, check = false, expected, ...terms } = options
    return commanded(
      await this.#process.ask(() => ({ netns, check, expected, ...command() }), terms),
      options,
    )
  }
}

type Text = Pick<Command, 'grammar' | 'input'>
type Commanded = Ran | Moved | NetnsGone | Failed

function commanded(answer: Answer, { netns }: WorkerOptions): Commanded {
  if (answer.kind === 'ran') return answer
  // Only what was asked for again can be unknown.
  const kind = answer.kind === 'unknown' ? 'failed' : answer.kind
  return { kind, reason: `${whereOf({ netns })}: ${answer.reason}` }
}

const ABSENT = /Error: No such file or directory$/m

function whereOf({ netns }: { readonly netns?: string | undefined }): string {
  return netns === undefined ? 'libnftables' : `libnftables in ${netns}`
}

function firstLine(text: string): string | undefined {
  return text
    .split('\n')
    .find((line) => line.trim() !== '')
    ?.trim()
}
