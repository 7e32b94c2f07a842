/**
 * The backends that "never a gap" is proven for, and how each one's rules are read from the kernel. The suites run once
 * for each.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { until } from '../../lab/clock.ts'
import type { Pod } from '../../lab/pod.ts'

export type Backend = 'nftables' | 'iptables'

export const BACKENDS: readonly Backend[] = ['nftables', 'iptables']

/** What the daemon's rules in a pod look like, with handles where there are any, so that what was written anew differs. */
export async function rulesOf(pod: Pod, backend: Backend): Promise<string> {
  return (await partsOf(pod, backend)).join('\n').trim()
}

/** The same by the parts that are committed apart: the one table, or the rules of each family. Empty where none are the daemon's. */
export async function partsOf(pod: Pod, backend: Backend): Promise<readonly string[]> {
  switch (backend) {
    case 'nftables':
      return [await listNftables(pod)]
    case 'iptables':
      return await Promise.all([saveIptables(pod, 'iptables'), saveIptables(pod, 'ip6tables')])
    default:
      return backend satisfies never
  }
}

/** Without what passing packets change. */
export function withoutCounters(rules: string): string {
  return rules.replaceAll(/packets \d+ bytes \d+|\[\d+:\d+\]|^#.*$/gm, '')
}

/** The packets that the rules have counted in all. */
export function countedPackets(rules: string): number {
  return [...rules.matchAll(/packets (\d+) bytes|\[(\d+):\d+\] -A/g)].reduce(
    (sum, [, nft, iptables]) => sum + Number(nft ?? iptables),
    0,
  )
}

async function saveIptables(pod: Pod, command: 'iptables' | 'ip6tables'): Promise<string> {
  const saved = await pod.run([`${command}-save`, '-c'])
  return saved.includes('MULTI-') ? saved : ''
}

async function listNftables(pod: Pod): Promise<string> {
  const tables = await pod.run(['nft', 'list', 'tables'])
  if (!tables.includes('table inet multi_networkpolicy')) return ''
  return await pod.run(['nft', '-a', 'list', 'table', 'inet', 'multi_networkpolicy'])
}

/**
 * Counts what is committed to a pod's rules while it runs, as the kernel tells it:
 *
 *     add rule inet multi_networkpolicy mnpd return comment "mnpd 3f0a…"
 *     # new generation 17 by process 4242 (nft)
 */
export class RulesMonitor implements AsyncDisposable {
  /** Transactions. */
  commits = 0
  /** How often the rules said that they are other ones than before. */
  versions = 0
  readonly #process: ChildProcess
  #version = ''
  #rest = ''

  static async start(pod: Pod): Promise<RulesMonitor> {
    const monitor = new RulesMonitor(pod)
    await monitor.#listening(pod)
    return monitor
  }

  private constructor(pod: Pod) {
    this.#process = spawn('nsenter', [`--net=${pod.netns}`, 'nft', 'monitor'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => this.#hear(text))
  }

  /** Waits until more has been committed than at that count. */
  async committed(commits: number): Promise<void> {
    await until('the rules change', 10_000, async () => this.commits > commits || undefined, 1)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exit
  }

  /** It says nothing when it begins, so something is committed until it is told of. */
  async #listening(pod: Pod): Promise<void> {
    const add = 'add table inet lab_monitor; delete table inet lab_monitor'
    await until('the rules are monitored', 10_000, async () => {
      await pod.run(['nft', add])
      return this.commits > 0 || undefined
    })
    this.commits = 0
  }

  #hear(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line.startsWith('# new generation')) this.commits++
      const version = /^(?:add|insert|replace) rule .* comment "mnpd ([0-9a-f]{32})"/.exec(line)?.[1]
      if (version === undefined || version === this.#version) continue
      this.#version = version
      this.versions++
    }
  }
}
