/**
 * A real containerd on a test node, to run pods on as kubelet does: sandboxes over CRI, containers in
 * them, secondary interfaces as multus would attach them. Needs root, containerd, runc,
 * containernetworking-plugins and a static busybox; nothing is pulled.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { type CriClient, openClient } from '../../src/apply/netns/cri-client.ts'
import { listPodSandbox, type Method } from '../../src/apply/netns/cri-messages.ts'
import { GATE_PLUGIN } from '../../src/apply/netns/gate-plugin.ts'
import {
  createContainer,
  imageStatus,
  type PodSandboxConfig,
  removePodSandbox,
  runPodSandbox,
  startContainer,
  stopPodSandbox,
} from './cri-calls.ts'
import { busyboxImage, imageName } from './image.ts'
import { type Annotate, type Multus, multusType, startMultus } from './multus.ts'
import {
  type Attachment,
  attach,
  cniConfigDirectory,
  cniPlugins,
  layNetworks,
  type SecondaryPlugin,
} from './networks.ts'
import { type Node, type Running, startNode } from './node.ts'

export interface PodSpec {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** How often kubelet has made a sandbox for this pod before. */
  readonly attempt?: number
  readonly hostNetwork?: boolean
  /** Secondary networks, attached in order as net1, net2, … */
  readonly networks?: readonly SecondaryPlugin[]
}

export interface Pod {
  readonly spec: PodSpec
  readonly sandboxId: string
  /** The namespace's path on the node as containerd has it; empty on the node's network. */
  readonly netns: string
  readonly attachments: readonly Attachment[]
}

export interface Containerd extends AsyncDisposable {
  readonly node: Node
  /** On the node: what `--container-runtime-endpoint` is to the daemon, `node.root` being its `--host-prefix`. */
  readonly endpoint: string
  /** On the node: what `--cni-bin-dir` is to the daemon. */
  readonly pluginDirectory: string
  /** All of these reject when containerd refuses. */
  runPod(spec: PodSpec): Promise<Pod>
  stopPod(pod: Pod): Promise<void>
  removePod(pod: Pod): Promise<void>
  /** Starts a container that waits, or runs `command`, and resolves to its id. */
  runContainer(pod: Pod, name: string, command?: readonly string[]): Promise<string>
  /** Runs `ctr` in Kubernetes' namespace and resolves to what it prints. */
  ctr(...args: readonly string[]): Promise<string>
  /** As a crash does: the pods live on. */
  kill(): Promise<void>
  /** After `kill`: resolves once it answers again. */
  start(): Promise<void>
}

const endpoint = '/run/containerd/containerd.sock'
const configFile = '/run/containerd.toml'
const logFile = '/run/containerd.log'

export interface ContainerdOptions {
  /**
   * Has multus attach the secondary networks and write network-status while the sandbox is made, as on a real node;
   * without it they are attached when the sandbox is there.
   */
  readonly annotate?: Annotate
  /** Has the daemon's own CNI plugin, which it puts into `pluginDirectory`, run after multus. */
  readonly gate?: boolean
}

