/**
 * The cluster that the suites edit, and the packets that prove that no edit leaves a gap. The pod `a` is governed; `ok`
 * may always talk with it, both ways; `bad` never may, whatever the policies are edited to. Streams of numbered UDP
 * packets go on all the while:
 *
 *     ok ──▶ a ──▶ ok      not one lost
 *     bad ─▶ a ─▶ bad      not one passed
 *
 * The other pods are on another node: they have addresses and labels, and nothing else.
 */
import { DaemonProcess } from '../../daemon.ts'
import { Lab } from '../../lab/lab.ts'
import type { Pod } from '../../lab/pod.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../../manifests.ts'
import type { Backend } from './backends.ts'
import { Traffic } from './traffic.ts'

/** Pods of namespace x on the other node: `app: g0` and so on. */
export const GHOSTS = 10
/** UDP ports of the streams, and the TCP port of the connection that is kept open. */
export const STREAM_PORT = 5000
export const ECHO_PORT = 80

export interface Changes {
  /** The labels of the ghosts, by number; `app: g<number>` where left out. */
  readonly ghosts?: Readonly<Record<number, string>>
  /** The namespaces m0 to m9, one pod each, by number: their label `team`, `m<number>` where left out. */
  readonly teams?: Readonly<Record<number, string>>
  /** The CNI type of the network blue; undefined: there is no such object. Default macvlan. */
  readonly blue?: string | undefined
}

export class World implements AsyncDisposable {
  readonly lab: Lab
  readonly manifests: Manifests
  readonly backend: Backend
  readonly pods: { readonly a: Pod; readonly ok: Pod; readonly bad: Pod }
  #daemon: DaemonProcess | undefined
  #traffic: Traffic | undefined

  private constructor(lab: Lab, manifests: Manifests, backend: Backend, pods: World['pods']) {
    this.lab = lab
    this.manifests = manifests
    this.backend = backend
    this.pods = pods
  }

  /** Makes pods and an empty directory; nothing is enforced and nothing is sent yet. */
  static async create(name: string, backend: Backend): Promise<World> {
    const lab = await Lab.create(name)
    const manifests = await Manifests.create()
    await Promise.all(['red', 'blue'].map((segment) => lab.segment(segment)))
    const [a, ok, bad] = (await lab.addPods(
      ['a', 'ok', 'bad'].map((pod, index) => ({
        name: pod,
        attachments: [
          {
            segment: 'red',
            interface: 'net1',
            addresses: [`10.1.0.${index + 1}/24`, `fd00:1::${index + 1}/64`],
          },
          ...(pod === 'a' ? [{ segment: 'blue', interface: 'net2', addresses: ['10.2.0.1/24'] }] : []),
        ],
      })),
    )) as [Pod, Pod, Pod]
    const world = new World(lab, manifests, backend, { a, ok, bad })
    await manifests.save('cluster', world.cluster())
    return world
  }

  get daemon(): DaemonProcess {
    if (this.#daemon === undefined) throw new Error('no daemon has been started')
    return this.#daemon
  }

  get traffic(): Traffic {
    if (this.#traffic === undefined) throw new Error('no traffic has been started')
    return this.#traffic
  }

  /** @returns when it is ready */
  async startDaemon(
    flags: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<DaemonProcess> {
    const daemon = await this.launchDaemon(flags, env)
    await daemon.ready()
    return daemon
  }

  /** @returns when the process runs */
  async launchDaemon(
    flags: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<DaemonProcess> {
    const common = [`--manifests=${this.manifests.directory}`, '--hostname-override=n1', '--log-level=debug']
    const backend = this.backend === 'nftables' ? [] : [`--backend=${this.backend}`]
    this.#daemon = await DaemonProcess.start([...common, ...backend, ...flags], env)
    return this.#daemon
  }

  /** Starts the streams, and the connection, of `ok` and `bad`: the rules must be there. @param packetsPerSecond of each stream */
  async startTraffic(packetsPerSecond: number): Promise<Traffic> {
    this.#traffic = await Traffic.start(this, packetsPerSecond)
    return this.#traffic
  }

  /** Puts a file in place, and waits until the daemon has dealt with it. */
  async save(name: string, objects: readonly KubeObject[]): Promise<void> {
    const seen = this.daemon.log.length
    await this.manifests.save(name, objects)
    await this.daemon.settled(seen)
  }

  /** All that is no policy. */
  cluster(changes: Changes = {}): readonly KubeObject[] {
    const { ghosts = {}, teams = {}, blue } = { blue: 'macvlan', ...changes }
    const { a, ok, bad } = this.pods
    const numbers = Array.from({ length: GHOSTS }, (_, number) => number)
    const red = { red: 'x/red', blue: 'x/blue' }
    return [
      namespace('x', 'x'),
      namespace('z', 'z'),
      ...numbers.map((number) => namespace(`m${number}`, teams[number] ?? `m${number}`)),
      networkObject('x', 'red'),
      ...(blue === undefined ? [] : [networkObject('x', 'blue', blue)]),
      podObject(a, { namespace: 'x', labels: { app: 'a' }, networks: red, node: 'n1' }),
      podObject(ok, { namespace: 'x', labels: { app: 'ok' }, networks: red, node: 'n1' }),
      podObject(bad, { namespace: 'z', labels: { app: 'bad' }, networks: red, node: 'n1' }),
      ...numbers.map((number) => ghost('x', `g${number}`, ghosts[number] ?? `g${number}`, 100 + number)),
      ...numbers.map((number) => ghost(`m${number}`, 'm', `m${number}`, 150 + number)),
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon?.[Symbol.asyncDispose]()
    await this.manifests[Symbol.asyncDispose]()
    await this.lab[Symbol.asyncDispose]()
  }
}

function namespace(name: string, team: string): KubeObject {
  return { kind: 'Namespace', apiVersion: 'v1', metadata: { name, labels: { team } } }
}

function ghost(inNamespace: string, name: string, app: string, host: number): KubeObject {
  const status = [{ name: 'x/red', interface: 'net1', ips: [`10.1.0.${host}`, `fd00:1::${host}`] }]
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      name,
      namespace: inNamespace,
      labels: { app },
      annotations: { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) },
    },
    spec: { nodeName: 'n2', containers: [{ name: 'main', image: 'none' }] },
  }
}

export const OK = { podSelector: { matchLabels: { app: 'ok' } } } as const

export interface PolicySpec {
  /** The label `app` of the pods of namespace x that it governs; default a. */
  readonly app?: string
  readonly types?: readonly ('Ingress' | 'Egress')[]
  readonly policyFor?: string
  /** One rule each, the same for both directions. */
  readonly rules: readonly { readonly peers: readonly unknown[]; readonly ports?: readonly unknown[] }[]
}

/** A policy of namespace x that governs `a` unless told otherwise, with the same peers and ports for what comes in and what goes out. */
export function governA(name: string, { app, types, policyFor, rules }: PolicySpec): KubeObject {
  const portsOf = (ports: readonly unknown[] | undefined) => (ports === undefined ? {} : { ports })
  return policyObject('x', name, policyFor ?? 'red', {
    podSelector: { matchLabels: { app: app ?? 'a' } },
    policyTypes: types ?? ['Ingress', 'Egress'],
    ingress: rules.map(({ peers, ports }) => ({ from: peers, ...portsOf(ports) })),
    egress: rules.map(({ peers, ports }) => ({ to: peers, ...portsOf(ports) })),
  })
}

/** Allows `ok` and nobody else. */
export const ALLOW_OK: KubeObject = governA('p', { rules: [{ peers: [OK] }] })
