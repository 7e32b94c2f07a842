/**
 * The wires. All segments are bridges in one namespace of the lab's own, never on the host. A pod's veth
 * has its other end in the bridge; macvlans of a segment share a parent, one end of a veth pair whose
 * other end is in the same bridge, so that both kinds of pod can talk to each other.
 *
 *     pod a          fabric                                        pod c
 *     net1 ──veth── p1 ─┐
 *                       b1 (segment) ─ p3 ──veth── m3 ──macvlan── net1
 *     net1 ──veth── p2 ─┘
 *     pod b
 */
import { until } from './clock.ts'
import { type IpCommand, ip, ipShow, type ShownLink } from './ip.ts'
import { linkUp, type Wire } from './wire.ts'

export class Fabric {
  readonly #netns: string
  readonly #bridges = new Map<string, Promise<string>>()
  readonly #parents = new Map<string, Promise<string>>()
  #links = 0

  /** @param netns the name of a namespace that is there already */
  constructor(netns: string) {
    this.#netns = netns
  }

  /** Makes the segment's bridge; asking again changes nothing. */
  async segment(name: string): Promise<void> {
    const making = this.#bridges.get(name) ?? this.#makeBridge()
    this.#bridges.set(name, making)
    await making
  }

  /** Makes the links into the namespaces, all in one process. @returns the bridge ports among them */
  async connect(wires: readonly { netns: string; wire: Wire }[]): Promise<string[]> {
    const made = await Promise.all(wires.map(({ netns, wire }) => this.#link(netns, wire)))
    await this.#run(made.flatMap(({ commands }) => commands))
    return made.flatMap(({ port }) => port ?? [])
  }

  /** Waits until the ports pass packets, which takes both ends up and a moment of the kernel's. */
  async forwarding(ports: readonly string[]): Promise<void> {
    if (ports.length === 0) return
    await until(`ports ${ports.join(', ')} forward in ${this.#netns}`, 10_000, async () => {
      const links = await ipShow<ShownLink>({ netns: this.#netns }, [['link', 'show']])
      const ready = new Set(links.filter(forwards).map(({ ifname }) => ifname))
      return ports.every((port) => ready.has(port)) || undefined
    })
  }

  async #link(netns: string, wire: Wire): Promise<{ commands: IpCommand[]; port?: string }> {
    const { segment, kind } = wire
    const inPod = ['name', wire.interface, 'netns', netns, 'address', wire.mac]
    if (segment !== undefined && kind === 'macvlan') {
      const parent = await this.#parent(segment)
      return { commands: [['link', 'add', 'link', parent, ...inPod, 'type', 'macvlan', 'mode', 'bridge']] }
    }
    const port = this.#nextName('p')
    const pair = veth(port, inPod)
    if (segment === undefined) return { commands: [pair, ...linkUp(port)] }
    return { commands: [pair, ...portUp(port, await this.#bridge(segment))], port }
  }

  async #bridge(segment: string): Promise<string> {
    const bridge = this.#bridges.get(segment)
    if (bridge === undefined) throw new Error(`the lab has no segment ${segment}: make it first`)
    return await bridge
  }

  async #makeBridge(): Promise<string> {
    const name = this.#nextName('b')
    await this.#run([
      ['link', 'add', 'name', name, 'type', 'bridge', 'stp_state', '0', 'mcast_snooping', '0'],
      ...linkUp(name),
    ])
    return name
  }

  async #parent(segment: string): Promise<string> {
    const making = this.#parents.get(segment) ?? this.#makeParent(segment)
    this.#parents.set(segment, making)
    return await making
  }

  /** A macvlan has no carrier before its parent has, and the parent none before both its ends are up. */
  async #makeParent(segment: string): Promise<string> {
    const bridge = await this.#bridge(segment)
    const [port, parent] = [this.#nextName('p'), this.#nextName('m')]
    await this.#run([veth(port, ['name', parent]), ...linkUp(parent), ...portUp(port, bridge)])
    await this.forwarding([port])
    return parent
  }

  #nextName(letter: string): string {
    return `${letter}${++this.#links}`
  }

  async #run(commands: readonly IpCommand[]): Promise<void> {
    await ip({ netns: this.#netns }, commands)
  }
}

function veth(name: string, peer: IpCommand): IpCommand {
  return ['link', 'add', 'name', name, 'type', 'veth', 'peer', ...peer]
}

function portUp(port: string, bridge: string): IpCommand[] {
  return [['link', 'set', 'dev', port, 'master', bridge], ...linkUp(port)]
}

function forwards(link: ShownLink): boolean {
  return link.operstate === 'UP' && link.linkinfo?.info_slave_data?.state === 'forwarding'
}
