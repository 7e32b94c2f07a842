/**
 * Pods that start while the daemon runs, in the order in which kubelet and multus start them: the object, the sandbox,
 * within it the interfaces and network-status, then the containers. Each sends to a peer from its first instruction on;
 * what arrives there is counted in the peer's own netns.
 */
import { stat } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { execa } from 'execa'
import { DaemonProcess, type LogLine } from '../daemon.ts'
import { type KubeObject, networkObject, policyObject } from '../manifests.ts'
import { type Containerd, type Pod, startContainerd } from './containerd.ts'
import type { Attached } from './multus.ts'
import { cniConfigDirectory } from './networks.ts'
import type { PodStore } from './pod-store.ts'

export const NAMESPACE = 'shop'
const NETWORK = 'macvlan'

/** Unix times in ms. */
export interface Launched {
  readonly pod: Pod
  /** When the container is told to start. */
  readonly started: number
  /** Just before the store was asked to take network-status. */
  readonly annotated: number
  /** When it had taken it, and the CNI plugin could end. */
  readonly taken: number
  /** The first instruction of the container. */
  readonly running: number
}

export interface NewPodsOptions {
  readonly store: PodStore
  readonly policies: readonly KubeObject[]
  /** Has every sandbox wait for the daemon, which puts the CNI plugin there itself. */
  readonly gate?: boolean
  /** More flags for the daemon. */
  readonly flags?: readonly string[]
}

export class NewPods implements AsyncDisposable {
  readonly containerd: Containerd
  readonly daemon: DaemonProcess
  readonly #store: PodStore
  readonly #peer: Pod
  readonly #annotated: ReadonlyMap<string, { readonly asked: number; readonly taken: number }>
  readonly #resources: AsyncDisposableStack

  private constructor(
    parts: Pick<NewPods, 'containerd' | 'daemon'>,
    store: PodStore,
    peer: Pod,
    annotated: ReadonlyMap<string, { readonly asked: number; readonly taken: number }>,
    resources: AsyncDisposableStack,
  ) {
    this.containerd = parts.containerd
    this.daemon = parts.daemon
    this.#store = store
    this.#peer = peer
    this.#annotated = annotated
    this.#resources = resources
  }

  /** A node with a peer that no policy selects, and the daemon at its work. */
  static async start({ store, policies, gate = false, flags = [] }: NewPodsOptions): Promise<NewPods> {
    await using resources = new AsyncDisposableStack()
    const times = new Map<string, { readonly asked: number; readonly taken: number }>()
    const annotate = async (attached: Attached): Promise<void> => {
      const asked = now()
      await store.annotate(attached.spec, networkStatus(attached))
      times.set(attached.sandboxId, { asked, taken: now() })
    }
    const containerd = resources.use(await startContainerd({ annotate, gate }))
    await store.keep([networkObject(NAMESPACE, NETWORK), ...policies])
    const daemon = resources.use(
      await DaemonProcess.start([
        ...store.flags,
        '--hostname-override=n1',
        `--container-runtime-endpoint=${containerd.endpoint}`,
        `--host-prefix=${containerd.node.root}`,
        '--log-level=debug',
        ...(gate ? [...GATE, `--cni-bin-dir=${containerd.pluginDirectory}`] : []),
        ...flags,
      ]),
    )
    await daemon.ready(120_000)
    const peer = await containerd.runPod(await announce(store, 'peer', { app: 'peer' }))
    await execa('nsenter', [`--net=${netnsOf(containerd, peer)}`, 'nft', '-f', '-'], { input: COUNTER })
    return new NewPods({ containerd, daemon }, store, peer, times, resources.move())
  }

  /** One pod from its object to its first container's first instruction, with nothing in between. */
  async launch(name: string, labels: Labels = { app: 'client' }): Promise<Launched> {
    const pod = await this.sandbox(name, labels)
    return await this.startIn(pod, 'main')
  }

