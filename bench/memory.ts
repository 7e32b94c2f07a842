/**
 * Resident memory with 10,000 pods in the API: a real etcd and kube-apiserver, the daemon as a DaemonSet runs it, with
 * the token and certificate of its ServiceAccount in their place (in a mount namespace of its own), and 110 pods here.
 */
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parse } from 'yaml'
import { DaemonProcess } from '../test/daemon.ts'
import { type ControlPlane, startControlPlane } from '../test/kube/control-plane.ts'
import { Lab } from '../test/lab/lab.ts'
import { type KubeObject, networkObject, podObject } from '../test/manifests.ts'
import type { Figure } from './figures.ts'
import { manyPods, tenPolicies } from './start.ts'
import { residentMemory } from './yardstick.ts'

/** `PODS=100000` for a cluster of the largest size; its creation takes most of an hour. */
const REMOTE_PODS = Number(process.env['PODS'] ?? 10_000)
const WORKERS = 16
const SAMPLES = 20

export async function memory(): Promise<readonly Figure[]> {
  await using cp = await startControlPlane()
  await using lab = await Lab.create('memory')
  const deploy = join(import.meta.dirname, '../deploy')
  for (const file of ['crds.yaml', 'rbac.yaml']) await cp.apply(await readFile(join(deploy, file), 'utf8'))
  const local = await manyPods(lab)
  await cp.apply(
    [networkObject('default', 'red'), ...tenPolicies()].map((each) => JSON.stringify(each)).join('\n---\n'),
  )
  for (const pod of local) await create(cp, podObject(pod, { node: 'bench' }))
  await createMany(cp)
  await using credentials = await serviceAccountFiles(cp)
  await using daemon = await DaemonProcess.start(
    ['--hostname-override=bench'],
    credentials.env,
    credentials.command,
  )
  await daemon.ready(120_000)
  const samples: number[] = []
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    samples.push(residentMemory(daemon.pid))
    await setTimeout(250)
  }
  const where = `with ${REMOTE_PODS.toLocaleString('en')} pods in the API, ${local.length} of the node's own`
  return [
    { name: `resident memory ${where}`, unit: 'MiB', samples },
    { name: `its peak, the first list included, ${where}`, unit: 'MiB', samples: [peakMemory(daemon.pid)] },
  ]
}

/** The most resident memory that a process ever had, MiB. */
function peakMemory(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

async function createMany(cp: ControlPlane): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < REMOTE_PODS; index = next++) {
      if (index % 2_000 === 0) console.error(`  ${index} of ${REMOTE_PODS} pods created`)
      await create(cp, remotePod(index))
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
}

async function create(cp: ControlPlane, object: KubeObject): Promise<void> {
  const { name, labels, annotations } = object['metadata'] as {
    name: string
    labels: Record<string, string>
    annotations: Record<string, string>
  }
  const { nodeName = 'elsewhere' } = object['spec'] as { nodeName?: string }
  await cp.createPod({ name, labels, annotations, node: nodeName })
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
        tier: `t${index % 20}`,
        'pod-template-hash': `hash${index % 500}`,
      },
      annotations: { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) },
    },
    spec: { nodeName: `node-${index % 100}` },
  }
}

/** The files and variables that the kubelet gives a pod, for a process that is started in their sight. */
async function serviceAccountFiles(cp: ControlPlane) {
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
