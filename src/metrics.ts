/**
 * What operators watch, as Prometheus metrics: how long a change takes to be enforced, what is not enforced, and what the
 * daemon costs. Names of tenants' objects are no labels, so the number of series does not grow with the cluster; but for
 * policies' counters, which have to be asked for and are bounded.
 */
import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Histogram from 'prom-client/lib/histogram.js'
import Registry from 'prom-client/lib/registry.js'
import type { PolicyCounter } from './apply/policy-counters.ts'
import type { Outcome } from './apply/reconciler.ts'
import type { Kind } from './compile/model.ts'

/** What the daemon tells as it happens. Times are in seconds. */
export interface Observer {
  compiled(seconds: number): void
  /** From the first change received to all that it asks for being enforced, or an Issue. */
  enforced(seconds: number): void
  applied(outcome: Outcome): void
}

/** What is asked of the daemon at each scrape. */
export interface DaemonStatus {
  readonly ready: boolean
  readonly synced: ReadonlyMap<Kind, boolean>
  /** Local pods: that policies govern, of which some are not as they should be. */
  readonly pods: { readonly governed: number; readonly ungoverned: number; readonly failing: number }
  /** Issues that hold, by the kind of the object that they are about. */
  readonly issues: ReadonlyMap<string, number>
  /** Whether the runtime has new pods wait for their rules; undefined where nobody asked for it. */
  readonly gate?: boolean | undefined
}

type Labels = { readonly kind?: string; readonly state?: string }

/** Milliseconds to minutes. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export class Metrics implements Observer {
  readonly #registry = new Registry()
  readonly #compile = new Histogram({
    name: 'mnpd_compile_duration_seconds',
    help: 'Time to compute the rules of all local pods.',
    buckets: BUCKETS,
    registers: [this.#registry],
  })
  readonly #enforcement = new Histogram({
    name: 'mnpd_enforcement_duration_seconds',
    help: 'From a change received to all that it asks for enforced, or reported as an Issue.',
    buckets: BUCKETS,
    registers: [this.#registry],
  })
  readonly #applied = new Counter({
    name: 'mnpd_apply_total',
    help: 'Looks at a local pod, with what is needed written, by outcome.',
    labelNames: ['outcome'],
    registers: [this.#registry],
  })

  readonly #drift = new Counter({
    name: 'mnpd_drift_total',
    help: 'Times that rules changed by somebody else were put back.',
    registers: [this.#registry],
  })

  /** @param counters of policies; undefined where they are not asked for */
  constructor(status: () => DaemonStatus, counters?: () => Promise<readonly PolicyCounter[]>) {
    this.#gauge('mnpd_ready', 'Every source synced, and every local pod enforced or reported.', () => [
      [{}, status().ready ? 1 : 0],
    ])
    this.#gauge('mnpd_source_synced', 'Whether all objects of a kind have been listed.', () =>
      [...status().synced].map(([kind, synced]) => [{ kind }, synced ? 1 : 0]),
    )
    this.#gauge('mnpd_pods', 'Pods of this node: governed, governed by nothing, last attempt failed.', () =>
      Object.entries(status().pods).map(([state, count]) => [{ state }, count]),
    )
    this.#gauge('mnpd_issues', 'What is not enforced as written, by the kind of object it is about.', () =>
      [...status().issues].map(([kind, count]) => [{ kind }, count]),
    )
    this.#gauge(
      'mnpd_new_pod_gate',
      'Whether the CNI configuration has new pods wait for their rules.',
      () => {
        const { gate } = status()
        return gate === undefined ? [] : [[{}, gate ? 1 : 0]]
      },
    )
    this.#gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () => [
      [{}, process.memoryUsage.rss()],
    ])
    this.#gauge('process_cpu_seconds_total', 'User and system CPU time spent in seconds.', () => {
      const { user, system } = process.cpuUsage()
      return [[{}, (user + system) / 1e6]]
    })
    if (counters !== undefined) this.#countPolicies(counters)
  }

  #countPolicies(counters: () => Promise<readonly PolicyCounter[]>): void {
    for (const unit of ['packets', 'bytes'] as const) {
      new Gauge({
        name: `mnpd_policy_${unit}`,
        help: `${unit} of connections' original direction that a policy let pass, or that none did, as the rules count.`,
        labelNames: ['namespace', 'policy', 'direction', 'verdict'],
        registers: [this.#registry],
        async collect() {
          this.reset()
          for (const { namespace, policy, direction, verdict, [unit]: value } of await counters())
            this.set({ namespace, policy, direction, verdict }, value)
        },
      })
    }
  }

  /** The text exposition format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  compiled(seconds: number): void {
    this.#compile.observe(seconds)
  }

  enforced(seconds: number): void {
    this.#enforcement.observe(seconds)
  }

  drifted(): void {
    this.#drift.inc()
  }

  applied({ kind }: Outcome): void {
    this.#applied.inc({ outcome: kind })
  }

  #gauge(name: string, help: string, read: () => Iterable<readonly [labels: Labels, value: number]>): void {
    new Gauge({
      name,
      help,
      labelNames: ['kind', 'state'],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [labels, value] of read()) this.set(labels, value)
      },
    })
  }
}
