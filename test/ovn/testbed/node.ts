/**
 * The node's end of OVN: Open vSwitch in a network namespace of its own, with the integration bridge br-int that
 * ovn-controller fills, and br-out, which stands for the physical network.
 *
 *     pod a ── eth1 ─┐                                        ┌─ eth0 ── a host outside
 *                    br-int ── patch ports of the localnet ── br-out
 *     pod b ── eth1 ─┘         network, made by OVN           └─ eth0 ── another, on a VLAN
 *
 * Each link is an internal port of a bridge (in user space a tap), moved into its namespace under another name.
 */
import { until } from '../../lab/clock.ts'
import { type IpCommand, ip, ipShow, type ShownLink } from '../../lab/ip.ts'
import type { Wire } from '../../lab/wire.ts'
import type { Central } from './central.ts'
import { physicalNameOf } from './names.ts'
import { type Network, pair } from './network.ts'
import { DEFAULT_NODE, interfaceCommands, type OvnPort } from './pods.ts'

/** What a wire leads to: a logical port, or the physical network, with the VLAN tag that its frames have there. */
export type Plug =
  | { readonly kind: 'port'; readonly port: OvnPort }
  | {
      readonly kind: 'physical'
      readonly network: Network
      readonly wire: Wire
      readonly vlan?: number | undefined
    }

const REMADE_MS = 60_000

interface Link {
  readonly name: string
  readonly netnsName: string
  readonly wire: Wire
}

export class OvnNode {
  readonly #central: Central
  readonly #netnsName: string
  readonly #links = new Map<Plug, Link>()
  readonly #physical: string[] = []
  #made = 0

  constructor(central: Central, netnsName: string) {
    this.#central = central
    this.#netnsName = netnsName
  }

  /** Before vswitchd and ovn-controller are there to act on it. */
  async configure(): Promise<void> {
    const config = {
      'system-id': DEFAULT_NODE,
      hostname: DEFAULT_NODE,
      'ovn-remote': `unix:${this.#central.socket('sb')}`,
      'ovn-encap-type': 'geneve',
      'ovn-encap-ip': '127.0.0.1',
      'ovn-bridge-datapath-type': 'netdev',
      'ovn-monitor-all': 'true',
    }
    const ids = Object.entries(config).map(([key, value]) => pair('external_ids', key, value))
    const commands = [
      ['init'],
      ['set', 'Open_vSwitch', '.', ...ids],
      ['add-br', 'br-int'],
      ['set', 'Bridge', 'br-int', 'datapath_type=netdev', 'fail-mode=secure'],
      ['add-br', 'br-out'],
      ['set', 'Bridge', 'br-out', 'datapath_type=netdev', 'fail-mode=standalone'],
      ['--id=@datapath', 'create', 'Datapath', 'datapath_version=none'],
      ['set', 'Open_vSwitch', '.', 'datapaths:netdev=@datapath'],
    ]
    await this.#central.vsctl(commands, ['--no-wait'])
  }

  /**
   * Has ovn-controller believe that the datapath cannot do SNAT to the address 0.0.0.0, which it otherwise adds to each commit
   * of a connection. Open vSwitch 3.1.0 in user space ends with `assertion conn->conn_type == CT_CONN_TYPE_DEFAULT failed` on
   * some of those connections. A vswitchd says once, when it starts, what it can do.
   */
  async withoutZeroSnat(): Promise<void> {
    const key = 'capabilities:ct_zero_snat'
    const row = ['Datapath', '.']
    await this.#central.vsctl([
      ['wait-until', ...row, `${key}=true`],
      ['set', ...row, `${key}=false`],
    ])
  }

  /** Leads the physical network of a localnet network to br-out. */
  async mapPhysical(network: Network): Promise<void> {
    this.#physical.push(`${physicalNameOf(network)}:br-out`)
    const mappings = pair('external_ids', 'ovn-bridge-mappings', this.#physical.join(','))
    await this.#central.vsctl([['set', 'Open_vSwitch', '.', mappings]])
  }

  /** Makes the links into the namespaces, in one transaction. Their addresses are set from the inside. */
  async plug(plugs: readonly { readonly plug: Plug; readonly netnsName: string }[]): Promise<void> {
    const links = plugs.map(({ plug, netnsName }) => {
      const link = { name: `p${++this.#made}`, netnsName, wire: wireOf(plug) }
      this.#links.set(plug, link)
      return { plug, link }
    })
    await this.#central.vsctl(links.flatMap(({ plug, link }) => plugCommands(plug, link.name)))
    await this.#move(links.map(({ link }) => link))
  }

  async unplug(plugs: readonly Plug[]): Promise<void> {
    const links = plugs.flatMap((plug) => this.#links.get(plug) ?? [])
    for (const plug of plugs) this.#links.delete(plug)
    await this.#central.vsctl(links.map(({ name }) => ['del-port', name]))
  }

  /** A vswitchd knows nothing of the links of the one before it. It makes them anew, and they have to be moved again. */
  async plugAgain(): Promise<void> {
    await this.withoutZeroSnat()
    const links = [...this.#links.values()]
    await until('vswitchd has made its links again', REMADE_MS, async () => {
      const shown = await ipShow<ShownLink>({ netns: this.#netnsName }, [['address', 'show']])
      const there = new Set(shown.map(({ ifname }) => ifname))
      return links.every(({ name }) => there.has(name)) || undefined
    })
    await this.#move(links)
  }

  /** What stays of Open vSwitch otherwise is its taps. */
  async deleteBridges(): Promise<void> {
    await this.#central.vsctl([
      ['del-br', 'br-int'],
      ['del-br', 'br-out'],
    ])
  }

  async #move(links: readonly Link[]): Promise<void> {
    const commands: IpCommand[] = links.map(({ name, netnsName, wire }) => [
      ...['link', 'set', 'dev', name, 'netns', netnsName],
      ...['name', wire.interface, 'address', wire.mac],
    ])
    await ip({ netns: this.#netnsName }, commands)
  }
}

function wireOf(plug: Plug): Wire {
  return plug.kind === 'port' ? plug.port.wire : plug.wire
}

function plugCommands(plug: Plug, link: string): readonly (readonly string[])[] {
  if (plug.kind === 'port') return interfaceCommands(plug.port, link)
  const tag = plug.vlan === undefined ? [] : [`tag=${plug.vlan}`]
  return [
    ['add-port', 'br-out', link, ...tag],
    ['set', 'Interface', link, 'type=internal'],
  ]
}
