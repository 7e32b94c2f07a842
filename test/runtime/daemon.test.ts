/**
 * The daemon beside a real container runtime: it finds the pods' network namespaces over CRI, as it does on a node, and
 * packets are sent between the pods' macvlan interfaces.
 */
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { type KubeObject, Manifests, networkObject, policyObject } from '../manifests.ts'
import { type Containerd, type Pod, startContainerd } from './containerd.ts'

let containerd: Containerd
let manifests: Manifests
let daemon: DaemonProcess
let client: Pod
let server: Pod

beforeAll(async () => {
  containerd = await startContainerd()
  manifests = await Manifests.create()
  client = await run('client', 0)
  server = await run('server', 0)
  await saveCluster()
  await manifests.save('policies', [policy([])])
  daemon = await DaemonProcess.start([
    `--manifests=${manifests.directory}`,
    '--hostname-override=n1',
    `--container-runtime-endpoint=${containerd.endpoint}`,
    `--host-prefix=${containerd.node.root}`,
    '--log-level=debug',
  ])
  await daemon.ready()
})

afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await manifests?.[Symbol.asyncDispose]()
  await containerd?.[Symbol.asyncDispose]()
})

function run(name: string, attempt: number): Promise<Pod> {
  return containerd.runPod({ namespace: 'shop', name, uid: `uid-${name}`, attempt, networks: ['macvlan'] })
}

/** The annotation for a netns names one that is not there: with a runtime named by flag nobody reads it. */
function podObject({ spec, attachments }: Pod): KubeObject {
  const status = attachments.map((each) => ({
    name: 'shop/macvlan',
    interface: each.interface,
    ips: each.addresses.map((address) => address.split('/')[0]),
    mac: each.mac,
  }))
  const annotations = {
    'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status),
    'multi-networkpolicyd/netns': '/proc/1/ns/net',
  }
  const metadata = {
    namespace: spec.namespace,
    name: spec.name,
    uid: spec.uid,
    labels: { app: spec.name },
    annotations,
  }
  return { kind: 'Pod', apiVersion: 'v1', metadata, spec: {} }
}

function policy(from: readonly string[]): KubeObject {
  const peers = from.map((app) => ({ podSelector: { matchLabels: { app } } }))
  return policyObject('shop', 'p', 'macvlan', {
    podSelector: { matchLabels: { app: 'server' } },
    policyTypes: ['Ingress'],
    ingress: peers.length === 0 ? [] : [{ from: peers }],
  })
}

async function saveCluster(): Promise<void> {
  await manifests.save('cluster', [networkObject('shop', 'macvlan'), podObject(client), podObject(server)])
}

async function change(act: () => Promise<unknown>): Promise<void> {
  const seen = daemon.log.length
  await act()
  await daemon.settled(seen)
}

function path({ netns }: Pod): string {
  return containerd.node.root + netns.replace('/var/run/', '/run/')
}

async function reaches(): Promise<boolean> {
  const address = server.attachments[0]?.addresses[0]?.split('/')[0] ?? ''
  const ping = ['ping', '-n', '-c', '1', '-W', '0.5', '-I', 'net1', address]
  const { exitCode } = await execa('nsenter', [`--net=${path(client)}`, ...ping], { reject: false })
  return exitCode === 0
}

test('enforces in the namespaces that the runtime names', async () => {
  expect(await reaches()).toBe(false)
  await change(() => manifests.save('policies', [policy(['client'])]))
  expect(await reaches()).toBe(true)
  await change(() => manifests.save('policies', [policy(['other'])]))
  expect(await reaches()).toBe(false)
})

test('follows a pod into the sandbox that is made anew for it', async () => {
  await containerd.stopPod(server)
  server = await run('server', 1)
  await change(saveCluster)
  expect(await reaches()).toBe(false)
  await change(() => manifests.save('policies', [policy(['client'])]))
  expect(await reaches()).toBe(true)
})

test('what is edited while the runtime is away is enforced all the same', async () => {
  await containerd.kill()
  await change(() => manifests.save('policies', [policy(['other'])]))
  expect(await reaches()).toBe(false)
  await containerd.start()
  await change(() => manifests.save('policies', [policy(['client'])]))
  expect(await reaches()).toBe(true)
})

test('a pod that the runtime does not know is an Issue, whatever its annotation says', async () => {
  const ghost = podObject({ ...server, spec: { ...server.spec, name: 'ghost', uid: 'uid-ghost' } })
  const labels = { ...(ghost['metadata'] as Record<string, unknown>), labels: { app: 'server' } }
  await manifests.save('ghost', [{ ...ghost, metadata: labels }])
  await daemon.logged(/Pod shop\/ghost: .*the container runtime has no ready sandbox for the pod/)
  const { stdout } = await execa('nft', ['list', 'tables'])
  expect(stdout).not.toContain('multi_networkpolicy')
})
