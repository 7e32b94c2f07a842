/**
 * A lab: pods as network namespaces on segments, and real packets between them. Everything that enforces a
 * policy is proven here against the kernel. A lab lives in namespaces of its own and takes them all with it
 * when it is disposed of, so labs can stand side by side and nothing stays on the host.
 *
 *     await using lab = await Lab.create('demo')
 *     await lab.segment('blue')
 *     const a = await lab.pod('a', [{ segment: 'blue', interface: 'net1', addresses: ['10.1.0.1/24'] }])
 */
import { Fabric } from './fabric.ts'
import { forAll, Gate } from './gate.ts'
import { type IpCommand, ip } from './ip.ts'
import {
  cellProbe,
  type MatrixRow,
  type MatrixSpec,
  matrixCells,
  matrixRows,
  matrixServices,
} from './matrix.ts'
import { checkPodName, deleteLeftovers, deleteNamespaces, labPrefix, namespaces } from './names.ts'
import { type Attachment, Pod, type PodOptions, type PodSpec } from './pod.ts'
import { type Probe, type ProbeResult, runProbe } from './probe.ts'
import { type Stream, type StreamSpec, startStream } from './stream.ts'
import { insideCommands, type Wire, wiresOf } from './wire.ts'

interface Plan {
  readonly pod: Pod
  readonly wires: readonly Wire[]
  /** The commands that set up the pod from the inside. */
  readonly inside: readonly IpCommand[]
}

/** Else any of several interfaces on one segment answers for the addresses of all, and packets come in by the wrong one. */
const ANSWER_OWN_ADDRESSES = ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore'] as const

export class Lab implements AsyncDisposable {
  /** What the names of all its namespaces begin with. */
  readonly prefix: string
  readonly #fabric: Fabric
  readonly #pods = new Map<string, Pod>()
  /** All namespaces that may exist: a name is here before the namespace is made. */
  readonly #namespaces = new Set<string>()
  readonly #processes = new Gate(4)
  readonly #pings = new Gate(24)
  readonly #sockets = new Gate(128)
  /** Pods under way, which the end of the lab has to wait for. */
  readonly #making = new Set<Promise<unknown>>()
  #streams = 0
  #over = false

  /** @param name goes into the namespaces' names: `[a-z0-9-]`. Also removes what dead labs left. */
  static async create(name: string): Promise<Lab> {
    const lab = new Lab(labPrefix(name))
    await deleteLeftovers()
    const fabric = lab.#own('fabric')
    await ip('here', [['netns', 'add', fabric]])
    return lab
  }

  private constructor(prefix: string) {
    this.prefix = prefix
    this.#fabric = new Fabric(`${prefix}fabric`)
  }

