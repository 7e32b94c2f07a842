/**
 * OVN as it runs on a node, with secondary networks as ovn-kubernetes makes them and pods as network namespaces: the programs
 * are real, and so are the packets. All is in a directory and in namespaces of its own and goes with it.
 *
 *     await using bed = await OvnTestbed.start('layer2')
 *     await bed.network({ nad: 'x/blue', name: 'blue', topology: 'layer2', subnets: '10.1.0.0/16' })
 *     const [a, b] = await bed.pods([ { name: 'a', uid: '…', attachments: [{ nad: 'x/blue', addresses: […] }] }, … ])
 */
import { rm } from 'node:fs/promises'
import { forAll, Gate } from '../../lab/gate.ts'
import { type IpCommand, ip } from '../../lab/ip.ts'
import {
  cellProbe,
  type MatrixRow,
  type MatrixSpec,
  matrixCells,
  matrixRows,
  matrixServices,
} from '../../lab/matrix.ts'
import { deleteLeftovers, deleteNamespaces, labPrefix, namespaces } from '../../lab/names.ts'
import { Pod } from '../../lab/pod.ts'
import { type Probe, type ProbeResult, runProbe } from '../../lab/probe.ts'
import { type Stream, type StreamSpec, startStream } from '../../lab/stream.ts'
import { insideCommands, type Wire } from '../../lab/wire.ts'
import type { KubeObject } from '../../manifests.ts'
import { Central, checkInstalled, type ProgramName } from './central.ts'
import { makeDirectory } from './directory.ts'
import { macOf, switchNameOf } from './names.ts'
import { type Network, nadObject, networkCommands } from './network.ts'
import { OvnNode, type Plug } from './node.ts'
import { type OvnPod, type OvnPodSpec, ovnPodObject, portCommands, portsOf, routesOf } from './pods.ts'
import { type RunningProgram, timed } from './process.ts'
import { TraceSnapshot } from './trace.ts'

const PATIENT_MS = 3_000

/** A host on the physical network of a localnet network. */
export interface HostSpec {
  readonly name: string
  /** The NAD's. */
  readonly nad: string
  readonly addresses: readonly string[]
  /** The tag that its frames have; default none. */
  readonly vlan?: number
}

interface Inhabitant {
  readonly pod: Pod
  readonly plugs: readonly Plug[]
  readonly inside: readonly IpCommand[]
}

export class OvnTestbed implements AsyncDisposable {
  readonly central: Central
  /** How long the programs took to start. */
  readonly startMs: number
  readonly #prefix: string
  readonly #node: OvnNode
  readonly #programs: ReadonlyMap<ProgramName, RunningProgram>
  readonly #resources: AsyncDisposableStack
  readonly #networks = new Map<string, Network>()
  readonly #pods = new Map<string, OvnPod>()
  readonly #inhabitants = new Map<string, Inhabitant>()
  readonly #agents = new Gate(4)
  readonly #pings = new Gate(12)
  readonly #sockets = new Gate(64)
  #streams = 0

  /** @param name goes into the names of its namespaces: `[a-z0-9-]` */
  static async start(name: string): Promise<OvnTestbed> {
    await checkInstalled()
    await deleteLeftovers()
    await using stack = new AsyncDisposableStack()
    const directory = await makeDirectory()
    stack.defer(() => rm(directory, { recursive: true, force: true }))
    const prefix = labPrefix(`ovn-${name}`)
    stack.defer(async () => deleteNamespaces(await namespaces(prefix)))
    const netnsName = `${prefix}switch`
    await ip('here', [['netns', 'add', netnsName]])
    const central = new Central(directory, netnsName)
    const node = new OvnNode(central, netnsName)
    const [programs, startMs] = await timed(() => startAll(central, node, stack))
    return new OvnTestbed({ central, node, programs, prefix, startMs, resources: stack.move() })
  }

  private constructor(parts: {
    readonly central: Central
    readonly node: OvnNode
    readonly programs: ReadonlyMap<ProgramName, RunningProgram>
    readonly prefix: string
    readonly startMs: number
    readonly resources: AsyncDisposableStack
  }) {
    this.central = parts.central
    this.startMs = parts.startMs
    this.#node = parts.node
    this.#programs = parts.programs
    this.#prefix = parts.prefix
    this.#resources = parts.resources
  }

  /** For `--ovn-nb`. */
  get northbound(): string {
    return `unix:${this.central.socket('nb')}`
  }