export async function startContainerd({
  annotate,
  gate = false,
}: ContainerdOptions = {}): Promise<Containerd> {
  await using started = new AsyncDisposableStack()
  const node = started.use(await startNode())
  const multus = annotate && started.use(await startMultus(node, annotate))
  const socketPath = () => Promise.resolve(node.root + endpoint)
  const client = started.use(openClient({ socketPath, deadlineMs: 60_000 }))
  const last = gate ? [{ type: GATE_PLUGIN }] : []
  await layNetworks(node, multus && [{ type: multusType }, ...last])
  const pluginDirectory = multus?.pluginDirectory ?? cniPlugins
  await writeFile(node.root + configFile, config(pluginDirectory))
  const daemon = daemonOn(node, client)
  await daemon.start()
  const ctr = (...args: readonly string[]) => node.run('ctr', ['--namespace', 'k8s.io', ...args])
  await importImage(node, client)
  const all = started.move()
  return {
    node,
    endpoint,
    pluginDirectory,
    ctr,
    ...daemon,
    ...pods(node, client, ctr, multus),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

function daemonOn(node: Node, client: CriClient): Pick<Containerd, 'start' | 'kill'> {
  let running: Running | undefined
  return {
    async start() {
      running = node.start('sh', ['-c', `exec containerd --config ${configFile} >>${logFile} 2>&1`])
      const ended = running.ended.then(async () => {
        throw new Error(`containerd ended:\n${await readFile(node.root + logFile, 'utf8')}`)
      })
      ended.catch(() => undefined)
      await Promise.race([ended, untilAnswered(client, listPodSandbox, { filter: undefined })])
    },
    async kill() {
      await running?.kill()
    },
  }
}

/** The CRI plugin learns of an image by containerd's events, so a little after it is there. */
async function importImage(node: Node, client: CriClient): Promise<void> {
  const args = ['--namespace', 'k8s.io', 'images', 'import', '--snapshotter', 'native', '-']
  await node.run('ctr', args, { input: await busyboxImage() })
  await untilAnswered(
    client,
    imageStatus,
    { image: { image: imageName } },
    ({ image }) => image !== undefined,
  )
}

type Pods = Pick<Containerd, 'runPod' | 'stopPod' | 'removePod' | 'runContainer'>

function pods(node: Node, client: CriClient, ctr: Containerd['ctr'], multus: Multus | undefined): Pods {
  return {
    async runPod(spec) {
      multus?.expect(spec)
      const { podSandboxId: sandboxId } = await must(client, runPodSandbox, {
        config: sandboxConfig(node, spec),
      })
      const netns = netnsOf(JSON.parse(await ctr('containers', 'info', sandboxId)))
      if (multus !== undefined) {
        const secondary = multus.attachmentsOf(sandboxId).slice(1)
        return { spec, sandboxId, netns, attachments: secondary }
      }
      const attachments: Attachment[] = []
      for (const [index, plugin] of (spec.networks ?? []).entries()) {
        attachments.push(await attach(node, plugin, { sandboxId, netns, interface: `net${index + 1}` }))
      }
      return { spec, sandboxId, netns, attachments }
    },
    async stopPod({ sandboxId }) {
      await must(client, stopPodSandbox, { podSandboxId: sandboxId })
    },
    async removePod({ sandboxId }) {
      await must(client, removePodSandbox, { podSandboxId: sandboxId })
    },
    async runContainer({ sandboxId, spec }, name, command = []) {
      const config = { metadata: { name, attempt: 0 }, image: { image: imageName }, command }
      const question = { podSandboxId: sandboxId, config, sandboxConfig: sandboxConfig(node, spec) }
      const { containerId } = await must(client, createContainer, question)
      await must(client, startContainer, { containerId })
      return containerId
    },
  }
}

/** As kubelet fills it in, as far as runtimes look. */
function sandboxConfig(node: Node, spec: PodSpec): PodSandboxConfig {
  const { namespace, name, uid, attempt = 0, hostNetwork = false } = spec
  const namespaceOptions = { network: hostNetwork ? 2 : 0, pid: 1 }
  return {
    metadata: { namespace, name, uid, attempt },
    hostname: hostNetwork ? '' : name,
    labels: new Map([
      ['io.kubernetes.pod.namespace', namespace],
      ['io.kubernetes.pod.name', name],
      ['io.kubernetes.pod.uid', uid],
    ]),
    linux: { cgroupParent: `${node.cgroupParent}/pod${uid}`, securityContext: { namespaceOptions } },
  }
}

interface ContainerInfo {
  readonly Spec: {
    readonly linux: { readonly namespaces: readonly { readonly type: string; readonly path?: string }[] }
  }
}

function netnsOf({ Spec }: ContainerInfo): string {
  return Spec.linux.namespaces.find(({ type }) => type === 'network')?.path ?? ''
}

const never = new AbortController().signal

async function must<Q, A>(client: CriClient, method: Method<Q, A>, question: Q): Promise<A> {
  const reply = await client.call(method, question, never)
  if (reply.kind === 'answer') return reply.answer
  throw new Error(reply.kind === 'failed' ? reply.reason : `${method.path}: not found`)
}

async function untilAnswered<Q, A>(
  client: CriClient,
  method: Method<Q, A>,
  question: Q,
  good: (answer: A) => boolean = () => true,
): Promise<void> {
  for (;;) {
    const reply = await client.call(method, question, never)
    if (reply.kind === 'answer' && good(reply.answer)) return
    await setTimeout(10)
  }
}

/**
 * `native` copies instead of mounting, so that any file system will do; scores below zero for the
 * out-of-memory killer need a capability that sandboxed test machines lack.
 */
const config = (pluginDirectory: string): string => `
version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.overlayfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${endpoint}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${imageName}"
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "${pluginDirectory}"
  conf_dir = "${cniConfigDirectory}"
`
