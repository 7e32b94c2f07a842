/**
 * libnftables(3), by koffi. Each command has a context of its own, so that nothing of one (a cache gone stale, a `define`
 * of a script) is there in the next. A context costs 0.05 ms to open, and holds 0.7 MiB and more while it has tables
 * cached (measured), so it is freed at once; all that outlives it is its socket, see late-close.ts.
 *
 * The library ends the process when it gets no socket or no memory, where one of its assertions fails, and when its
 * socket's number is beyond what select(2) takes.
 */

import { readCookieBy } from '../in-process/cookie.ts'
import { readGenerationBy } from '../in-process/generation.ts'
import type { LateClose } from '../in-process/late-close.ts'
import type { Koffi, Libc } from '../in-process/libc.ts'
import {
  hearKernelAlone,
  isNetfilterSocket,
  openNetfilterSocket,
  openQuickSocket,
} from '../in-process/netfilter-socket.ts'
import type { Failed } from '../run.ts'
import { type At, type Expected, held, type Moved, moved } from './expected.ts'

export type Command = {
  readonly grammar: 'json' | 'text'
  readonly input: string
  readonly check: boolean
  /** It is run only where that is so. */
  readonly expected?: Expected | undefined
  /** Whether the output is to tell all that was sent, see `Batch`. */
  readonly debug?: boolean | undefined
}

/** `code` is libnftables' own: 0 for done. */
export type Ran = {
  readonly kind: 'ran'
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Where it was, by now, if something was expected; undefined where it cannot be told. */
  readonly at?: At | undefined
  /** Not by libnftables. */
  readonly isReplayed?: true
}

/** Runs a command in the thread's namespace of the moment. */
export type RunCommand = (command: Command) => Ran | Moved | Failed

/** Throws where there is no libnftables.so.1. */
export function loadLibnftables(koffi: Koffi, libc: Libc, late: LateClose): RunCommand {
  const library = bind(koffi)
  let isTried = false
  return (command) => {
    if (!isTried) {
      const first = openNetfilterSocket(libc)
      if (first < 0) return { kind: 'failed', reason: `socket: ${libc.lastError()}` }
      late.add(first)
      isTried = true
    }
    const opened = openContext(library, libc, late)
    if ('kind' in opened) return opened
    const { context, socket } = opened
    try {
      const { expected } = command
      if (expected === undefined) return runIn(library, context, command)
      if (socket === undefined) return moved('its socket is not known')
      const before = held(expected, libc, socket)
      if ('kind' in before) return before
      const ran = runIn(library, context, command)
      const generation = generationNow(libc, late, before.cookie)
      return { ...ran, at: generation === undefined ? undefined : { ...before, generation } }
    } finally {
      library.free(context)
    }
  }
}

/** By a socket of ours: libnftables up to 0.9.8 may have another one by now, which hears others than the kernel. */
function generationNow(libc: Libc, late: LateClose, cookie: bigint): number | undefined {
  const fd = late.take(cookie) ?? openNetfilterSocket(libc)
  if (fd < 0) return undefined
  const generation = readGenerationBy(libc, fd)
  late.add(fd, generation === undefined ? undefined : cookie)
  return generation
}

/** A pointer, as koffi has them. */
type Context = bigint

type Opened = {
  readonly context: Context
  /** Its own, while it is open; undefined where it is not known which it is. */
  readonly socket: number | undefined
}

/** The context, its socket kept open: so `free` is not what closes it, and does not wait. */
function openContext(library: Library, libc: Libc, late: LateClose): Opened | Failed {
  // Without a socket libnftables would end the process. Its own gets the number that was free just now,
  const probe = openQuickSocket(libc)
  if (probe < 0) return { kind: 'failed', reason: `socket: ${libc.lastError()}` }
  libc.close(probe)
  if (probe > HIGHEST_FD) {
    return { kind: 'failed', reason: `${probe} files are open, and libnftables waits by select(2), of 1,024` }
  }
  const context = library.create(NFT_CTX_DEFAULT)
  // unless another thread was faster, which none here is; then `free` closes it, and may wait.
  const socket = isNetfilterSocket(libc, probe) && hearKernelAlone(libc, probe) ? probe : undefined
  if (socket !== undefined) late.keep(socket, readCookieBy(libc, socket))
  return { context, socket }
}

function runIn(library: Library, context: Context, { grammar, input, check, debug = false }: Command): Ran {
  library.bufferOutput(context)
  library.bufferError(context)
  // In JSON mode, text that is no JSON is tried as nft's own. A script in text is never tried as JSON.
  library.setFlags(context, grammar === 'json' ? NFT_CTX_OUTPUT_JSON : 0)
  library.setDryRun(context, check)
  if (debug) library.setDebug(context, NFT_DEBUG_MNL)
  const code = library.run(context, input)
  return { kind: 'ran', code, stdout: library.output(context), stderr: library.error(context) }
}

type Library = {
  readonly create: (flags: number) => Context
  readonly free: (context: Context) => void
  readonly run: (context: Context, input: string) => number
  readonly bufferOutput: (context: Context) => number
  readonly bufferError: (context: Context) => number
  readonly output: (context: Context) => string
  readonly error: (context: Context) => string
  readonly setFlags: (context: Context, flags: number) => void
  readonly setDryRun: (context: Context, dry: boolean) => void
  readonly setDebug: (context: Context, mask: number) => void
}

function bind(koffi: Koffi): Library {
  const nft = koffi.load('libnftables.so.1')
  return {
    create: nft.func('void *nft_ctx_new(uint32_t)'),
    free: nft.func('void nft_ctx_free(void *)'),
    run: nft.func('int nft_run_cmd_from_buffer(void *, const char *)'),
    bufferOutput: nft.func('int nft_ctx_buffer_output(void *)'),
    bufferError: nft.func('int nft_ctx_buffer_error(void *)'),
    output: nft.func('const char *nft_ctx_get_output_buffer(void *)'),
    error: nft.func('const char *nft_ctx_get_error_buffer(void *)'),
    setFlags: nft.func('void nft_ctx_output_set_flags(void *, unsigned int)'),
    setDryRun: nft.func('void nft_ctx_set_dry_run(void *, bool)'),
    setDebug: nft.func('void nft_ctx_output_set_debug(void *, unsigned int)'),
  }
}

/** FD_SETSIZE, less some for descriptors that other threads open meanwhile. */
const HIGHEST_FD = 1_000
const NFT_CTX_DEFAULT = 0
const NFT_CTX_OUTPUT_JSON = 1 << 4
const NFT_DEBUG_MNL = 1 << 4
