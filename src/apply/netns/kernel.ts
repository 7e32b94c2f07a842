/**
 * What can be told of a network namespace without a process: quick answers that spare the slow ones. Where they cannot be
 * had (no koffi, no /proc), everything is asked the slow way.
 */
import { readFileSync } from 'node:fs'
import { FIRST_GENERATION, type NetnsAccess, openNetnsAccess } from 'nftables-json/netns'
import type { OpenNetns } from './open-netns.ts'

export interface KernelView {
  /** See `NetnsAccess`. */
  readonly access: NetnsAccess
  /** A number that changes with whatever is changed in nf_tables there; undefined where it cannot be told. */
  generation(netns: OpenNetns): number | undefined
  /** Whether nobody has ever filtered packets there. @param generation of the moment, where it was asked for already */
  isUntouched(netns: OpenNetns, generation?: number): boolean
  /** Whether the legacy variant of iptables has ever been used there; true where it cannot be told. */
  hasLegacyTables(netns: OpenNetns): boolean
  /** Whether there are sockets of TCP, or connected ones of UDP; true where it cannot be told. */
  hasConnections(netns: OpenNetns): boolean
}

export async function openKernelView(): Promise<KernelView | undefined> {
  const access = await openNetnsAccess()
  if (access === undefined) return undefined
  const read = (netns: OpenNetns, files: readonly string[]): readonly string[] | undefined =>
    access.within(netns.path, () => files.map(readNet))
  const hasLegacyTables = (netns: OpenNetns): boolean =>
    read(netns, ['ip_tables_names', 'ip6_tables_names'])?.join('') !== ''
  const hasNoSockets = (netns: OpenNetns): boolean =>
    Object.entries(NO_SOCKETS).every(([file, patterns]) => {
      const [counts = ''] = read(netns, [file]) ?? []
      return patterns.every((pattern) => pattern.test(counts))
    })
  return {
    access,
    generation: ({ path }) => access.generation(path),
    isUntouched: (netns, generation = access.generation(netns.path)) =>
      generation === FIRST_GENERATION && !hasLegacyTables(netns),
    hasLegacyTables,
    hasConnections: (netns) =>
      !hasNoSockets(netns) &&
      (read(netns, ['tcp', 'tcp6', 'udp', 'udp6'])?.some((sockets) => OPEN.test(sockets)) ?? true),
  }
}

/** No sockets of TCP and UDP, listeners included; to list them takes a hundred times as long. */
const NO_SOCKETS: Readonly<Record<string, readonly RegExp[]>> = {
  sockstat: [/^TCP: inuse 0 orphan \d+ tw 0 /m, /^UDP: inuse 0 /m],
  sockstat6: [/^TCP6: inuse 0$/m, /^UDP6: inuse 0$/m],
}

/** A socket's line in which the state is established, half closed either way, or closing (include/net/tcp_states.h). */
const OPEN = /^ *\d+: [0-9A-F]+:[0-9A-F]{4} [0-9A-F]+:[0-9A-F]{4} (?:01|04|05|08) /m

/** Of the thread's namespace; empty where the kernel has no such thing. */
function readNet(name: string): string {
  try {
    return readFileSync(`/proc/thread-self/net/${name}`, 'utf8')
  } catch {
    return ''
  }
}