  /** The NADs and the pods, as manifests. */
  get objects(): readonly KubeObject[] {
    return [...[...this.#networks.values()].map(nadObject), ...[...this.#pods.values()].map(ovnPodObject)]
  }

  program(name: ProgramName): RunningProgram {
    const found = this.#programs.get(name)
    if (found === undefined) throw new Error(`no program ${name}`)
    return found
  }

  async network(network: Network): Promise<void> {
    this.#networks.set(network.nad, network)
    await this.central.nbctl(networkCommands(network))
    if (network.topology === 'localnet') await this.#node.mapPhysical(network)
  }

  /** Makes pods. @returns when OVN has bound their ports and their flows are in place */
  async pods(specs: readonly OvnPodSpec[]): Promise<readonly OvnPod[]> {
    const made = specs.map((spec): OvnPod => {
      const ports = portsOf(spec, (nad) => this.#networkOf(nad))
      return {
        spec,
        ports,
        pod: this.#newPod(
          spec.alias ?? spec.name,
          ports.map(({ wire }) => wire),
        ),
      }
    })
    await this.central.nbctl(made.flatMap(({ ports }) => ports.flatMap(portCommands)))
    await this.#settleIn(
      made.map(({ pod, ports }) => ({
        pod,
        plugs: ports.map((port) => ({ kind: 'port', port })),
        inside: [
          ...ports.flatMap(({ network, wire }) => mtuCommand(wire, network)),
          ...insideCommands(
            ports.map(({ wire }) => wire),
            ports.flatMap(routesOf),
          ),
        ],
      })),
    )
    for (const pod of made) this.#pods.set(pod.pod.name, pod)
    await this.#introduce()
    await this.bound(made)
    return made
  }

  /** Makes a host outside, where OVN and its policies do not reach. */
  async host({ name, nad, addresses, vlan }: HostSpec): Promise<Pod> {
    const network = this.#networkOf(nad)
    const mac = macOf(addresses[0]?.replace(/\/.*/, '') ?? name)
    const wire: Wire = { interface: 'eth0', mac, kind: 'veth', addresses, segment: network.name }
    const pod = this.#newPod(name, [wire])
    await this.#settleIn([
      {
        pod,
        plugs: [{ kind: 'physical', network, wire, vlan }],
        inside: [...mtuCommand(wire, network), ...insideCommands([wire])],
      },
    ])
    await this.#introduce()
    return pod
  }

  /** Deletes and adds the pod's ports under their names, as when ovn-kubernetes comes to doubt them. */
  async recreatePorts({ ports }: OvnPod): Promise<void> {
    // Two transactions: within one ovn-nbctl still finds the deleted port, and calls its addresses duplicates.
    await this.central.nbctl(ports.map(({ name }) => ['lsp-del', name]))
    await this.central.nbctl(ports.flatMap(portCommands))
  }

  async removePod({ pod, ports }: OvnPod): Promise<void> {
    await pod.stop()
    await this.#node.unplug(this.#inhabitants.get(pod.name)?.plugs ?? [])
    await this.central.nbctl(ports.map(({ name }) => ['lsp-del', name]))
    await deleteNamespaces([pod.netnsName])
    this.#inhabitants.delete(pod.name)
    this.#pods.delete(pod.name)
  }

  /** Waits until the ports are bound, and for {@link sync}. */
  async bound(pods: readonly OvnPod[]): Promise<void> {
    const names = pods.flatMap(({ ports }) => ports.map(({ name }) => name))
    const waits = names.map((name) => ['wait-until', 'Logical_Switch_Port', name, 'up=true'])
    if (waits.length > 0) await this.central.nbctl(waits)
    await this.sync()
  }

  /**
   * Waits until all that is in the Northbound database now has become flows of the switch, and has its datapath forget what it
   * made of those before. It would look through that by itself, in half a second; but where one of its entries lies within
   * another, Open vSwitch 3.1.0 in user space may change the other one in its place, and the entry lets through what is not
   * allowed any more.
   */
  async sync(): Promise<void> {
    await this.central.nbctl([['sync']], ['--wait=hv'])
    const { pid } = this.program('vswitchd')
    if (pid !== undefined) await this.central.vswitchd(pid, 'revalidator/purge')
  }

  /** After vswitchd ended and was started again: its old links are still in the pods, and lead nowhere. */
  async plugAgain(): Promise<void> {
    await Promise.all([...this.#inhabitants.values()].map(({ pod }) => pod.unplug()))
    await this.#node.plugAgain()
    await Promise.all([...this.#inhabitants.values()].map(({ pod, inside }) => pod.refresh(inside)))
    await this.#introduce()
    await this.bound([...this.#pods.values()])
  }

  /** @throws when a program has ended that nobody ended: what was probed then says nothing */
  async probeAll(probes: readonly Probe[]): Promise<ProbeResult[]> {
    const results = await forAll(
      probes,
      ({ protocol }) => (protocol === 'icmp' ? this.#pings : this.#sockets),
      runProbe,
    )
    await Promise.all([...this.#programs.values()].map((program) => program.checkUnharmed()))
    return results
  }

  /**
   * As the lab's: all ordered pairs of the pods that share a network. What is expected to be open is given time, which costs
   * nothing where it is, and on a busy machine is needed by what goes through user space.
   */
  async matrix(spec: MatrixSpec): Promise<readonly MatrixRow[]> {
    const services = matrixServices(spec)
    if (services !== undefined) await Promise.all(spec.pods.map((pod) => pod.serve(services)))
    const cells = matrixCells(spec)
    const probes = cells.map((cell) =>
      cellProbe(cell, spec.expect?.(cell) === 'open' ? PATIENT_MS : spec.timeoutMs),
    )
    return matrixRows(spec, cells, probes, await this.probeAll(probes))
  }

  async stream(spec: StreamSpec & { readonly receiver: Pod }): Promise<Stream> {
    return await startStream(++this.#streams, spec, spec.receiver)
  }

  /** ovn-trace on the flows as they are now. */
  async trace(): Promise<TraceSnapshot> {
    await this.sync()
    return await TraceSnapshot.take(this.central)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#inhabitants.values()].map(({ pod }) => pod.stop()))
    await this.#resources.disposeAsync()
  }

  #networkOf(nad: string): Network {
    const found = this.#networks.get(nad)
    if (found === undefined) throw new Error(`the testbed has no network ${nad}`)
    return found
  }

  #newPod(name: string, wires: readonly Wire[]): Pod {
    if (this.#inhabitants.has(name)) throw new Error(`the testbed has a pod ${name} already`)
    return new Pod(name, `${this.#prefix}pod-${name}`, wires, this.#agents)
  }

  /**
   * Where ports are secured by MAC address alone, OVN 23.03 drops their neighbour advertisements: it expects a hop limit of
   * 225, not 255. So on networks without subnets the pods are told of each other's IPv6 addresses.
   */
  async #introduce(): Promise<void> {
    const all = [...this.#inhabitants.values()].flatMap(({ pod, plugs }) =>
      plugs.flatMap((plug) => {
        const { segment, wire } = stationOf(plug)
        return segment === undefined ? [] : [{ pod, segment, wire }]
      }),
    )
    const tell = async ({ pod, segment, wire }: (typeof all)[number]): Promise<void> => {
      const others = all.filter((each) => each.segment === segment && each.pod !== pod)
      const commands = others.flatMap((each) => neighbourCommands(wire.interface, each.wire))
      await ip({ netns: pod.netnsName }, commands)
    }
    await Promise.all(all.map(tell))
  }

  async #settleIn(inhabitants: readonly Inhabitant[]): Promise<void> {
    await ip(
      'here',
      inhabitants.map(({ pod }) => ['netns', 'add', pod.netnsName]),
    )
    for (const inhabitant of inhabitants) this.#inhabitants.set(inhabitant.pod.name, inhabitant)
    await this.#node.plug(
      inhabitants.flatMap(({ pod, plugs }) => plugs.map((plug) => ({ plug, netnsName: pod.netnsName }))),
    )
    await Promise.all(inhabitants.map(({ pod, inside }) => pod.refresh(inside)))
  }
}

function mtuCommand(wire: Wire, { mtu }: Network): readonly IpCommand[] {
  return mtu === undefined ? [] : [['link', 'set', 'dev', wire.interface, 'mtu', `${mtu}`]]
}

/** Where it is a neighbour of others, if they have to be told. */
function stationOf(plug: Plug): { readonly segment: string | undefined; readonly wire: Wire } {
  if (plug.kind === 'physical')
    return {
      segment: plug.network.subnets === undefined ? switchNameOf(plug.network, '') : undefined,
      wire: plug.wire,
    }
  const { network, switchName, wire } = plug.port
  return { segment: network.subnets === undefined ? switchName : undefined, wire }
}

function neighbourCommands(link: string, { mac, addresses }: Wire): readonly IpCommand[] {
  const six = addresses.filter((address) => address.includes(':')).map((text) => text.replace(/\/.*/, ''))
  return six.map((address) => ['neigh', 'replace', address, 'lladdr', mac, 'dev', link, 'nud', 'permanent'])
}

/** The databases, then those that work on them. Each is ended with the stack, the bridges before what runs them. */
async function startAll(
  central: Central,
  node: OvnNode,
  stack: AsyncDisposableStack,
): Promise<ReadonlyMap<ProgramName, RunningProgram>> {
  const programs = new Map<ProgramName, RunningProgram>()
  const start = async (name: ProgramName): Promise<void> => {
    const program = await central.start(name)
    stack.defer(() => program.end('SIGTERM'))
    programs.set(name, program)
  }
  await central.createDatabases()
  await Promise.all([start('nb'), start('sb'), start('switch-db')])
  await Promise.all([node.configure(), central.nbctl([['init']])])
  await Promise.all([start('northd'), start('vswitchd')])
  stack.defer(() => endBridges(node, programs))
  await node.withoutZeroSnat()
  await start('controller')
  await central.sbctl([['wait-until', 'Chassis', 'n1']])
  return programs
}

/** A test may have ended what would do it; then there is nothing to delete them from. */
async function endBridges(node: OvnNode, programs: ReadonlyMap<ProgramName, RunningProgram>): Promise<void> {
  const runs = (name: ProgramName): boolean => programs.get(name)?.pid !== undefined
  if (runs('vswitchd') && runs('switch-db')) await node.deleteBridges()
}
