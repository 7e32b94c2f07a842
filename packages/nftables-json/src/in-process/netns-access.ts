/**
 * Quick looks into network namespaces, on the thread that asks and without a process: some 0.03 ms each, and no worker's
 * memory. The thread is elsewhere only within one synchronous call, so that nothing else of it can run there.
 */
import { readCookie, readCookieBy } from './cookie.ts'
import { netnsOfThread } from './enter-netns.ts'
import { hasTablesBy, readGenerationBy } from './generation.ts'
import { LateClose } from './late-close.ts'
import { loadLibc } from './libc.ts'
import { loadKoffi } from './load-koffi.ts'
import { openNetfilterSocket } from './netfilter-socket.ts'
import { bindNflog, type Listener } from './nflog.ts'

export { FIRST_GENERATION } from './generation.ts'
export type { Listener, LoggedPacket, LoggedPackets } from './nflog.ts'
export { hasConnections, hasLegacyTables } from './proc-net.ts'

/** Each takes the path of a network namespace, and throws only if there is no way back, which must end the process. */
export interface NetnsAccess {
  /** A number that each commit to nf_tables there changes, whoever makes it; undefined where it cannot be told. */
  generation(netns: string): number | undefined
  /** A number that no other namespace has or will have, whatever its inode; undefined where it cannot be told (Linux 5.14). */
  cookie(netns: string): bigint | undefined
  /** Whether there is a table of nf_tables, whoever's; true where it cannot be told. */
  hasTables(netns: string): boolean
  /** Both by one look. */
  look(netns: string): Looked
  /** Does the work there; it must be synchronous. Undefined where the namespace cannot be entered. */
  within<Result>(netns: string, work: () => Result): Result | undefined
  /** Hears what `log group N` sends there; why it cannot, where it cannot: a group has one listener. */
  listen(netns: string, group: number): Listener | string
}

export interface Looked {
  readonly cookie: bigint | undefined
  readonly generation: number | undefined
}

const UNKNOWN: Looked = { cookie: undefined, generation: undefined }

/** A full node's pods are all looked at twice within the time that a socket is held. */
const MOST_SOCKETS = 1_000

/** Undefined where koffi or the C library cannot be loaded. */
export async function openNetnsAccess(): Promise<NetnsAccess | undefined> {
  try {
    const libc = loadLibc(await loadKoffi())
    const late = new LateClose(libc, MOST_SOCKETS)
    const enter = netnsOfThread(libc)
    const within = <Result>(netns: string, work: () => Result): Result | undefined => {
      const result = enter(netns, () => ({ kind: 'worked' as const, value: work() }))
      return result.kind === 'worked' ? result.value : undefined
    }
    const bySocket = <Result>(netns: string, work: (fd: number) => Result): Result | undefined =>
      within(netns, () => {
        const fd = openNetfilterSocket(libc)
        if (fd < 0) return undefined
        const result = work(fd)
        late.add(fd)
        return result
      })
    return {
      generation: (netns) => bySocket(netns, (fd) => readGenerationBy(libc, fd)),
      cookie: (netns) => within(netns, () => readCookie(libc)),
      hasTables: (netns) => bySocket(netns, (fd) => hasTablesBy(libc, fd)) ?? true,
      look: (netns) =>
        bySocket(netns, (fd) => ({
          cookie: readCookieBy(libc, fd),
          generation: readGenerationBy(libc, fd),
        })) ?? UNKNOWN,
      within,
      listen(netns, group): Listener | string {
        const bound = enter(netns, () => bindNflog(libc, group))
        return 'reason' in bound ? bound.reason : bound
      },
    }
  } catch {
    return undefined
  }
}
