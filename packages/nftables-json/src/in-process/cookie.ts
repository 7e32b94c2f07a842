/**
 * The cookie of a network namespace (SO_NETNS_COOKIE of asm-generic/socket.h, Linux 5.14): a number that the kernel gives to
 * one namespace only until it is booted anew, while an inode's number is given out again as soon as its namespace is gone.
 */
import type { Libc } from './libc.ts'
import { LITTLE, openQuickSocket } from './netfilter-socket.ts'

/** Of the thread's namespace of the moment; undefined where the kernel does not tell. */
export function readCookie(libc: Libc): bigint | undefined {
  const fd = openQuickSocket(libc)
  if (fd < 0) return undefined
  const cookie = readCookieBy(libc, fd)
  libc.close(fd)
  return cookie
}

/** Of the namespace in which that socket, of whatever kind, was opened. */
export function readCookieBy(libc: Libc, fd: number): bigint | undefined {
  const value = new DataView(new ArrayBuffer(8))
  const length = new DataView(new ArrayBuffer(4))
  length.setUint32(0, value.byteLength, LITTLE)
  const told = libc.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, bytesOf(value), bytesOf(length)) === 0
  return told ? value.getBigUint64(0, LITTLE) : undefined
}

function bytesOf({ buffer }: DataView): Uint8Array {
  return new Uint8Array(buffer)
}

const SOL_SOCKET = 1
const SO_NETNS_COOKIE = 71
