/** What becomes of rules while pods come again under their names, and their runtime is away or wrong. */
import { execa } from 'execa'
import { afterEach, expect, test } from 'vitest'
import { connectCri } from '../../src/apply/netns/cri.ts'
import { hostView } from '../../src/apply/netns/cri-host.ts'
import type { NetnsLocator } from '../../src/apply/netns/locate.ts'
import { netnsSearch } from '../../src/apply/netns/search.ts'
import { searchingLocator } from '../../src/apply/netns/search-locator.ts'
import type { Pod } from '../../src/compile/model.ts'
import { isUnreadable } from '../../src/watch/parse/metadata.ts'
import { parsePod } from '../../src/watch/parse/pod.ts'
import { DaemonProcess } from '../daemon.ts'
import { type KubeObject, Manifests, networkObject, policyObject } from '../manifests.ts'
import { type FakeSandbox, fakeCri, sandbox } from '../unit/apply/netns/fake-cri.ts'
import { type SomeNetns, someNetns } from '../unit/apply/netns/some-netns.ts'
import { startContainerd } from './containerd.ts'
import type { Attached } from './multus.ts'
import { NAMESPACE, NewPods, netnsOf, networkStatus, tenPolicies } from './new-pods.ts'
import { manifestStore } from './pod-store.ts'

let resources = new AsyncDisposableStack()

afterEach(async () => {
  await resources.disposeAsync()
  resources = new AsyncDisposableStack()
})

/** The table of ours as it is listed, without counters; empty where there is none. */
async function tableIn(netns: string): Promise<string> {
  const list = ['nft', '--stateless', 'list', 'table', 'inet', 'multi_networkpolicy']
  const { stdout } = await execa('nsenter', [`--net=${netns}`, ...list], { reject: false })
  return stdout
}

test('a pod that is gone and comes again under its name has its rules in its own namespace, the old one too', async () => {
  const store = resources.use(await manifestStore())
  const pods = resources.use(await NewPods.start({ store, policies: tenPolicies() }))
  const before = await pods.sandbox('web')
  await pods.enforced(before)
  const old = netnsOf(pods.containerd, before)
  const rules = await tableIn(old)
  expect(rules).toContain(`"pod ${NAMESPACE}/web"`)

  // It moved: its object is gone, its sandbox not yet.
  await store.remove(before.spec)
  const after = await pods.sandbox('web')
  expect(after.spec.uid).not.toBe(before.spec.uid)
  const now = netnsOf(pods.containerd, after)
  await pods.daemon.until('the new one is governed', async () => (await tableIn(now)) !== '', 30_000)
  expect(await tableIn(now)).toBe(rules)
  expect(await tableIn(old)).toBe(rules)
})

test("a namespace' path that comes to mean another pod's leads no rules there, and takes none away", async () => {
  const store = resources.use(await manifestStore())
  const pods = resources.use(await NewPods.start({ store, policies: tenPolicies() }))
  const [a, b] = [await pods.sandbox('a'), await pods.sandbox('b')]
  for (const pod of [a, b]) await pods.enforced(pod)
  const { node } = pods.containerd
  const { stdout: inA } = await execa('stat', ['--dereference', '--format=%i', netnsOf(pods.containerd, a)])
  await node.run('umount', [a.netns])
  await node.run('mount', ['--bind', b.netns, a.netns])
  expect((await execa('stat', ['--format=%i', netnsOf(pods.containerd, a)])).stdout).not.toBe(inA)
  await store.keep([networkObject(NAMESPACE, 'macvlan'), ...tenPolicies().slice(0, 5)])
  const path = netnsOf(pods.containerd, b)
  await pods.daemon.until(
    'the edit stands in b',
    async () => !(await tableIn(path)).includes(`${NAMESPACE}/p9`),
    30_000,
  )
  await pods.daemon.logged(/Pod shop\/a: .*is that of pod shop\/b, whose rules stand there/)
  expect(await tableIn(path)).toContain(`"pod ${NAMESPACE}/b"`)
})

/** Two pods in namespaces of their own, of which a runtime tells that answers as it is told to. */
async function fakeNode() {
  const netns = { a: resources.use(await someNetns()), b: resources.use(await someNetns()) }
  const told = (name: 'a' | 'b', inside: SomeNetns): FakeSandbox =>
    sandbox({
      id: `sandbox-${name}`,
      namespace: NAMESPACE,
      name,
      uid: `uid-${name}`,
      info: JSON.stringify({ pid: inside.pid }),
    })
  const truth = [told('a', netns.a), told('b', netns.b)]
  const cri = resources.use(await fakeCri({ sandboxes: truth }))
  const manifests = resources.use(await Manifests.create())
  await manifests.save('pods', [networkObject(NAMESPACE, 'macvlan'), podObject('a'), podObject('b')])
  await manifests.save('policy', [policy(1)])
  const daemon = resources.use(
    await DaemonProcess.start([
      `--manifests=${manifests.directory}`,
      '--hostname-override=n1',
      `--container-runtime-endpoint=${cri.socket}`,
      '--sync-period=1',
      '--log-level=debug',
    ]),
  )
  const rules = async (name: 'a' | 'b'): Promise<string> => await tableIn(netns[name].path)
  await daemon.until(
    'both are governed',
    async () => (await rules('a')) !== '' && (await rules('b')) !== '',
    30_000,
  )
  return { cri, netns, told, truth, manifests, daemon, rules }
}

