/**
 * What an operator applies, run for real: the shipped manifest on a real API server, the image under exactly the
 * manifest's limits, capabilities and mounts on a real containerd, packets between pods beside it.
 */
import { readdir, readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { policyObject } from '../manifests.ts'
import type { Pod } from '../runtime/containerd.ts'
import { Cluster } from './cluster.ts'
import type { DaemonPod } from './daemon-pod.ts'
import { type DaemonSet, daemonSetOf, overlay, shipped } from './daemonset.ts'

const DUMP = '/var/lib/multi-networkpolicy'

let cluster: Cluster
let daemonSet: DaemonSet
let daemon: DaemonPod
let client: Pod
let server: Pod
let before: readonly string[]

beforeAll(async () => {
  cluster = await Cluster.start()
  const yaml = await shipped()
  daemonSet = daemonSetOf(yaml)
  await cluster.api.apply(yaml)
  await cluster.namespace('shop')
  client = await cluster.pod('shop', 'client')
  server = await cluster.pod('shop', 'server')
  before = await filesOfNode()
  daemon = await cluster.run(daemonSet)
})

afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
})

/** What there is of the node that can be written, each with its time, but for what the runtime and kubelet write. */
async function filesOfNode(): Promise<readonly string[]> {
  const { root } = cluster.containerd.node
  const places = ['/run', '/var/lib'].map((path) => root + path)
  const own = [
    'run/containerd*',
    'run/kubelet*',
    'run/netns*',
    'run/runc*',
    'run/cni*',
    'var/lib/containerd*',
    'var/lib/cni*',
  ]
  const leftOut = own.flatMap((pattern) => ['-not', '-path', `${root}/${pattern}`])
  const { stdout } = await execa('find', [
    ...places,
    '-mindepth',
    '1',
    '-xdev',
    ...leftOut,
    '-printf',
    '%p %T@\\n',
  ])
  return stdout.split('\n').map((line) => line.slice(root.length))
}

