/**
 * The world of the conformance suites on OVN, for verdicts only: a northbound database with the switches and ports that
 * ovn-kubernetes would make, the daemon as users start it, ovn-northd, and ovn-trace. Nobody sends a packet, so a table of
 * a few hundred questions takes a quarter of a second, SCTP included.
 */
import { auditNorthbound } from '../../src/apply/ovn/once.ts'
import { OVN_CNI_TYPE, portName } from '../../src/compile/ovn/ports.ts'
import type { Expectation, Observation } from '../conformance/expectation.ts'
import { DaemonProcess } from '../daemon.ts'
import { type KubeObject, Manifests, type PlacedPod } from '../manifests.ts'
import { clusterOf } from '../product.ts'
import { OPTIONS } from '../unit/compile/ovn-cluster.ts'
import { macOf } from './testbed/names.ts'
import { eventually, type TraceQuestion, TraceWorld } from './trace-world.ts'

/** Somebody on a segment. Only a pod's port of a secondary network has a NAD; others are there, and are nobody's. */
export interface Plug {
  /** `namespace/pod`, or any other name. */
  readonly who: string
  readonly segment: string
  readonly addresses: readonly string[]
  readonly nad: string | undefined
  /** How many ports to the same network the pod has already. */
  readonly again?: number
}

/** Which address is asked for where nothing else is said. */
const USUAL: { readonly segment: string | undefined; readonly family: 4 | 6 } = {
  segment: undefined,
  family: 4,
}

export class TraceLab implements AsyncDisposable {
  readonly #world: TraceWorld
  readonly #manifests: Manifests
  readonly #daemon: DaemonProcess
  readonly #resources: AsyncDisposableStack
  #plugs: readonly Plug[] = []

  static async start(): Promise<TraceLab> {
    await using cleanup = new AsyncDisposableStack()
    const world = cleanup.use(await TraceWorld.make())
    const manifests = cleanup.use(await Manifests.create())
    const daemon = cleanup.use(
      await DaemonProcess.start([
        `--manifests=${manifests.directory}`,
        `--ovn-nb=${world.nb.endpoint}`,
        '--hostname-override=n1',
        '--log-level=debug',
      ]),
    )
    await daemon.ready(60_000)
    return new TraceLab(world, manifests, daemon, cleanup.move())
  }

  private constructor(
    world: TraceWorld,
    manifests: Manifests,
    daemon: DaemonProcess,
    resources: AsyncDisposableStack,
  ) {
    this.#world = world
    this.#manifests = manifests
    this.#daemon = daemon
    this.#resources = resources
  }

