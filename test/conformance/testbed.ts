/**
 * What every conformance suite stands on: a packet lab, a manifests directory and one `mnpd run` for all cases of the
 * suite. A case states its whole cluster at once, waits until the daemon has dealt with it, and asks with packets.
 */
import { execa } from 'execa'
import { DaemonProcess, type LogLine, MNPD } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod, PodSpec } from '../lab/pod.ts'
import type { Probe, ProbeResult } from '../lab/probe.ts'
import { type KubeObject, Manifests } from '../manifests.ts'

export type Backend = 'nftables' | 'iptables'

/** Every suite runs once on each. */
export const BACKENDS: readonly Backend[] = ['nftables', 'iptables']

/** What the pods of every suite serve, TCP and UDP. */
const PORTS: readonly number[] = [80, 81]

export interface TestbedSpec {
  /** Goes into the names of the lab's namespaces. */
  readonly name: string
  readonly backend: Backend
  readonly segments: readonly string[]
  readonly pods: readonly PodSpec[]
}

export class Testbed implements AsyncDisposable {
  readonly #lab: Lab
  readonly #manifests: Manifests
  readonly #daemon: DaemonProcess
  readonly #resources: AsyncDisposableStack
  readonly #flags: readonly string[]
  /** The cluster as it stands. */
  #objects: readonly KubeObject[] = []

  private constructor(
    lab: Lab,
    manifests: Manifests,
    daemon: DaemonProcess,
    resources: AsyncDisposableStack,
    flags: readonly string[],
  ) {
    this.#lab = lab
    this.#manifests = manifests
    this.#daemon = daemon
    this.#resources = resources
    this.#flags = flags
  }

  /** @returns when the pods serve and the daemon is ready, on a cluster without objects */
  static async create({ name, backend, segments, pods }: TestbedSpec): Promise<Testbed> {
    await using cleanup = new AsyncDisposableStack()
    const lab = cleanup.use(await Lab.create(name))
    for (const segment of segments) await lab.segment(segment)
    const made = await lab.addPods(pods)
    await Promise.all(made.map((pod) => pod.serve({ tcp: PORTS, udp: PORTS })))
    const manifests = cleanup.use(await Manifests.create())
    const cluster = [`--manifests=${manifests.directory}`, '--hostname-override=n1']
    const daemon = cleanup.use(
      await DaemonProcess.start([...cluster, `--backend=${backend}`, '--log-level=debug']),
    )
    await daemon.ready()
    return new Testbed(lab, manifests, daemon, cleanup.move(), cluster)
  }

  /** @throws when the lab has no such pod */
  pod(name: string): Pod {
    const found = this.#lab.pods.find((pod) => pod.name === name)
    if (found === undefined) throw new Error(`the lab has no pod ${name}`)
    return found
  }

  /**
   * Makes the objects, at least one, the whole cluster. They go into one file, which is read anew whole: so there is
   * always a change to wait for, even where a step changes nothing.
   * @returns the place in the daemon's log from which on it speaks of them
   */
  async enforce(objects: readonly KubeObject[]): Promise<number> {
    const since = this.#daemon.log.length
    await this.#manifests.save('cluster', objects)
    await this.#daemon.settled(since)
    this.#objects = objects
    return since
  }

  /**
   * Takes away the policies and then the pods, so that those that come next are other pods to the daemon: the network
   * of a living pod's interface does not change, and the daemon does not believe it.
   */
  async renew(): Promise<void> {
    for (const kind of ['MultiNetworkPolicy', 'Pod']) {
      const rest = this.#objects.filter((object) => object.kind !== kind)
      if (rest.length > 0) await this.enforce(rest)
    }
  }

  /** What the daemon has warned of from that place of its log on. */
  warnings(since: number): readonly string[] {
    const lines: readonly LogLine[] = this.#daemon.log.slice(since)
    return lines.filter(({ level }) => level === 'warn' || level === 'error').map(({ msg }) => msg)
  }

  /** Waits for a warning, from that place of the log on. @returns whether it came */
  async warned(since: number, pattern: RegExp): Promise<boolean> {
    const found = async (): Promise<boolean> => this.warnings(since).some((msg) => pattern.test(msg))
    const waiting = this.#daemon.until(`it warns of ${pattern}`, found, 2_000)
    return await waiting.then(() => true).catch(found)
  }

  async probeAll(probes: readonly Probe[]): Promise<readonly ProbeResult[]> {
    return await this.#lab.probeAll(probes)
  }

  /** Runs another command of the product on the same cluster. @returns its standard output */
  async ask(command: string, ...flags: readonly string[]): Promise<string> {
    const { stdout } = await execa(MNPD, [command, ...this.#flags, ...flags])
    return stdout
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }
}
