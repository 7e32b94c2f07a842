/**
 * A pod: a network namespace with interfaces on segments, and an agent in it once one is needed. The lab
 * makes pods; a test asks them to serve, to run a command inside, or to hold a connection.
 */
import { execa } from 'execa'
import { AgentProcess } from './agent-process.ts'
import { Connection } from './connection.ts'
import type { Gate } from './gate.ts'
import { type IpCommand, ipShow, type ShownLink } from './ip.ts'
import { NETNS_DIR } from './names.ts'
import type { ConnectionSpec } from './protocol.ts'
import type { Wire } from './wire.ts'

export type Family = 4 | 6

/** An interface as it is asked for. */
export interface Attachment {
  readonly segment: string
  /** Any name the kernel takes: up to 15 bytes, no white space, `/` or `%`. */
  readonly interface: string
  /** With prefix lengths: `10.1.0.1/24`, `fd00:1::1/64`. A link-local address comes by itself. */
  readonly addresses?: readonly string[]
  /** Default: one that follows from the segment and the first address. */
  readonly mac?: string
  /** Default veth. */
  readonly kind?: 'veth' | 'macvlan'
}

export interface Route {
  /** A prefix or an address; for a default route `0.0.0.0/0` or `::/0`. */
  readonly to: string
  readonly via?: string
  readonly interface?: string
}

export interface PodOptions {
  readonly routes?: readonly Route[]
  /** An eth0 that is up, has no address and leads nowhere: the default network, for what must ignore it. */
  readonly eth0?: boolean
}

export interface PodSpec extends PodOptions {
  readonly name: string
  readonly attachments: readonly Attachment[]
}

export interface Address {
  readonly family: Family
  readonly address: string
  readonly prefixLength: number
  readonly scope: 'global' | 'link'
}

/** An interface as it stands. */
export interface Interface {
  readonly name: string
  readonly mac: string
  readonly addresses: readonly Address[]
  /** Not set on eth0, nor on what somebody else put into the namespace. */
  readonly segment?: string
}

/** The ports of the echo services. */
export interface Services {
  readonly tcp?: readonly number[]
  readonly udp?: readonly number[]
}

export class Pod {
  readonly name: string
  /** The namespace's name, as `ip -n` takes it. */
  readonly netnsName: string
  /** The namespace's path. */
  readonly netns: string
  readonly #wires: readonly Wire[]
  readonly #starts: Gate
  #interfaces: readonly Interface[] = []
  #agent: Promise<AgentProcess> | undefined
  #connections = 0
  #removed = false

  /** Made by the lab only. @param starts lets some agents start at a time */
  constructor(name: string, netnsName: string, wires: readonly Wire[], starts: Gate) {
    this.name = name
    this.netnsName = netnsName
    this.netns = `${NETNS_DIR}/${netnsName}`
    this.#wires = wires
    this.#starts = starts
  }

  /** All but lo, as they stood when the pod was made or last {@link refresh}ed. */
  get interfaces(): readonly Interface[] {
    return this.#interfaces
  }

  /** The first global address of the family, on the segment if one is given. */
  findAddress(family: Family, segment?: string): string | undefined {
    return this.#interfaces
      .filter((link) => segment === undefined || link.segment === segment)
      .flatMap(({ addresses }) => addresses)
      .find((address) => address.family === family && address.scope === 'global')?.address
  }

  /** As {@link findAddress}. @throws when there is none */
  address(family: Family, segment?: string): string {
    const found = this.findAddress(family, segment)
    if (found !== undefined) return found
    throw new Error(`pod ${this.name} has no IPv${family} address${segment ? ` on segment ${segment}` : ''}`)
  }

  /** Reads the interfaces again, after running the commands in the namespace. */
  async refresh(commands: readonly IpCommand[] = []): Promise<void> {
    const shown = await ipShow<ShownLink>({ netns: this.netnsName }, [...commands, ['address', 'show']])
    this.#interfaces = shown.filter(({ ifname }) => ifname !== 'lo').map((link) => this.#interface(link))
  }

  /** Opens echo services; those open already stay open. @returns when they listen */
  async serve(services: Services): Promise<void> {
    const agent = await this.agent()
    await agent.ask('serve', { tcp: services.tcp ?? [], udp: services.udp ?? [] })
  }

  /**
   * Runs a command in the pod's network namespace. @returns its standard output
   * @throws execa's error, which names command, exit code and standard error
   */
  async run(command: readonly [string, ...string[]], input = ''): Promise<string> {
    const { stdout } = await execa('nsenter', [`--net=${this.netns}`, ...command], { input })
    return stdout
  }

  /** Opens a TCP connection to an echo service and keeps it exchanging. @throws when it cannot be opened */
  async connection(spec: ConnectionSpec): Promise<Connection> {
    const agent = await this.agent()
    const connection = ++this.#connections
    await agent.ask('connect', { ...spec, connection })
    return new Connection(agent, connection, `${this.name} to ${spec.to} port ${spec.port}`)
  }

  /** The process in the pod, started when first asked for. */
  async agent(): Promise<AgentProcess> {
    if (this.#removed) throw new Error(`pod ${this.name} has been removed`)
    this.#agent ??= this.#starts.run(() => AgentProcess.start(this.netns, `pod ${this.name}`))
    return await this.#agent
  }

  /** Deletes its links at once. With its namespace they would go too, but only some time later. */
  async unplug(): Promise<void> {
    await this.refresh()
    const own = this.#interfaces.filter(({ name }) => this.#wires.some((wire) => wire.interface === name))
    await this.refresh(own.map(({ name }) => ['link', 'delete', 'dev', name]))
  }

  /** Ends the agent, if there is one. The namespace is the lab's to delete. */
  async stop(): Promise<void> {
    this.#removed = true
    const agent = await this.#agent?.catch(() => undefined)
    await agent?.stop()
  }

  #interface(link: ShownLink): Interface {
    const segment = this.#wires.find((wire) => wire.interface === link.ifname)?.segment
    return {
      name: link.ifname,
      mac: link.address,
      addresses: link.addr_info.map((info) => ({
        family: info.family === 'inet' ? 4 : 6,
        address: info.local,
        prefixLength: info.prefixlen,
        scope: info.scope === 'link' ? 'link' : 'global',
      })),
      ...(segment !== undefined && { segment }),
    }
  }
}
