/**
 * Starts nft, iptables-restore and iptables-translate, the first two in a network namespace of their own.
 *
 * `unshare --net` makes the namespace and runs the program in it, in one process; with that process it is gone,
 * whatever happens, and nothing is mounted or named. It needs CAP_SYS_ADMIN, as entering pods does; without root, as in
 * an offline check of manifests, a user namespace is made with it.
 */
import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'

export type Ended =
  /** A program that crashed, by what it was given, ended with code 1 and its signal in `stderr`. */
  | { readonly kind: 'exited'; readonly code: number; readonly stdout: string; readonly stderr: string }
  /** It could not be started, ran too long, or was stopped: nothing is known of what it was given. */
  | { readonly kind: 'failed'; readonly reason: string }

const TIMEOUT_MS = 30_000

/** What a program may print: 500 rules come to less than 1 MiB. */
const MOST_OUTPUT = 16 * 1024 * 1024

/** Runs a program with that standard input in a network namespace made for it. */
export async function runInScratchNetns(
  program: string,
  args: readonly string[],
  input: string,
  signal: AbortSignal,
): Promise<Ended> {
  const user = process.getuid?.() === 0 ? [] : ['--map-root-user']
  try {
    await using file = await namelessFile(input)
    // Awaited here, since the file must be open until the program has ended.
    return await runProgram('unshare', [...user, '--net', program, ...args], signal, file.handle.fd)
  } catch (error) {
    return { kind: 'failed', reason: `${program}: its input could not be written: ${String(error)}` }
  }
}

/** Runs a program to its end; arguments go to it as they are, past any shell. */
export async function runProgram(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
  stdin?: number,
): Promise<Ended> {
  const { execa } = await import('execa')
  const result = await execa(program, args, {
    // execa's types know the descriptors 3 to 9 only; its code takes any.
    stdin: (stdin as 3 | undefined) ?? 'ignore',
    timeout: TIMEOUT_MS,
    maxBuffer: MOST_OUTPUT,
    cancelSignal: signal,
    env: { LC_ALL: 'C' },
    reject: false,
  })
  const { exitCode, stdout, stderr } = result
  if (exitCode !== undefined && !result.timedOut && !result.isCanceled && !result.isMaxBuffer)
    return { kind: 'exited', code: exitCode, stdout, stderr }
  if (CRASHES.has(result.signal ?? ''))
    return { kind: 'exited', code: 1, stdout: '', stderr: `crashed: ${result.signal}` }
  const why = result.timedOut ? `ran longer than ${TIMEOUT_MS} ms` : (result.originalMessage ?? 'was ended')
  return { kind: 'failed', reason: `${program}: ${why}` }
}

const CRASHES: ReadonlySet<string> = new Set(['SIGABRT', 'SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL'])

interface NamelessFile extends AsyncDisposable {
  readonly handle: FileHandle
}

/** A file without a name: nft opens its standard input anew, and twice, which pipes and sockets do not survive. */
async function namelessFile(text: string): Promise<NamelessFile> {
  const handle = await openNameless('/dev/shm').catch(() => openNameless(tmpdir()))
  const close = async (): Promise<void> => await handle.close()
  try {
    const bytes = Buffer.from(text)
    for (let written = 0; written < bytes.length; )
      written += (await handle.write(bytes, written, bytes.length - written, written)).bytesWritten
  } catch (error) {
    await close()
    throw error
  }
  return { handle, [Symbol.asyncDispose]: close }
}

async function openNameless(directory: string): Promise<FileHandle> {
  const path = `${directory}/rule-file-${randomUUID()}`
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}
