/** The world with the daemon on it, as users start it: pods, networks and policies come from a manifests directory. */
import { DaemonProcess } from '../../daemon.ts'
import { until } from '../../lab/clock.ts'
import { type KubeObject, Manifests } from '../../manifests.ts'
import { DEFAULT_NODE, type OvnPod } from './pods.ts'
import type { OvnTestbed } from './testbed.ts'
import { namespaceObjects, type OvnWorld, ovnWorld } from './world.ts'

export class EnforcedWorld implements AsyncDisposable {
  readonly world: OvnWorld
  readonly #manifests: Manifests
  readonly #resources: AsyncDisposableStack
  #daemon: DaemonProcess

  /** @returns when the daemon is ready, with no policy yet */
  static async start(name: string, nads?: readonly string[]): Promise<EnforcedWorld> {
    await using cleanup = new AsyncDisposableStack()
    const world = cleanup.use(await ovnWorld(name, nads))
    const manifests = cleanup.use(await Manifests.create())
    await manifests.save('cluster', world.bed.objects)
    await manifests.save('policies', namespaceObjects())
    const daemon = cleanup.use(await DaemonProcess.start(daemonFlags(world.bed, manifests)))
    await daemon.ready(60_000)
    return new EnforcedWorld(world, manifests, daemon, cleanup.move())
  }

  private constructor(
    world: OvnWorld,
    manifests: Manifests,
    daemon: DaemonProcess,
    resources: AsyncDisposableStack,
  ) {
    this.world = world
    this.#manifests = manifests
    this.#daemon = daemon
    this.#resources = resources
  }

  get daemon(): DaemonProcess {
    return this.#daemon
  }

  /**
   * Makes these the policies, of which there may be none.
   * @returns when the switch has the flows of all that the daemon has written
   */
  async enforce(policies: readonly KubeObject[]): Promise<void> {
    const since = this.#daemon.log.length
    // With the namespaces, so that there is always something in the file.
    await this.#manifests.save('policies', [...namespaceObjects(), ...policies])
    await this.#daemon.settled(since, 60_000)
    await this.world.bed.sync()
  }

  /** Waits until each of the pod's ports is in a group that drops something, whoever made it. */
  async governed({ ports }: OvnPod): Promise<void> {
    const { central } = this.world.bed
    const find = async (columns: string, ...words: readonly string[]): Promise<readonly string[]> =>
      (await central.nbctl([['find', ...words]], ['--bare', `--columns=${columns}`]))
        .split(/\s+/)
        .filter(Boolean)
    for (const { name } of ports)
      await until(`${name} is governed`, 60_000, async () => {
        const drops = await find('_uuid', 'ACL', 'action=drop')
        const [id = ''] = await find('_uuid', 'Logical_Switch_Port', `name=${name}`)
        const own = new Set(await find('acls', 'Port_Group', `ports{>=}${id}`))
        return drops.some((drop) => own.has(drop)) || undefined
      })
    await this.world.bed.sync()
  }

  /** Ends the daemon and starts another. @returns when that one is ready */
  async restartDaemon(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#daemon.stop(signal)
    this.#daemon = await DaemonProcess.start(daemonFlags(this.world.bed, this.#manifests))
    await this.#daemon.ready(60_000)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]()
    await this.#resources.disposeAsync()
  }
}

export function daemonFlags(bed: OvnTestbed, manifests: Manifests): readonly string[] {
  return [
    `--manifests=${manifests.directory}`,
    `--ovn-nb=${bed.northbound}`,
    `--hostname-override=${DEFAULT_NODE}`,
    '--log-level=debug',
  ]
}
