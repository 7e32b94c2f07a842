/**
 * A cluster of one node, as an operator has it before anything of ours is applied: a real API server, and a node with a
 * real containerd and two pods on a macvlan network. The daemon's image is on the node; what starts it is the DaemonSet.
 */
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { execa } from 'execa'
import { type CriClient, openClient } from '../../src/apply/netns/cri-client.ts'
import { type ControlPlane, startControlPlane } from '../kube/control-plane.ts'
import { networkObject } from '../manifests.ts'
import { type Containerd, type Pod, startContainerd } from '../runtime/containerd.ts'
import { imageStatus } from '../runtime/cri-calls.ts'
import { DaemonPod } from './daemon-pod.ts'
import type { DaemonSet } from './daemonset.ts'
import { forwardOnNode, forwardToLoopback } from './forward.ts'
import { IMAGE, IMAGE_FILE } from './image-file.ts'

export const NODE_NAME = 'worker-1'
const NODE_JS = join(import.meta.dirname, '../../node_modules/node/bin/node')
const ACCOUNT = '/api/v1/namespaces/kube-system/serviceaccounts/multi-networkpolicy/token'

export class Cluster implements AsyncDisposable {
  readonly api: ControlPlane
  readonly containerd: Containerd
  readonly cri: CriClient
  readonly #resources: AsyncDisposableStack
  #daemons = 0

  private constructor(
    api: ControlPlane,
    containerd: Containerd,
    cri: CriClient,
    resources: AsyncDisposableStack,
  ) {
    this.api = api
    this.containerd = containerd
    this.cri = cri
    this.#resources = resources
  }

  static async start(): Promise<Cluster> {
    await using started = new AsyncDisposableStack()
    const api = started.use(await startControlPlane())
    const containerd = started.use(await startContainerd())
    const { node } = containerd
    // As systemd leaves it; else no mount could be asked for with propagation.
    await node.run('mount', ['--make-rshared', '/'])
    const port = Number(new URL(api.url).port)
    const socket = join(api.directory, 'forward')
    const server = forwardToLoopback(port, socket)
    started.defer(() => void server.close())
    node.start(NODE_JS, forwardOnNode(port, socket))
    const cri = started.use(
      openClient({ socketPath: async () => node.root + containerd.endpoint, deadlineMs: 120_000 }),
    )
    await containerd.ctr('images', 'import', '--snapshotter', 'native', IMAGE_FILE)
    const image = { image: { image: IMAGE } }
    for (;;) {
      const reply = await cri.call(imageStatus, image, new AbortController().signal)
      if (reply.kind === 'answer' && reply.answer.image !== undefined) break
      await setTimeout(50)
    }
    return new Cluster(api, containerd, cri, started.move())
  }

  /** Makes a pod on the node and tells the API of it, as kubelet and multus do. */
  async pod(namespace: string, name: string, node: string = NODE_NAME): Promise<Pod> {
    const object = await this.api.createPod({ name, namespace, node, labels: { app: name } })
    const { uid } = object.metadata
    const pod = await this.containerd.runPod({ namespace, name, uid, networks: ['macvlan'] })
    const status = pod.attachments.map((each) => ({
      name: `${namespace}/macvlan`,
      interface: each.interface,
      ips: each.addresses.map((address) => address.split('/')[0]),
      mac: each.mac,
    }))
    const annotations = { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) }
    await this.api.api('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}`, { metadata: { annotations } })
    return pod
  }

  /** A namespace with the network's definition in it. */
  async namespace(name: string): Promise<void> {
    await this.api.createNamespace(name)
    await this.api.apply(JSON.stringify(networkObject(name, 'macvlan')))
  }

  /** Starts a DaemonSet's pod on the node, as its kubelet would. It may end by itself. */
  async run(daemonSet: DaemonSet): Promise<DaemonPod> {
    const { status } = (await this.api.api('POST', ACCOUNT, {
      spec: { expirationSeconds: 3600 },
    })) as unknown as {
      status: { token: string }
    }
    return await DaemonPod.start(this.cri, daemonSet, {
      node: this.containerd.node,
      nodeName: NODE_NAME,
      uid: `daemon-${++this.#daemons}`,
      image: IMAGE,
      apiPort: Number(new URL(this.api.url).port),
      serviceAccount: { token: status.token, 'ca.crt': this.api.ca, namespace: 'kube-system' },
      configMap: async (name) => {
        const object = await this.api.api('GET', `/api/v1/namespaces/kube-system/configmaps/${name}`)
        return object['data'] as Record<string, string>
      },
    })
  }

  /** Whether a packet gets from one pod to the other over the secondary network. */
  async reaches(from: Pod, to: Pod): Promise<boolean> {
    const address = to.attachments[0]?.addresses[0]?.split('/')[0] ?? ''
    const ping = ['ping', '-n', '-c', '1', '-W', '0.5', '-I', 'net1', address]
    const { exitCode } = await execa('nsenter', [`--net=${this.netns(from)}`, ...ping], { reject: false })
    return exitCode === 0
  }

  /** What nft lists in the pod's network namespace. */
  async tables(pod: Pod): Promise<string> {
    return (await execa('nsenter', [`--net=${this.netns(pod)}`, 'nft', 'list', 'tables'])).stdout
  }

  /** As the test can open it. */
  netns({ netns }: Pod): string {
    return this.containerd.node.root + netns.replace('/var/run/', '/run/')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }
}