  /**
   * Makes these the ports and the objects.
   * @param objects of the suites: their networks' type becomes that of ovn-kubernetes
   * @param warns what the daemon must warn of, and where there are none, of nothing
   * @returns when ovn-northd has made flows of what the daemon wrote
   */
  async stand(
    plugs: readonly Plug[],
    objects: readonly KubeObject[],
    warns: readonly RegExp[] = [],
  ): Promise<void> {
    const here = onOvn(objects)
    if (JSON.stringify(plugs) !== JSON.stringify(this.#plugs)) {
      // Pods whose ports are others are other pods.
      await this.#save(here.filter(({ kind }) => kind === 'Namespace'))
      await this.#plug(plugs)
    }
    const since = await this.#save(here)
    await this.#asAsked(here)
    await this.#world.synced()
    const missing = (): readonly RegExp[] =>
      warns.filter((each) => !this.#warnings(since).some((msg) => each.test(msg)))
    await this.#daemon.until(`it warns of ${warns.join(' and ')}`, async () => missing().length === 0, 10_000)
    const unwanted = warns.length === 0 ? this.#warnings(since) : []
    if (unwanted.length > 0) throw new Error(`the daemon warned of:\n${unwanted.join('\n')}`)
  }

  /** What a pod says to itself never reaches OVN, and is left out. */
  async observe(expectations: readonly Expectation[]): Promise<readonly Observation[]> {
    const asked = expectations.filter(({ from, to }) => from !== to)
    await using snapshot = await this.#world.snapshot()
    const outputs = await snapshot.outputs(asked.map((each) => this.#question(each)))
    return asked.map((each, index) => {
      const passes = outputs[index]?.includes(lspOf(this.#of(each.to, each.on?.segment))) === true
      return { ...each, seen: passes ? (each.answer ?? 'open') : 'blocked' }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }

  #warnings(since: number): readonly string[] {
    const lines = this.#daemon.log.slice(since)
    return lines.filter(({ level }) => level === 'warn' || level === 'error').map(({ msg }) => msg)
  }

  async #save(objects: readonly KubeObject[]): Promise<number> {
    const since = this.#daemon.log.length
    await this.#manifests.save('cluster', objects)
    await this.#daemon.settled(since, 60_000)
    return since
  }

  async #plug(plugs: readonly Plug[]): Promise<void> {
    const rows = [...Map.groupBy(plugs, ({ segment }) => segment)].flatMap(([segment, own]) => [
      ...own.map(
        (plug) =>
          ({
            op: 'insert',
            table: 'Logical_Switch_Port',
            uuidName: uuidName(plug),
            row: {
              name: lspOf(plug),
              addresses: [[macOfPlug(plug), ...plug.addresses].join(' ')],
              external_ids: externalIds(plug),
            },
          }) as const,
      ),
      {
        op: 'insert',
        table: 'Logical_Switch',
        row: { name: segment, ports: own.map((plug) => ({ named: uuidName(plug) })) },
      } as const,
    ])
    const result = await this.#world.client.transact([
      { op: 'delete', table: 'Logical_Switch', where: [] },
      ...rows,
    ])
    if (result.kind !== 'committed') throw new Error(JSON.stringify(result))
    this.#plugs = plugs
  }

  /** The daemon may hear of the ports after the objects. */
  async #asAsked(objects: readonly KubeObject[]): Promise<void> {
    const address = { endpoints: this.#world.nb.endpoint, tls: undefined }
    const options = { ...OPTIONS, node: 'n1', track: true, enforceAlways: false }
    await eventually(async () => {
      const signal = AbortSignal.timeout(20_000)
      const { wanted, standing } = await auditNorthbound(address, clusterOf(objects), options, signal)
      return JSON.stringify(wanted) === JSON.stringify(standing)
    })
  }

  #question({ from, to, service, on }: Expectation): TraceQuestion {
    const { segment, family } = on ?? USUAL
    const [source, destination] = [this.#of(from, segment), this.#of(to, segment)]
    const ip = `ip${family}`
    const of = ({ addresses }: Plug): string | undefined =>
      addresses.find((each) => each.includes(':') === (family === 6))
    const flow = [
      `inport == "${lspOf(source)}" && eth.src == ${macOfPlug(source)} && eth.dst == ${macOfPlug(destination)}`,
      `${ip}.src == ${of(source)} && ${ip}.dst == ${of(destination)} && ip.ttl == 64`,
      transport(service, family),
    ]
    return { datapath: source.segment, flow: flow.join(' && ') }
  }

  #of(who: string, segment: string | undefined): Plug {
    const found = this.#plugs.find(
      (each) => each.who === who && (segment === undefined || each.segment === segment),
    )
    if (found === undefined) throw new Error(`${who} has no port`)
    return found
  }
}

/** The plugs of one pod as the pod of a lab. @param who `x.a`, as labs name it */
export function placedPod(plugs: readonly Plug[], who: string): PlacedPod {
  const own = plugs.filter((plug) => plug.who.replace('/', '.') === who)
  return {
    name: who,
    netns: '/nowhere',
    interfaces: own.map((plug, index) => ({
      name: `net${index + 1}`,
      mac: macOfPlug(plug),
      segment: plug.segment,
      addresses: plug.addresses.map((address) => {
        const family = address.includes(':') ? 6 : 4
        return { family, address, prefixLength: family === 4 ? 24 : 64, scope: 'global' } as const
      }),
    })),
  }
}

function onOvn(objects: readonly KubeObject[]): readonly KubeObject[] {
  const text = JSON.stringify(objects).replaceAll('macvlan', OVN_CNI_TYPE)
  return JSON.parse(text) as readonly KubeObject[]
}

function lspOf(plug: Plug): string {
  const { who, segment } = plug
  const [namespace = '', pod = ''] = who.split('/')
  const nad = nadOf(plug)
  return nad === undefined ? `${who}-${segment}` : portName(nad, namespace, pod)
}

/** `x/red`; of a pod's second port there, `x/red/1`. */
function nadOf({ nad, again = 0 }: Plug): `${string}/${string}` | undefined {
  return nad === undefined ? undefined : (`${nad}${again === 0 ? '' : `/${again}`}` as `${string}/${string}`)
}

function uuidName({ who, segment }: Plug): string {
  return `p_${who}_${segment}`.replaceAll(/[^a-z0-9]/g, '_')
}

function macOfPlug({ who, segment, addresses: [first = `${who} ${segment}`] }: Plug): string {
  return macOf(first)
}

function externalIds(plug: Plug): ReadonlyMap<string, string> {
  const [namespace = ''] = plug.who.split('/')
  const nad = nadOf(plug)
  if (nad === undefined) return new Map()
  return new Map([
    ['k8s.ovn.org/nad', nad],
    ['k8s.ovn.org/network', `${plug.nad}`.replace('/', '.')],
    ['k8s.ovn.org/topology', 'layer2'],
    ['namespace', namespace],
    ['pod', 'true'],
  ])
}

function transport(service: Expectation['service'], family: 4 | 6): string {
  if (service === 'ICMP') return family === 4 ? 'icmp4.type == 8' : 'icmp6.type == 128'
  const [protocol = '', port] = service.toLowerCase().split('/')
  return `${protocol}.src == 40000 && ${protocol}.dst == ${port}`
}
