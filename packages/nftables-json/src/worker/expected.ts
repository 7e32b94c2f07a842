/**
 * What is expected of a namespace before anything is run there, and whether it is so: held against the kernel by the socket that
 * the transaction goes through, right before.
 */
import { readCookieBy } from '../in-process/cookie.ts'
import { FIRST_GENERATION, hasTablesBy, readGenerationBy } from '../in-process/generation.ts'
import type { Libc } from '../in-process/libc.ts'
import { hasConnections, hasLegacyTables } from '../in-process/proc-net.ts'

/**
 * `untouched`: nobody has ever filtered packets there, by whatever means, and there are no connections that the first rules
 * would meet.
 */
export type Expected = At | 'untouched'

/** A namespace at one moment, by its cookie and its generation (see `NetnsAccess`). */
export type At = { readonly cookie: bigint; readonly generation: number }

/** It is another namespace, or something was changed there, or that cannot be told: nothing was run. */
export type Moved = { readonly kind: 'moved'; readonly reason: string }

/** @param fd a netlink socket of netfilter that was opened in the thread's namespace of the moment */
export function held(expected: Expected, libc: Libc, fd: number): At | Moved {
  const cookie = readCookieBy(libc, fd)
  if (cookie === undefined) return moved('the kernel does not tell which network namespace it is')
  if (expected !== 'untouched' && cookie !== expected.cookie) return moved('it is another network namespace')
  const wanted = generationOf(expected)
  const generation = readGenerationBy(libc, fd)
  if (generation !== wanted) return moved(`it is in generation ${generation} and not ${wanted}`)
  const touched = expected === 'untouched' ? touchedBy(libc, fd) : undefined
  return touched === undefined ? { cookie, generation } : moved(`there are ${touched}`)
}

export function generationOf(expected: Expected): number {
  return expected === 'untouched' ? FIRST_GENERATION : expected.generation
}

/** The generation is a number of 32 bits, which whoever keeps at it for hours can bring round to the first again. */
function touchedBy(libc: Libc, fd: number): string | undefined {
  if (hasTablesBy(libc, fd)) return 'tables'
  if (hasLegacyTables()) return 'tables of iptables'
  return hasConnections() ? 'connections' : undefined
}

export function moved(reason: string): Moved {
  return { kind: 'moved', reason }
}