function podObject(name: string): KubeObject {
  const status = [{ name: 'macvlan', interface: 'net1', ips: ['10.20.0.9'], mac: '02:00:00:00:00:09' }]
  const annotations = { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) }
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { namespace: NAMESPACE, name, uid: `uid-${name}`, annotations },
    spec: {},
  }
}

function policy(version: number): KubeObject {
  return policyObject(NAMESPACE, `version-${version}`, 'macvlan', { podSelector: {}, ingress: [] })
}

test('a runtime that names the namespace of another pod, or another pod, changes nothing for either', async () => {
  const { cri, netns, told, manifests, daemon, rules } = await fakeNode()
  const before = await rules('a')
  cri.runtime.sandboxes = [told('a', netns.b), told('b', netns.b)]
  await daemon.logged(/Pod shop\/a: .*is that of pod shop\/b, whose rules stand there/, 30_000)
  await manifests.save('policy', [policy(2)])
  await daemon.until('the edit stands in b', async () => (await rules('b')).includes('version-2'), 30_000)
  expect(await rules('b')).toContain('"pod shop/b"')
  expect(await rules('a')).toBe(before)

  cri.runtime.sandboxes = [{ ...told('a', netns.b), name: 'b' }, told('b', netns.b)]
  await daemon.logged(/Pod shop\/a: .*asked was shop\/a/, 30_000)
  expect(await rules('a')).toBe(before)
})

test('while the runtime is slow, answers what nobody can read, or is gone, the rules stay', async () => {
  const { cri, truth, manifests, daemon, rules } = await fakeNode()
  const before = { a: await rules('a'), b: await rules('b') }
  const slow = Promise.withResolvers<void>()
  cri.runtime.until = slow.promise
  await daemon.logged(/Pod shop\/a: .*the container runtime does not tell/, 60_000)
  await manifests.save('policy', [policy(2)])
  cri.runtime.rawAnswer = new Uint8Array([0xff, 0xff, 0xff])
  slow.resolve()
  await daemon.logged(/Pod shop\/b: .*the container runtime does not tell/, 60_000)
  cri.kill()
  await daemon.logged(/does not tell: .*UNAVAILABLE/, 60_000)
  expect({ a: await rules('a'), b: await rules('b') }).toEqual(before)

  delete cri.runtime.rawAnswer
  cri.runtime.sandboxes = truth
  await cri.start()
  for (const name of ['a', 'b'] as const)
    await daemon.until(`${name} catches up`, async () => (await rules(name)).includes('version-2'), 60_000)
})

test('while the runtime is down, a pod is found by its control group, and one without processes by its links', async () => {
  const statuses = new Map<string, string>()
  const annotate = async (attached: Attached): Promise<void> =>
    void statuses.set(attached.spec.uid, networkStatus(attached))
  const containerd = resources.use(await startContainerd({ annotate }))
  const { node, endpoint } = containerd
  const view = hostView(node.root)
  const local: Pod[] = []
  const search = netnsSearch({ view, localPods: () => local, ownerOf: async () => 'none' })
  const runtime = resources.use(connectCri({ endpoint, hostPrefix: node.root }))
  const locator = searchingLocator({ runtime, view, search })
  const specs = ['a', 'b'].map((name) => ({
    namespace: 'shop',
    name,
    uid: `uid-${name}`,
    networks: ['macvlan'] as const,
  }))
  for (const spec of specs) await containerd.runPod(spec)
  for (const { namespace, name, uid } of specs) {
    const annotations = { 'k8s.v1.cni.cncf.io/network-status': statuses.get(uid) }
    const pod = parsePod({ metadata: { namespace, name, uid, annotations } }, 'n1')
    if (!isUnreadable(pod)) local.push(pod)
  }
  const told = await ids(locator, local)
  expect(new Set(told).size).toBe(2)

  await containerd.kill()
  expect(await ids(locator, local)).toEqual(told)
  // The same for a search that has never heard of them, and whose control groups are of pods that it does not know.
  const strangers = local.map((pod) => ({
    ...pod,
    uid: `${pod.uid}-unknown`,
    runtimeUid: `${pod.uid}-unknown`,
  }))
  const fresh = netnsSearch({ view, localPods: () => strangers, ownerOf: async () => 'none' })
  expect(await ids(searchingLocator({ runtime, view, search: fresh }), strangers)).toEqual(told)
})

async function ids(locator: NetnsLocator, pods: readonly Pod[]): Promise<readonly string[]> {
  const found: string[] = []
  for (const pod of pods) {
    const located = await locator.locate(pod, new AbortController().signal)
    found.push(located.kind === 'found' ? located.netns.id : located.reason)
    if (located.kind === 'found') await located.netns[Symbol.asyncDispose]()
  }
  return found
}