  /** The pod with its sandbox and no container yet. */
  async sandbox(name: string, labels: Labels = { app: 'client' }): Promise<Pod> {
    return await this.containerd.runPod(await announce(this.#store, name, labels))
  }

  /**
   * Starts a container that sends to the peer from its first instruction; resolves when it has tried for a while. An
   * init container is one like any other to the runtime, only an earlier one. It does not end, or its file would go.
   */
  async startIn(pod: Pod, name: string): Promise<Launched> {
    const times = this.#annotated.get(pod.sandboxId)
    if (times === undefined) throw new Error(`network-status of ${pod.spec.name} was never written`)
    const started = now()
    const id = await this.containerd.runContainer(pod, name, sender(addressOf(this.#peer)))
    const running = await this.#timeOf(id, 'started')
    await this.#timeOf(id, 'tried')
    return { pod, started, annotated: times.asked, taken: times.taken, running }
  }

  /** When the daemon said that the pod is as desired, Unix time in ms; waits for it. */
  async enforced({ spec }: Pod, timeoutMs = 60_000): Promise<number> {
    const said = new RegExp(`^${spec.namespace}/${spec.name}: as desired$`)
    const line = await this.daemon.logged(said, timeoutMs)
    return Date.parse((line as LogLine & { readonly time: string }).time)
  }

  /** As a pod goes: the sandbox, its interfaces and addresses, the object. */
  async remove(pod: Pod): Promise<void> {
    await this.containerd.stopPod(pod)
    await this.containerd.removePod(pod)
    await this.#store.remove(pod.spec)
  }

  /** How many packets of the pod have arrived at the peer. */
  async arrived(pod: Pod): Promise<number> {
    const list = ['nft', '-j', 'list', 'set', 'inet', 'arrivals', 'senders']
    const { stdout } = await execa('nsenter', [`--net=${netnsOf(this.containerd, this.#peer)}`, ...list])
    const listing: Listing = JSON.parse(stdout)
    const elements = listing.nftables.flatMap((each) => each.set?.elem ?? [])
    return elements.find(({ elem }) => elem.val === addressOf(pod))?.elem.counter.packets ?? 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }

  /** When the container made that file; waits for it. */
  async #timeOf(containerId: string, file: string): Promise<number> {
    const tasks = '/run/containerd/io.containerd.runtime.v2.task/k8s.io'
    const path = `${this.containerd.node.root}${tasks}/${containerId}/rootfs/${file}`
    for (;;) {
      const found = await stat(path).catch(() => undefined)
      if (found !== undefined) return found.mtimeMs
      await setTimeout(2)
    }
  }
}

type Labels = Readonly<Record<string, string>>

interface Listing {
  readonly nftables: readonly {
    readonly set?: {
      readonly elem?: readonly {
        readonly elem: { readonly val: string; readonly counter: { readonly packets: number } }
      }[]
    }
  }[]
}

/** Long enough for a slow machine: a time-out is a failed sandbox, and never a packet. */
const GATE: readonly string[] = [
  '--new-pod-gate=/run/mnpd-gate',
  '--new-pod-gate-timeout=20',
  `--cni-conf-dir=${cniConfigDirectory}`,
]

const COUNTER = `
table inet arrivals {
  set senders { type ipv4_addr; flags dynamic; size 65535; counter; }
  chain input {
    type filter hook input priority -300; policy accept;
    icmp type echo-request add @senders { ip saddr }
  }
}`

/**
 * A thousand packets a second from the first instruction on. Where they are dropped on their way out, ping ends with an
 * error at the first one, and is started again at once.
 */
function sender(to: string): readonly string[] {
  const ping = `/bin/busybox ping -q -c 100 -i 0.001 -W 1 ${to} >/dev/null 2>&1`
  const rounds = 'for round in 1 2 3 4 5 6 7 8 9 10'
  const script = `: >/started; ${rounds}; do ${ping}; done; : >/tried; exec /bin/busybox sleep 1000000`
  return ['/bin/busybox', 'sh', '-c', script]
}

async function announce(store: PodStore, name: string, labels: Labels): Promise<PodSpecWithNetworks> {
  const uid = await store.create({ namespace: NAMESPACE, name }, labels)
  return { namespace: NAMESPACE, name, uid, networks: [NETWORK] }
}

type PodSpecWithNetworks = Parameters<Containerd['runPod']>[0]

/** As multus writes it, the cluster's network first. */
export function networkStatus({ spec, attachments }: Attached): string {
  return JSON.stringify(
    attachments.map(({ interface: link, addresses, mac }, index) => ({
      name: index === 0 ? 'cluster' : `${spec.namespace}/${spec.networks?.[index - 1]}`,
      interface: link,
      ips: addresses.map((address) => address.split('/')[0]),
      mac,
      ...(index === 0 ? { default: true } : {}),
      dns: {},
    })),
  )
}

/** Ten that isolate the pods of app client in both directions, none of which ever lets a packet to the peer pass. */
export function tenPolicies(): readonly KubeObject[] {
  return Array.from({ length: 10 }, (_, index) => {
    const peers = [
      { podSelector: { matchLabels: { tier: `t${index}` } } },
      { ipBlock: { cidr: `10.9${index}.0.0/16`, except: [`10.9${index}.1.0/24`] } },
    ]
    return policyObject(NAMESPACE, `p${index}`, NETWORK, {
      podSelector: { matchLabels: { app: 'client' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: index === 0 ? [] : [{ from: peers, ports: [{ port: 8000 + index }] }],
      egress: index === 0 ? [] : [{ to: peers, ports: [{ port: 8000 + index }] }],
    })
  })
}

function addressOf({ attachments }: Pod): string {
  return attachments[0]?.addresses[0]?.split('/')[0] ?? ''
}

/** As it can be opened from outside the node, where `/var/run` is no link to `/run`. */
export function netnsOf(containerd: Containerd, { netns }: Pick<Pod, 'netns'>): string {
  return containerd.node.root + netns.replace('/var/run/', '/run/')
}

function now(): number {
  return performance.timeOrigin + performance.now()
}
