/**
 * Which namespace it was that something is remembered of. The number of its inode is given out again as soon as it is gone,
 * and what the generation tells starts over with it, so neither says that a namespace is the one of before.
 */
import { statSync } from 'node:fs'
import type { NetnsAccess } from 'nftables-json/netns'
import type { OpenNetns } from './open-netns.ts'

/**
 * A text that no other namespace has, had, or will have: by the kernel's cookie, or, where that is not told (before Linux
 * 5.14, or without koffi), by when its inode was made. That inode lives as long as a mount or a process of the runtime holds
 * it; where nothing does it is made anew for each look, so nothing is remembered, and the kernel is asked each time.
 *
 * @returns undefined where not even that can be told: then nothing that is known counts
 */
export function instanceOf(netns: OpenNetns, access: NetnsAccess | undefined): string | undefined {
  return instanceBy(access?.cookie(netns.path), netns)
}

/** The same where the cookie was asked for already. */
export function instanceBy(cookie: bigint | undefined, { path, id }: OpenNetns): string | undefined {
  if (cookie !== undefined) return `${BY_COOKIE}${cookie}`
  try {
    return `${id} of ${statSync(path, { bigint: true }).ctimeNs}`
  } catch {
    return undefined
  }
}

/** The cookie that an instance is known by; undefined where it is known by its inode. */
export function cookieOf(instance: string | undefined): bigint | undefined {
  return instance?.startsWith(BY_COOKIE) === true ? BigInt(instance.slice(BY_COOKIE.length)) : undefined
}

const BY_COOKIE = 'cookie '
