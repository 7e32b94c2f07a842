/**
 * A full node of a large cluster: a real kube-apiserver with so many pods of other nodes, this node's 110 pods as network
 * namespaces, 10 policies on each, and the daemon as a DaemonSet runs it, with its ServiceAccount's token in place.
 */
import { mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { DaemonProcess } from '../daemon.ts'
import { manyPods, tenPolicies } from '../full-node.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { type KubeObject, networkObject, podObject } from '../manifests.ts'
import { type ControlPlane, startControlPlane } from './control-plane.ts'

const WORKERS = 16
const TIERS = 20
const DEPLOY = join(import.meta.dirname, '../../deploy')

export class FullNode implements AsyncDisposable {
  readonly cp: ControlPlane
  readonly lab: Lab
  /** The node's own, in tier `t0` to `t19` by turns. */
  readonly pods: readonly Pod[]
  readonly #resources: AsyncDisposableStack
  readonly #account: ServiceAccountFiles

  private constructor(
    parts: Pick<FullNode, 'cp' | 'lab' | 'pods'> & {
      readonly resources: AsyncDisposableStack
      readonly account: ServiceAccountFiles
    },
  ) {
    this.cp = parts.cp
    this.lab = parts.lab
    this.pods = parts.pods
    this.#resources = parts.resources
    this.#account = parts.account
  }

  /** @param remotePods how many pods of other nodes are in the API; 10,000 take a minute and more to create */
  static async create(remotePods: number): Promise<FullNode> {
    await using resources = new AsyncDisposableStack()
    const cp = resources.use(await startControlPlane())
    const lab = resources.use(await Lab.create('full'))
    for (const file of ['crds.yaml', 'rbac.yaml']) await cp.apply(await readFile(join(DEPLOY, file), 'utf8'))
    const pods = await manyPods(lab)
    await cp.apply(yaml([networkObject('default', 'red'), ...tenPolicies()]))
    const local = pods.map((pod, index) =>
      podObject(pod, { node: 'full', labels: { tier: `t${index % TIERS}` } }),
    )
    await createPods(cp, local.length, (index) => local[index] ?? remotePod(index))
    await createPods(cp, remotePods, remotePod)
    const account = resources.use(await serviceAccountFiles(cp))
    return new FullNode({ cp, lab, pods, account, resources: resources.move() })
  }

  /** @param command what to start it with, such as {@link ContainerLimits.command} */
  async startDaemon(command: readonly string[] = [], flags: readonly string[] = []): Promise<DaemonProcess> {
    const { env, command: withFiles } = this.#account
    return await DaemonProcess.start(['--hostname-override=full', '--netns-annotation', ...flags], env, [
      ...command,
      ...withFiles,
    ])
  }

  async apply(...objects: readonly KubeObject[]): Promise<void> {
    await this.cp.apply(yaml(objects))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]()
  }
}

function yaml(objects: readonly KubeObject[]): string {
  return objects.map((each) => JSON.stringify(each)).join('\n---\n')
}

async function createPods(
  cp: ControlPlane,
  count: number,
  make: (index: number) => KubeObject,
): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const { metadata, spec } = make(index) as {
        metadata: { name: string; labels: Record<string, string>; annotations: Record<string, string> }
        spec: { nodeName: string }
      } & KubeObject
      const { name, labels, annotations } = metadata
      await cp.createPod({ name, labels, annotations, node: spec.nodeName })
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
}

function remotePod(index: number): KubeObject {
  const host = `${100 + Math.floor(index / 250 / 200)}.${Math.floor(index / 250) % 200}.${(index % 250) + 1}`
  const status = [
    { name: 'cbr0', interface: 'eth0', ips: [`10.244.${host.split('.').slice(1).join('.')}`], default: true },
    { name: 'default/red', interface: 'net1', ips: [`10.${host}`], mac: '02:00:00:00:00:01' },
  ]
  return {
    kind: 'Pod',
    metadata: {
      name: `remote-${index}`,
      labels: {
        app: `app-${index % 200}`,
        tier: `t${index % TIERS}`,
        'pod-template-hash': `hash${index % 500}`,
      },
      annotations: { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) },
    },
    spec: { nodeName: `node-${index % 100}` },
  }
}

interface ServiceAccountFiles extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>
  readonly command: readonly string[]
}

/** The files and variables that the kubelet gives a pod, for a process that is started in their sight. */
async function serviceAccountFiles(cp: ControlPlane): Promise<ServiceAccountFiles> {
  const directory = await mkdtemp(join(tmpdir(), 'service-account-'))
  const made = await mkdir('/run/secrets', { recursive: true })
  const kubeconfig = parse(
    await readFile(await cp.serviceAccountKubeconfig('kube-system', 'multi-networkpolicy'), 'utf8'),
  ) as {
    readonly users: readonly { readonly user: { readonly token: string } }[]
  }
  await writeFile(join(directory, 'token'), kubeconfig.users[0]?.user.token ?? '')
  await writeFile(join(directory, 'ca.crt'), cp.ca)
  await writeFile(join(directory, 'namespace'), 'kube-system')
  const place = '/var/run/secrets/kubernetes.io/serviceaccount'
  const script = `mount -t tmpfs none /run/secrets && mkdir -p ${place} && mount --bind ${directory} ${place} && exec "$@"`
  const { hostname, port } = new URL(cp.url)
  return {
    env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
    command: ['unshare', '--mount', 'sh', '-c', script, 'sh'],
    [Symbol.asyncDispose]: async () => {
      await rm(directory, { recursive: true, force: true })
      if (made !== undefined) await rmdir('/run/secrets')
    },
  }
}
