/**
 * The machine has one neighbour table a family for all its namespaces (1,024 entries as it comes), and a
 * large matrix overflows it: then packets are dropped that no policy dropped. Entries make room after five
 * seconds, so what failed meanwhile is asked again, and at last refused rather than called blocked.
 */
import { readFileSync } from 'node:fs'
import { until } from './clock.ts'
import type { Outcome } from './protocol.ts'

/** Longer than it takes entries to make room. */
const TRY_MS = 8000

/**
 * Asks until the answer does not come from an overflowing table.
 * @throws what the asking throws, or when it overflows for too long: the matrix is too large for the machine
 */
export async function undisturbed(ask: () => Promise<Outcome>): Promise<Outcome> {
  const look = async (): Promise<Outcome | undefined> => {
    const before = overflows()
    try {
      const outcome = await ask()
      return outcome.verdict !== 'blocked' || overflows() === before ? outcome : undefined
    } catch (error) {
      if (overflows() === before) throw error
      return undefined
    }
  }
  const what = "without the machine's neighbour table overflowing (net.ipv*.neigh.default.gc_thresh3)"
  return await until(what, TRY_MS, look, 100)
}

/** The column `table_fulls` (the last, hexadecimal; a line a CPU) of both families' statistics. */
function overflows(): number {
  return ['arp_cache', 'ndisc_cache']
    .flatMap((table) => readStatistics(table).trim().split('\n').slice(1))
    .reduce((sum, line) => sum + Number.parseInt(line.split(/\s+/).at(-1) ?? '0', 16), 0)
}

/** The kernel shows the file in its first network namespace only; elsewhere nothing can be told. */
function readStatistics(table: string): string {
  try {
    return readFileSync(`/proc/net/stat/${table}`, 'utf8')
  } catch {
    return ''
  }
}
