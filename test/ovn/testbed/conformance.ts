/**
 * The world of the conformance suites on OVN: nine pods on one layer2 network, x/net, with the daemon. What the suites expect
 * is held against ovn-trace, which answers for SCTP too, and for a whole table in the time that one blocked packet takes.
 */
import type { Expectation, Observation } from '../../conformance/expectation.ts'
import { labName, SEGMENT, type World, worldStep } from '../../conformance/world.ts'
import { DaemonProcess } from '../../daemon.ts'
import { type KubeObject, Manifests } from '../../manifests.ts'
import { daemonFlags } from './enforced.ts'
import { type Network, nadObject } from './network.ts'
import type { OvnPod, OvnPort } from './pods.ts'
import { OvnTestbed } from './testbed.ts'

const NAD = `x/${SEGMENT}`

export class ConformanceWorld implements AsyncDisposable {
  readonly bed: OvnTestbed
  readonly #pods: readonly OvnPod[]
  readonly #network: Network
  readonly #manifests: Manifests
  readonly #daemon: DaemonProcess
  readonly #resources: AsyncDisposableStack

  /** @param addresses IPv4, by `namespace/pod` */
  static async start(name: string, addresses: ReadonlyMap<string, string>): Promise<ConformanceWorld> {
    await using cleanup = new AsyncDisposableStack()
    const bed = cleanup.use(await OvnTestbed.start(name))
    const [first = ''] = addresses.values()
    const subnets = first.replace(/[0-9]+$/, '0/24')
    const network: Network = { nad: NAD, name: SEGMENT, topology: 'layer2', subnets }
    await bed.network(network)
    const pods = await bed.pods(
      [...addresses].map(([key, address]) => {
        const [namespace = '', pod = ''] = key.split('/')
        const attachments = [{ nad: NAD, interface: 'net1', addresses: [`${address}/24`] }]
        return { namespace, name: pod, alias: labName(key), uid: `uid-${labName(key)}`, attachments }
      }),
    )
    const manifests = cleanup.use(await Manifests.create())
    const daemon = cleanup.use(await DaemonProcess.start(daemonFlags(bed, manifests)))
    await daemon.ready(60_000)
    return new ConformanceWorld(bed, pods, network, manifests, daemon, cleanup.move())
  }

  private constructor(
    bed: OvnTestbed,
    pods: readonly OvnPod[],
    network: Network,
    manifests: Manifests,
    daemon: DaemonProcess,
    resources: AsyncDisposableStack,
  ) {
    this.bed = bed
    this.#pods = pods
    this.#network = network
    this.#manifests = manifests
    this.#daemon = daemon
    this.#resources = resources
  }

  /** Makes the world the whole cluster, and asks. What a pod says to itself never reaches OVN, and is left out. */
  async observe(world: World, expectations: readonly Expectation[]): Promise<readonly Observation[]> {
    const { objects } = worldStep(world, [], (name) => this.#pod(name).pod)
    await this.#enforce([
      nadObject(this.#network),
      ...objects.filter(({ kind }) => kind !== 'NetworkAttachmentDefinition'),
    ])
    await using trace = await this.bed.trace()
    const observations: Observation[] = []
    for (const each of expectations.filter(({ from, to }) => from !== to)) {
      const [from, to] = [this.#port(each.from), this.#port(each.to)]
      const passes = await trace.passes({ from, to, family: 4, service: each.service.toLowerCase() })
      observations.push({ ...each, seen: passes ? 'open' : 'blocked' })
    }
    return observations
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }

  async #enforce(objects: readonly KubeObject[]): Promise<void> {
    const since = this.#daemon.log.length
    await this.#manifests.save('cluster', objects)
    await this.#daemon.settled(since, 60_000)
  }

  #port(key: string): OvnPort {
    const [port] = this.#pod(labName(key)).ports
    if (port === undefined) throw new Error(`${key} has no port`)
    return port
  }

  #pod(name: string): OvnPod {
    const found = this.#pods.find(({ pod }) => pod.name === name)
    if (found === undefined) throw new Error(`no pod ${name}`)
    return found
  }
}
