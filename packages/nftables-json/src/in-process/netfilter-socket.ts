/** Netlink sockets of netfilter: ours, and the one that libnftables opens and does not tell of. */
import { closeSync, openSync } from 'node:fs'
import { endianness } from 'node:os'
import type { Libc } from './libc.ts'

/** A raw one that hears the kernel alone, in the thread's namespace of the moment; -1 for an error. */
export function openNetfilterSocket(libc: Libc): number {
  const fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)
  if (fd < 0 || hearKernelAlone(libc, fd)) return fd
  libc.close(fd)
  return -1
}

/**
 * Whoever has CAP_NET_ADMIN in a namespace can send messages to any netlink socket there, which nothing in them tells from the
 * kernel's. One that is connected to the kernel refuses them; what came before that is thrown away.
 * @returns whether it could be done
 */
export function hearKernelAlone(libc: Libc, fd: number): boolean {
  if (libc.connect(fd, KERNEL, KERNEL.length) !== 0) return false
  const message = new Uint8Array(4)
  for (;;) {
    if (libc.recv(fd, message, message.length, MSG_DONTWAIT) >= 0) continue
    const error = libc.lastError()
    // Once, after so many that some had no room.
    if (error !== 'ENOBUFS') return error === 'EAGAIN'
  }
}

/** One that is closed without a wait, whatever is going on in its namespace; -1 for an error. */
export function openQuickSocket(libc: Libc): number {
  return libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
}

/**
 * Another descriptor of the same socket, of that number or the next that is free; -1 for an error. Neither is left to the
 * processes that are started meanwhile.
 */
export function duplicate(libc: Libc, fd: number, lowest: number): number {
  libc.fcntl(fd, F_SETFD, 'int', FD_CLOEXEC)
  return libc.fcntl(fd, F_DUPFD_CLOEXEC, 'int', lowest)
}

/**
 * Has the kernel make room for descriptors up to that number. A process with threads waits for that, 10 ms (measured: an RCU
 * grace period), so another thread does.
 */
export function extendFiles(libc: Libc, highest: number): void {
  const fd = openSync('/dev/null', 'r')
  libc.fcntlElsewhere(fd, F_DUPFD_CLOEXEC, highest, (_, kept) => {
    closeSync(fd)
    libc.close(kept)
  })
}

export function isNetfilterSocket(libc: Libc, fd: number): boolean {
  const is = (name: number, wanted: number): boolean => {
    const value = new Uint8Array(4)
    const view = new DataView(value.buffer)
    const length = Uint8Array.from(LENGTH_OF_INT)
    return libc.getsockopt(fd, SOL_SOCKET, name, value, length) === 0 && view.getInt32(0, LITTLE) === wanted
  }
  return is(SO_DOMAIN, AF_NETLINK) && is(SO_PROTOCOL, NETLINK_NETFILTER)
}

/** Netlink headers and options of sockets have the machine's byte order. */
export const LITTLE: boolean = endianness() === 'LE'
const LENGTH_OF_INT = LITTLE ? [4, 0, 0, 0] : [0, 0, 0, 4]

const AF_UNIX = 1
const AF_NETLINK = 16
const MSG_DONTWAIT = 0x40
/** sockaddr_nl: port 0, no groups. */
const KERNEL: Uint8Array = new Uint8Array(12)
new DataView(KERNEL.buffer).setUint16(0, AF_NETLINK, LITTLE)
const NETLINK_NETFILTER = 12
const SOCK_DGRAM = 2
const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_PROTOCOL = 38
const SO_DOMAIN = 39
const F_SETFD = 2
const F_DUPFD_CLOEXEC = 1030
const FD_CLOEXEC = 1
