/**
 * What `nftables-json/run` does by a process for each command, done by libnftables in one process that stays: a tenth of
 * the time and less. What ends libnftables (an assertion, no memory) or makes it hang costs the command it was at.
 */
import { toJson } from '../json.ts'
import { parseListing } from '../listing.ts'
import type { Failed, ListResult, NetnsGone, RunOptions, RunResult, TooLarge } from '../run.ts'
import type { Transaction } from '../transaction.ts'
import type { TableKey } from '../types.ts'
import type { Answer, GenerationResult, Job } from './messages.ts'
import { NftProcess, type Terms } from './nft-process.ts'

export type { GenerationResult } from './messages.ts'

/**
 * As `run` takes them. A command under way, and the next one, cannot be stopped: cancelled, or too late, they may still be
 * committed.
 */
export type WorkerOptions = Pick<RunOptions, 'netns' | 'check' | 'signal' | 'timeoutMs'>

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
  async run(transaction: Transaction | string, options: WorkerOptions = {}): Promise<RunResult> {
    const where = whereOf(options)
    if (typeof transaction === 'string' && transaction.includes('\0')) {
      return { kind: 'refused', reason: `${where}: the script has a NUL, where C would end it`, stderr: '' }
    }
    const ran = await this.#command(
      typeof transaction === 'string'
        ? () => ({ grammar: 'text', input: transaction })
        : () => ({ grammar: 'json', input: JSON.stringify(toJson(transaction.commands)) }),
      options,
    )
    if (ran.kind !== 'ran') return ran
    const { code, stderr } = ran
    if (code === 0) return { kind: 'done' }
    return { kind: 'refused', reason: `${where}: ${firstLine(stderr) ?? `returned ${code}`}`, stderr }
  }

  /** One table as the kernel has it. The name goes to nft as data, so any name may be asked for. */
  async listTable(
    { family, name }: TableKey,
    options: WorkerOptions = {},
  ): Promise<Exclude<ListResult, TooLarge>> {
    const where = whereOf(options)
    const input = JSON.stringify({ nftables: [{ list: { table: { family, name } } }] })
    const ran = await this.#command(() => ({ grammar: 'json', input }), { ...options, check: false })
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

  /** The ruleset's generation, which each commit in the netns changes, whoever makes it. */
  async generation(options: Terms & { readonly netns?: string } = {}): Promise<GenerationResult> {
    const [result] = await this.generations([options.netns], options)
    return result ?? { kind: 'failed', reason: `${whereOf(options)}: no answer` }
  }

  /** The same for many namespaces, in their order, by one message. */
  async generations(
    netns: readonly (string | undefined)[],
    terms: Terms = {},
  ): Promise<readonly GenerationResult[]> {
    const answer = await this.#process.ask(() => ({ kind: 'generations', netns }), terms)
    if (answer.kind === 'generations') return answer.results
    const reason = `libnftables: ${'reason' in answer ? answer.reason : answer.kind}`
    return netns.map((): Failed => ({ kind: 'failed', reason }))
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
    command: () => Pick<Extract<Job, { kind: 'command' }>, 'grammar' | 'input'>,
    { netns, check = false, ...terms }: WorkerOptions,
  ): Promise<Ran | NetnsGone | Failed> {
    const answer = await this.#process.ask(() => ({ kind: 'command', netns, check, ...command() }), terms)
    if (answer.kind === 'ran') return answer
    const reason = 'reason' in answer ? answer.reason : answer.kind
    return {
      kind: answer.kind === 'netns-gone' ? answer.kind : 'failed',
      reason: `${whereOf({ netns })}: ${reason}`,
    }
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
