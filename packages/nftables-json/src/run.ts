/**
 * One transaction, or one table's listing, by one process: `nft -j -f -`, within a network namespace by
 * `nsenter --net=…`. What can be expected to go wrong is a value, and names the command, the reason and the
 * first line that was said.
 */
import { parseListing } from './listing.ts'
import type { Listing } from './listing-types.ts'
import { checkName } from './names.ts'
import { type Bounds, type ProcessResult, type RunProcess, runByExeca } from './process.ts'
import type { Transaction } from './transaction.ts'
import type { TableKey } from './types.ts'

export {
  type Bounds,
  describeBounds,
  isTooLarge,
  type ProcessOptions,
  type ProcessResult,
  type RunProcess,
  runByExeca,
  within,
} from './process.ts'

export type RunOptions = {
  /** The path of a network namespace, `/proc/123/ns/net` or a bind mount; without one, the process's own. */
  readonly netns?: string
  /** nft looks whether the kernel would take the transaction, and changes nothing (`run` only). */
  readonly check?: boolean
  readonly signal?: AbortSignal
  /** 30 seconds when not given. */
  readonly timeoutMs?: number
  /** What a listing may take: others can make a table as large as they like (listings only). */
  readonly bounds?: Bounds
  /** The program: `nft`, looked up in PATH, when not given. */
  readonly nft?: string
  /** What starts it; execa when not given. */
  readonly runProcess?: RunProcess
}

/** The netns is not there, or the path is not one. */
export type NetnsGone = { readonly kind: 'netns-gone'; readonly reason: string }

/** nft did not run to its end. A transaction may or may not have been committed: list before you conclude. */
export type Failed = { readonly kind: 'failed'; readonly reason: string }

/** The listing would be larger than its bounds. */
export type TooLarge = { readonly kind: 'too-large'; readonly reason: string }

export type RunResult =
  /** The kernel has committed it all; with `check`, it would. */
  | { readonly kind: 'done' }
  /** nft or the kernel said no, and nothing has changed. */
  | { readonly kind: 'refused'; readonly reason: string; readonly stderr: string }
  | NetnsGone
  | Failed

export type ListResult =
  | { readonly kind: 'listed'; readonly listing: Listing }
  /** There is no such table. */
  | { readonly kind: 'absent' }
  | TooLarge
  | NetnsGone
  | Failed

/** Commits the transaction, all of it or nothing. */
export async function run(transaction: Transaction, options: RunOptions = {}): Promise<RunResult> {
  const args = options.check === true ? ['--check', '-j', '-f', '-'] : ['-j', '-f', '-']
  const input = transaction.toJSONText()
  const { bounds: _, ...unbounded } = options
  const ended = await start(args, unbounded, input)
  if (ended.kind === 'too-large') return { kind: 'failed', reason: ended.reason }
  if (ended.kind !== 'exited') return ended
  const { code, stderr, command } = ended
  if (code === 0) return { kind: 'done' }
  const reason = `${command}: ${firstLine(stderr) ?? `exit code ${code}`}`
  return code === 1 ? { kind: 'refused', reason, stderr } : { kind: 'failed', reason }
}

/** One table as the kernel has it. The name goes to nft as data, so any name may be asked for. */
export async function listTable({ family, name }: TableKey, options: RunOptions = {}): Promise<ListResult> {
  const list = { nftables: [{ list: { table: { family, name } } }] }
  const ended = await start(['-j', JSON.stringify(list)], options)
  if (ended.kind !== 'exited') return ended
  const { code, stdout, stderr, command } = ended
  if (code !== 0) {
    if (ABSENT.test(stderr)) return { kind: 'absent' }
    return { kind: 'failed', reason: `${command}: ${firstLine(stderr) ?? `exit code ${code}`}` }
  }
  try {
    return { kind: 'listed', listing: parseListing(stdout) }
  } catch (error) {
    return { kind: 'failed', reason: `${command}: printed no listing: ${String(error)}` }
  }
}

/** Which tables there are, whoever made them. */
export async function listTables(
  options: RunOptions = {},
): Promise<
  { readonly kind: 'listed'; readonly tables: readonly TableKey[] } | TooLarge | NetnsGone | Failed
> {
  const ended = await start(['-j', 'list', 'tables'], options)
  if (ended.kind !== 'exited') return ended
  const { code, stdout, stderr, command } = ended
  if (code !== 0) return { kind: 'failed', reason: `${command}: ${firstLine(stderr) ?? `exit code ${code}`}` }
  try {
    return {
      kind: 'listed',
      tables: parseListing(stdout).tables.map(({ family, name }) => ({ family, name })),
    }
  } catch (error) {
    return { kind: 'failed', reason: `${command}: printed no listing: ${String(error)}` }
  }
}

export type ListTextResult =
  | { readonly kind: 'listed'; readonly text: string }
  | Exclude<ListResult, { kind: 'listed' }>

/** One table as nft itself prints it, for people (`text`) or for programs (`json`). */
export async function listText(
  { family, name }: TableKey,
  form: 'text' | 'json',
  options: RunOptions = {},
): Promise<ListTextResult> {
  checkName(name)
  const ended = await start([...(form === 'json' ? ['-j'] : []), 'list', 'table', family, name], options)
  if (ended.kind !== 'exited') return ended
  if (ended.code === 0) return { kind: 'listed', text: ended.stdout }
  if (ABSENT.test(ended.stderr)) return { kind: 'absent' }
  return {
    kind: 'failed',
    reason: `${ended.command}: ${firstLine(ended.stderr) ?? `exit code ${ended.code}`}`,
  }
}

const ABSENT = /Error: No such file or directory$/m

/** nsenter's words (util-linux and busybox) for a path that is not there, and for one that is no netns. */
const GONE =
  /^nsenter: (?!failed to execute|can't execute).*(?:No such file or directory|No such process|Not a directory|Invalid argument)$/m

type Exited = Extract<ProcessResult, { kind: 'exited' }> & { readonly command: string }

async function start(
  args: readonly string[],
  { netns, nft = 'nft', timeoutMs = 30_000, signal, bounds, runProcess = runByExeca }: RunOptions,
  input?: string,
): Promise<Exited | TooLarge | NetnsGone | Failed> {
  const [program = nft, ...rest] =
    netns === undefined ? [nft, ...args] : ['nsenter', `--net=${netns}`, nft, ...args]
  const command = [program, ...rest].join(' ')
  const ended = await runProcess(program, rest, {
    timeoutMs,
    ...(input === undefined ? {} : { input }),
    ...(signal === undefined ? {} : { signal }),
    ...(bounds === undefined ? {} : { bounds }),
  })
  if (ended.kind !== 'exited') return { kind: ended.kind, reason: `${command}: ${ended.reason}` }
  if (netns === undefined || !ended.stderr.startsWith('nsenter: ')) return { ...ended, command }
  const reason = `${command}: ${firstLine(ended.stderr)}`
  return { kind: GONE.test(ended.stderr) ? 'netns-gone' : 'failed', reason }
}

function firstLine(text: string): string | undefined {
  return text
    .split('\n')
    .find((line) => line.trim() !== '')
    ?.trim()
}
