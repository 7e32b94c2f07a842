/**
 * A lab, a manifests directory and the daemon on it, with the patience that an emulated machine needs. Tests make the
 * pods, say what the cluster is, and change it.
 */
import { DaemonProcess } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import { type KubeObject, Manifests, policyObject } from '../manifests.ts'
import { type Dataplane, DataplaneChoice } from './dataplane.ts'

const PATIENCE_MS = 150_000

export class StockCluster implements AsyncDisposable {
  readonly lab: Lab
  readonly #manifests: Manifests
  #daemon: DaemonProcess | undefined
  #choice: DataplaneChoice | undefined

  private constructor(lab: Lab, manifests: Manifests) {
    this.lab = lab
    this.#manifests = manifests
  }

  /** @param name goes into the names of the lab's namespaces */
  static async create(name: string, segments: readonly string[]): Promise<StockCluster> {
    const lab = await Lab.create(name)
    for (const segment of segments) await lab.segment(segment)
    return new StockCluster(lab, await Manifests.create())
  }

  get daemon(): DaemonProcess {
    if (this.#daemon === undefined) throw new Error('no daemon has been started')
    return this.#daemon
  }

  /** Stops the daemon that runs, and starts one on these policies and what else was saved. @returns when it is ready */
  async start(dataplane: Dataplane, policies: readonly KubeObject[]): Promise<void> {
    await this.#end()
    await this.save('policies', policies)
    this.#choice = await DataplaneChoice.of(dataplane)
    const { flag, env } = this.#choice
    const own = [
      `--manifests=${this.#manifests.directory}`,
      '--hostname-override=node-1',
      '--log-level=debug',
    ]
    this.#daemon = await DaemonProcess.start([...own, flag], env)
    // First by its log: to ask it over HTTP again and again would take a processor from it here.
    await this.#daemon.settled(0, PATIENCE_MS)
    await this.#daemon.ready(PATIENCE_MS)
  }

  /** Puts a file in place, with other objects than before. @returns when the daemon, if it runs, has dealt with it */
  async save(name: string, objects: readonly KubeObject[]): Promise<void> {
    const seen = this.#daemon?.log.length ?? 0
    await this.#manifests.save(name, objects)
    await this.#daemon?.settled(seen, PATIENCE_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
    await this.#manifests[Symbol.asyncDispose]()
    await this.lab[Symbol.asyncDispose]()
  }

  async #end(): Promise<void> {
    await this.#daemon?.[Symbol.asyncDispose]()
    await this.#choice?.[Symbol.asyncDispose]()
    this.#daemon = undefined
    this.#choice = undefined
  }
}

/** A policy of namespace x for the network x/red. */
export function policy(spec: unknown, name = 'p'): KubeObject {
  return policyObject('x', name, 'red', spec)
}

/** A peer, or the selecting part of a policy. */
export function app(name: string): { readonly podSelector: unknown } {
  return { podSelector: { matchLabels: { app: name } } }
}