/** But for those that let ICMP pass, which is what the packets here are. */
function uncommented(yaml: string): string {
  return yaml.replaceAll(/^( +)# (- --(?!accept-icmp))/gm, '$1$2')
}

async function deny(app: string): Promise<void> {
  const spec = { podSelector: { matchLabels: { app } }, policyTypes: ['Ingress'] }
  await cluster.api.apply(JSON.stringify(policyObject('shop', `deny-${app}`, 'macvlan', spec)))
}

test('is healthy and ready within its limits of processor time and memory', async () => {
  const began = performance.now()
  await daemon.until('healthy', async () => (await daemon.status('/healthz')) === 200)
  const healthy = performance.now() - began
  await daemon.ready()
  const ready = performance.now() - began
  console.log(
    `healthy after ${Math.round(healthy)} ms, ready after ${Math.round(ready)} ms of a tenth of a core`,
  )
})

test('enforces a policy, and a pod that is made after the daemon', async () => {
  expect(await cluster.reaches(client, server)).toBe(true)
  const began = performance.now()
  await deny('server')
  await daemon.until('dropped', async () => !(await cluster.reaches(client, server)))
  console.log(`dropped ${Math.round(performance.now() - began)} ms after the policy`)
  await deny('later')
  const later = await cluster.pod('shop', 'later')
  await daemon.until('dropped', async () => !(await cluster.reaches(client, later)))
})

test('runs with what the manifest gives it and no more', async () => {
  const status = await readFile(`/proc/${await daemon.pid()}/status`, 'utf8')
  // CAP_NET_ADMIN is bit 12, CAP_NET_RAW 13, CAP_SYS_PTRACE 19, CAP_SYS_ADMIN 21 (linux/capability.h).
  const given = ((1 << 12) | (1 << 13) | (1 << 19) | (1 << 21)).toString(16).padStart(16, '0')
  expect(status).toContain(`CapEff:\t${given}`)
  expect(status).toContain(`CapBnd:\t${given}`)
  expect(status).toContain('NoNewPrivs:\t1')
  expect(status).toContain('Seccomp:\t2')
})

test('listens on loopback alone', async () => {
  const connect = ['-c', 'exec 3<>/dev/tcp/10.10.0.1/9453']
  await expect(cluster.containerd.node.run('bash', connect)).rejects.toThrow(/refused/)
})

test('can write neither its own root nor the node’s', async () => {
  for (const path of ['/written', '/opt/mnpd/written', '/host/written', '/host/etc/written'])
    await expect(daemon.exec('touch', path), path).rejects.toThrow(/Read-only file system/)
})

test('writes the dump and nothing else of the node', async () => {
  const pods = join(cluster.containerd.node.root, DUMP, 'iptables')
  await daemon.until('dumped', async () => (await readdir(pods)).includes(server.spec.uid))
  const written = (await filesOfNode()).filter((line) => !before.includes(line))
  expect(written.length).toBeGreaterThan(0)
  expect(written.filter((line) => !line.startsWith(DUMP))).toEqual([])
})

test('stays far from its limit of memory', async () => {
  const peak = (await daemon.memoryPeak()) / 2 ** 20
  // The first process is the shell that hands on signals.
  const first = await daemon.pid()
  const node = (await readFile(`/proc/${first}/task/${first}/children`, 'utf8')).trim()
  const status = await readFile(`/proc/${node}/status`, 'utf8')
  const resident = Number(/VmHWM:\s+([0-9]+)/.exec(status)?.[1]) / 2 ** 10
  console.log(
    `${peak.toFixed(1)} MiB charged at most, ${resident.toFixed(1)} MiB resident at most, of 150 MiB`,
  )
  expect(peak).toBeLessThan(120)
  expect(resident).toBeLessThan(120)
})

test('goes on without the right to write Events', async () => {
  const role = '/apis/rbac.authorization.k8s.io/v1/clusterroles/multi-networkpolicy'
  const { rules } = (await cluster.api.api('GET', role)) as unknown as {
    rules: { resources: string[] }[]
  }
  await cluster.api.api('PATCH', role, {
    rules: rules.filter(({ resources }) => !resources.includes('events')),
  })
  const spec = {
    podSelector: { matchLabels: { app: 'client' } },
    ingress: [{ from: [{ ipBlock: { cidr: 'x' } }] }],
  }
  await cluster.api.apply(JSON.stringify(policyObject('shop', 'bad', 'macvlan', spec)))
  await daemon.logged(/Events cannot be written/)
  await daemon.until('enforced', async () => !(await cluster.reaches(server, client)))
  await cluster.api.apply(await shipped('rbac.yaml'))
})

test('is replaced without a gap: ends when told to, and the rules stay', async () => {
  expect(await daemon.stop()).toBe(0)
  expect(await cluster.reaches(client, server)).toBe(false)
  daemon = await cluster.run(daemonSet)
  await daemon.ready()
  expect(await cluster.reaches(client, server)).toBe(false)
})

test.each([
  ['the overlay nftables', () => overlay('nftables')],
  ['the overlay iptables', () => overlay('iptables')],
  ['every argument that the manifest has as a comment', async () => uncommented(await shipped())],
])('%s is run as well', async (_, yaml) => {
  await daemon.stop()
  daemon = await cluster.run(daemonSetOf(await yaml()))
  await daemon.ready()
  expect(await cluster.reaches(client, server)).toBe(false)
})

test('the DaemonSet in use today, word for word, runs it as well', async () => {
  await daemon.stop()
  const yaml = await readFile(join(import.meta.dirname, 'seed.yaml'), 'utf8')
  await cluster.api.apply(yaml)
  daemon = await cluster.run(daemonSetOf(yaml))
  await deny('another')
  // That one names no node: it is the one of the host's name.
  const another = await cluster.pod('shop', 'another', hostname().toLowerCase())
  await daemon.until('dropped', async () => !(await cluster.reaches(client, another)))
  const netns = `--net=${cluster.netns(another)}`
  expect((await execa('nsenter', [netns, 'iptables-save'])).stdout).toContain(':MULTI-INGRESS')
})

test('the overlay gated puts the CNI plugin on the node, whose root it can read only', async () => {
  await daemon.stop()
  // Of paths that end with the node.
  const yaml = (await overlay('gated'))
    .replaceAll('/opt/cni/bin', '/run/opt/cni/bin')
    .replaceAll('/etc/cni/net.d', '/run/etc/cni/net.d')
  daemon = await cluster.run(daemonSetOf(yaml))
  await daemon.ready()
  const plugin = await readFile(join(cluster.containerd.node.root, 'run/opt/cni/bin/mnpd-gate'), 'utf8')
  expect(plugin).toContain('directory=/run/multi-networkpolicyd\n')
  await expect(daemon.exec('touch', '/host/opt/written')).rejects.toThrow(/Read-only file system/)
})
