/** What /proc/net tells of the thread's namespace of the moment, without a process. */
import { readFileSync } from 'node:fs'

/** Whether the legacy variant of iptables has ever been used there; true where it cannot be told. */
export function hasLegacyTables(): boolean {
  return ['ip_tables_names', 'ip6_tables_names'].some((file) => readNet(file) !== '')
}

/**
 * Whether there are sockets of TCP, or connected ones of UDP; true where it cannot be told, and where there are more than can be
 * listed in no time.
 */
export function hasConnections(): boolean {
  const sockets = countSockets()
  if (sockets === 0) return false
  const isOpen = (file: string): boolean => {
    const text = readNet(file)
    return text === undefined || OPEN.test(text)
  }
  return sockets > MANY || ['tcp', 'tcp6', 'udp', 'udp6'].some(isOpen)
}

/** Of TCP and UDP, listeners included; 1 where it cannot be told. To list them takes a hundred times as long. */
function countSockets(): number {
  const counts = Object.entries(COUNTS).flatMap(([file, patterns]) => {
    const text = readNet(file) ?? ''
    return patterns.map((pattern) =>
      pattern
        .exec(text)
        ?.slice(1)
        .reduce((sum, count) => sum + Number(count), 0),
    )
  })
  return counts.reduce<number>((sum, count) => sum + (count ?? 1), 0)
}

/** Whoever may run programs in a pod picks how many there are. */
const MANY = 1_000

const COUNTS: Readonly<Record<string, readonly RegExp[]>> = {
  sockstat: [/^TCP: inuse (\d+) orphan \d+ tw (\d+) /m, /^UDP: inuse (\d+) /m],
  sockstat6: [/^TCP6: inuse (\d+)$/m, /^UDP6: inuse (\d+)$/m],
}

/** A socket's line in which the state is established, half closed either way, or closing (include/net/tcp_states.h). */
const OPEN = /^ *\d+: [0-9A-F]+:[0-9A-F]{4} [0-9A-F]+:[0-9A-F]{4} (?:01|04|05|08) /m

/** Empty where the kernel has no such thing; undefined where it may not be read, as in another user namespace than ours. */
function readNet(name: string): string | undefined {
  try {
    return readFileSync(`/proc/thread-self/net/${name}`, 'utf8')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? '' : undefined
  }
}
