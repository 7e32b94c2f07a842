/** The OVN mode alone, told its cluster by the test, on a real northbound database. */
import { setTimeout as delay } from 'node:timers/promises'
import { OvnEnforcement } from '../../src/apply/ovn/enforcement.ts'
import { systemClock } from '../../src/clock.ts'
import type { Cluster } from '../../src/compile/cluster.ts'
import { OPTIONS } from '../unit/compile/ovn-cluster.ts'

export class Mode implements AsyncDisposable {
  readonly enforcement: OvnEnforcement
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  /** How often it was said that attachments may be enforced elsewhere now. */
  places = 0
  /** How often somebody else's edits were seen. */
  drifts = 0

  constructor(
    endpoints: string,
    options: { readonly enforceAlways?: boolean; readonly inNamespacesToo?: boolean } = {},
  ) {
    this.enforcement = new OvnEnforcement({
      address: { endpoints, tls: undefined },
      compile: { ...OPTIONS, node: 'n1', networkPlugins: new Set(['macvlan']) },
      inNamespacesToo: options.inNamespacesToo ?? false,
      enforceAlways: options.enforceAlways ?? false,
      clock: systemClock,
      signal: this.#stop.signal,
      onChange: () => undefined,
      onDrift: () => {
        this.drifts += 1
      },
      log: { info: () => undefined, warn: () => undefined },
      onPlaces: () => {
        this.places += 1
      },
    })
    this.#done = this.enforcement.run()
  }

  set(cluster: Cluster, removals = true): void {
    this.enforcement.setCluster(cluster, removals)
  }

  /** States the cluster, and waits until the rows are those that it asks for. */
  async settle(cluster: Cluster, removals = true): Promise<void> {
    this.set(cluster, removals)
    await this.settled()
  }

  async settled(): Promise<void> {
    await until(() => this.enforcement.ready && this.enforcement.status.kind === 'as-wanted')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#done
  }
}

/** Waits for a condition; fails after 20 s, or as long as is said. */
export async function until(condition: () => unknown, timeoutMs = 20_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`never: ${condition.toString()}`)
    await delay(3)
  }
}
