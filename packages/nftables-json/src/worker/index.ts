/**
 * What `nftables-json/run` does by a process for each command, done by libnftables in one process that stays: a tenth of
 * the time and less. What ends libnftables (an assertion, no memory) or makes it hang costs the command it was at.
 */
import { parseListing } from '../listing.ts'
import type { Failed, ListResult, NetnsGone, RunOptions, RunResult, TooLarge } from '../run.ts'
import type { Transaction } from '../transaction.ts'
import type { TableKey } from '../types.ts'
import type { Expected, Moved } from './libnftables.ts'
import type { Answer, Job } from './messages.ts'
import { NftProcess } from './nft-process.ts'

export type { Expected, Moved } from './libnftables.ts'

/**
 * As `run` takes them. A command under way, and the next one, cannot be stopped: cancelled, or too late, they may still be
 * committed.
 */
export type WorkerOptions = Pick<RunOptions, 'netns' | 'check' | 'signal' | 'timeoutMs'> & {
  /** The transaction is run only where the namespace is just that, as the process itself finds right before (`run` only). */
  readonly expected?: Expected | undefined
}

export type WorkerResult =
  | Exclude<RunResult, { kind: 'done' }>
  | Moved
  /** `generation`: by now, where one was expected. One more than that, if nobody else has committed anything meanwhile. */
  | { readonly kind: 'done'; readonly generation?: number }

export type Opened =
  | { readonly kind: 'opened'; readonly nft: NftWorker }
  /** koffi or libnftables.so.1 is not there, or no process can be started. */
  | { readonly kind: 'unavailable'; readonly reason: string }

export class NftWorker implements AsyncDisposable {
  readonly #process: NftProcess

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
    const ran = await this.#command(
      typeof transaction === 'string'
        ? () => ({ grammar: 'text', input: transaction })
        : () => ({ grammar: 'json', input: transaction.toJSONText() }),
      options,
    )
    if (ran.kind !== 'ran') return ran
    const { code, stderr, generation } = ran
    if (code === 0) return { kind: 'done', ...(generation !== undefined && { generation }) }
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

  async #command(
    command: () => Pick<Job, 'grammar' | 'input'>,
    { netns, check = false, expected, ...terms }: WorkerOptions,
  ): Promise<Ran | Moved | NetnsGone | Failed> {
    const answer = await this.#process.ask(() => ({ netns, check, expected, ...command() }), terms)
    if (answer.kind === 'ran') return answer
    return { kind: answer.kind, reason: `${whereOf({ netns })}: ${answer.reason}` }
  }
}

type Ran = Extract<Answer, { kind: 'ran' }>

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
