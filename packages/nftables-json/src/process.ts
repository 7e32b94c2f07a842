/** How nft is started: the one effect of this package, so that callers can put their own in its place. */
import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'

export type ProcessOptions = {
  /** What the process reads on its standard input; without it there is nothing to read. */
  readonly input?: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  /** What the process may use; without it, what this process may. */
  readonly bounds?: Bounds
}

/** For a process whose work is as large as somebody else makes it. */
export type Bounds = {
  /** Of its standard output, in characters. */
  readonly output: number
  /** Memory of its own (setrlimit(2), RLIMIT_DATA), in KiB. */
  readonly memoryKib: number
  /** CPU time, in seconds. */
  readonly cpuSeconds: number
}

/** How a process ended. */
export type ProcessResult =
  | { readonly kind: 'exited'; readonly code: number; readonly stdout: string; readonly stderr: string }
  /** It would have taken more than its `bounds`. */
  | { readonly kind: 'too-large'; readonly reason: string }
  /** It could not be started, ran too long, or was killed; `reason` says which, in words. */
  | { readonly kind: 'failed'; readonly reason: string }

/** Runs a program to its end. It does not reject for anything that the program does. */
export type RunProcess = (
  program: string,
  args: readonly string[],
  options: ProcessOptions,
) => Promise<ProcessResult>

/**
 * By execa, which is imported at the first use: a daemon that holds libnftables in process never pays for it.
 * Messages are asked for in English, since the outcome of nsenter is read from its words.
 */
export const runByExeca: RunProcess = async (program, args, { input, timeoutMs, signal, bounds }) => {
  const { execa } = await import('execa')
  let stdin: FileHandle | undefined
  try {
    stdin = input === undefined ? undefined : await namelessFile(input)
    const [started = program, ...words] = [...within(bounds), program, ...args]
    const result = await execa(started, words, {
      // execa's types know the descriptors 3 to 9 only; its code takes any.
      stdin: (stdin?.fd as 3 | undefined) ?? 'ignore',
      timeout: timeoutMs,
      ...(signal === undefined ? {} : { cancelSignal: signal }),
      ...(bounds === undefined ? {} : { maxBuffer: bounds.output }),
      env: { LC_ALL: 'C' },
      reject: false,
    })
    const { exitCode, stdout, stderr, timedOut, isCanceled } = result
    if (bounds !== undefined && !timedOut && !isCanceled && isTooLarge(result, bounds))
      return { kind: 'too-large', reason: describeBounds(bounds) }
    if (exitCode === undefined || timedOut || isCanceled) {
      return { kind: 'failed', reason: failure(result, timeoutMs) }
    }
    return { kind: 'exited', code: exitCode, stdout, stderr }
  } catch (error) {
    return { kind: 'failed', reason: `its input could not be written: ${String(error)}` }
  } finally {
    await stdin?.close()
  }
}

/**
 * A file with that text and without a name. nft opens `/dev/stdin` anew, which fails for the sockets that Node
 * uses as pipes. And it opens it twice, for JSON and, when that is none, for its own text: a pipe is empty by
 * then, and nft would exit with 0 having done nothing, where a file makes it say what is wrong.
 */
async function namelessFile(text: string): Promise<FileHandle> {
  const file = await openNameless('/dev/shm').catch(() => openNameless(tmpdir()))
  const bytes = Buffer.from(text)
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written, bytes.length - written, written)).bytesWritten
  }
  return file
}

async function openNameless(directory: string): Promise<FileHandle> {
  const path = `${directory}/nftables-json-${randomUUID()}`
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}

/**
 * What a program is started by so that it keeps within the bounds: a shell that sets the limits and becomes the program. Where
 * memory is short all the same, the kernel is to end that before anything else.
 */
export function within(bounds: Bounds | undefined): [] | [string, ...string[]] {
  if (bounds === undefined) return []
  const first = 'echo 1000 2>&- >/proc/self/oom_score_adj'
  const script = `${first}; ulimit -d ${bounds.memoryKib}; ulimit -t ${bounds.cpuSeconds}; exec "$@"`
  return ['sh', '-c', script, 'sh']
}

/**
 * What cannot have memory says so, and the kernel ends what has had its CPU time, which cannot be sooner than after as long.
 * What is killed sooner was killed by somebody.
 */
export function isTooLarge(
  ended: Ended & { readonly isMaxBuffer: boolean; readonly stderr: string; readonly durationMs: number },
  { cpuSeconds }: Bounds,
): boolean {
  const hadItsTime = ended.signal !== undefined && ended.durationMs >= cpuSeconds * 1000
  return ended.isMaxBuffer || hadItsTime || ended.signal === 'SIGXCPU' || NO_MEMORY.test(ended.stderr)
}

const NO_MEMORY = /memory allocation failure|out of memory|cannot allocate memory/i

export function describeBounds({ output, memoryKib, cpuSeconds }: Bounds): string {
  return `it takes more than ${output} characters, ${memoryKib} KiB of memory or ${cpuSeconds} s of CPU time`
}

type Ended = {
  readonly timedOut: boolean
  readonly isCanceled: boolean
  readonly signal?: string | undefined
  readonly originalMessage?: string | undefined
}

function failure({ timedOut, isCanceled, signal, originalMessage }: Ended, timeoutMs: number): string {
  if (timedOut) return `ran longer than ${timeoutMs} ms`
  if (isCanceled) return 'was cancelled'
  if (signal !== undefined) return `was killed by ${signal}`
  return originalMessage ?? 'could not be started'
}