  get pods(): readonly Pod[] {
    return [...this.#pods.values()]
  }

  /** Makes a layer-2 network; asking for it again changes nothing. */
  async segment(name: string): Promise<void> {
    await this.#fabric.segment(name)
  }

  /** Makes a segment and pods on it: `net1` of each, with 10.1.0.1/24, 10.1.0.2/24 and so on. */
  async segmentWith<const Names extends readonly string[]>(
    segment: string,
    names: Names,
  ): Promise<{ -readonly [Place in keyof Names]: Pod }> {
    await this.segment(segment)
    const pods = await this.addPods(
      names.map((name, index) => ({
        name,
        attachments: [{ segment, interface: 'net1', addresses: [`10.1.0.${index + 1}/24`] }],
      })),
    )
    return pods as { -readonly [Place in keyof Names]: Pod }
  }

  /** Makes a pod. @returns when its interfaces pass packets */
  async pod(name: string, attachments: readonly Attachment[], options: PodOptions = {}): Promise<Pod> {
    const [pod] = await this.addPods([{ ...options, name, attachments }])
    return pod as Pod
  }

  /** Makes many pods in fewer processes than one by one; all of them or none. */
  async addPods(specs: readonly PodSpec[]): Promise<Pod[]> {
    if (this.#over) throw new Error('the lab has been disposed of')
    const making = this.#addPods(specs)
    this.#making.add(making)
    return await making.finally(() => this.#making.delete(making))
  }

  /** @returns when nothing in the pod answers any more, and its name can be used again */
  async removePod(pod: Pod): Promise<void> {
    const there = await namespaces(pod.netnsName)
    if (there.includes(pod.netnsName)) await pod.unplug()
    await this.#discard(pod)
  }

  /** @throws when the probe could not be made; every verdict is a value */
  async probe(probe: Probe): Promise<ProbeResult> {
    const [result] = await this.probeAll([probe])
    return result as ProbeResult
  }

  /** Side by side, as many as the machine takes. @returns the results in the order of the probes */
  async probeAll(probes: readonly Probe[]): Promise<ProbeResult[]> {
    const gateOf = ({ protocol }: Probe) => (protocol === 'icmp' ? this.#pings : this.#sockets)
    return await forAll(probes, gateOf, runProbe)
  }

  /** Probes all ordered pairs of the pods, after having them serve the ports. */
  async matrix(spec: MatrixSpec): Promise<MatrixRow[]> {
    const services = matrixServices(spec)
    if (services !== undefined)
      await forAll(
        spec.pods,
        () => this.#sockets,
        (pod) => pod.serve(services),
      )
    const cells = matrixCells(spec)
    const probes = cells.map((cell) => cellProbe(cell, spec.timeoutMs))
    return matrixRows(spec, cells, probes, await this.probeAll(probes))
  }

  /** Starts a stream of numbered packets between two pods of the lab. */
  async stream(spec: StreamSpec): Promise<Stream> {
    return await startStream(++this.#streams, spec, spec.receiver ?? this.#holder(spec))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true
    await Promise.allSettled(this.#making)
    await Promise.all(this.pods.map((pod) => pod.stop()))
    this.#pods.clear()
    await deleteNamespaces([...this.#namespaces])
  }

  async #addPods(specs: readonly PodSpec[]): Promise<Pod[]> {
    const plans: Plan[] = []
    try {
      for (const spec of specs) plans.push(this.#plan(spec))
      await this.#make(plans)
      return plans.map(({ pod }) => pod)
    } catch (error) {
      await Promise.all(plans.map(({ pod }) => this.#discard(pod)))
      throw error
    }
  }

  #plan(spec: PodSpec): Plan {
    checkPodName(spec.name)
    if (this.#pods.has(spec.name)) throw new Error(`the lab has a pod ${spec.name} already`)
    const wires = wiresOf(spec)
    const pod = new Pod(spec.name, this.#own(`pod-${spec.name}`), wires, this.#processes)
    this.#pods.set(spec.name, pod)
    return { pod, wires, inside: insideCommands(wires, spec.routes) }
  }

  async #make(plans: readonly Plan[]): Promise<void> {
    const commands = plans.map(({ pod }) => ['netns', 'add', pod.netnsName])
    await ip('here', commands)
    const links = plans.flatMap(({ pod, wires }) => wires.map((wire) => ({ netns: pod.netnsName, wire })))
    const ports = await this.#fabric.connect(links)
    await forAll(
      plans,
      () => this.#processes,
      async ({ pod, wires, inside }) => {
        if (sharesSegment(wires)) await pod.run(ANSWER_OWN_ADDRESSES)
        await pod.refresh(inside)
      },
    )
    await this.#fabric.forwarding(ports)
  }

  async #discard(pod: Pod): Promise<void> {
    await pod.stop()
    await deleteNamespaces([pod.netnsName])
    this.#namespaces.delete(pod.netnsName)
    this.#pods.delete(pod.name)
  }

  #own(suffix: string): string {
    const name = `${this.prefix}${suffix}`
    this.#namespaces.add(name)
    return name
  }

  /** Several segments may use the same addresses: then the sender's own segments decide. */
  #holder({ from, to }: StreamSpec): Pod {
    const near = new Set(from.interfaces.map(({ segment }) => segment))
    const all = this.pods.flatMap((pod) =>
      pod.interfaces
        .filter(({ addresses }) => addresses.some(({ address }) => address === to))
        .map(({ segment }) => ({ pod, near: near.has(segment) })),
    )
    const holders = all.length > 1 ? all.filter((holder) => holder.near) : all
    const [holder, another] = holders
    if (holder === undefined || another !== undefined)
      throw new Error(`${holders.length} pods that ${from.name} may mean have ${to}: name the receiver`)
    return holder.pod
  }
}

function sharesSegment(wires: readonly Wire[]): boolean {
  return new Set(wires.map(({ segment }) => segment)).size < wires.length
}
