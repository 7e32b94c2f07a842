import { stat } from 'node:fs/promises'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ContainerRuntime, connectCri, type SandboxLookup } from '../../src/apply/netns/cri.ts'
import { findEndpoint } from '../../src/apply/netns/cri-endpoint.ts'
import { type Containerd, type Pod, startContainerd } from './containerd.ts'

let containerd: Containerd
let runtime: ContainerRuntime

beforeAll(async () => {
  containerd = await startContainerd()
  runtime = connectCri({ endpoint: containerd.endpoint, hostPrefix: containerd.node.root })
})

afterAll(async () => {
  await runtime?.[Symbol.asyncDispose]()
  await containerd?.[Symbol.asyncDispose]()
})

function lookUp(pod: { namespace: string; name: string; uid: string }): Promise<SandboxLookup> {
  return runtime.sandboxOf(pod, new AbortController().signal)
}

/** What must be found: the namespace that containerd made for the sandbox, looked at from the node. */
async function netnsOf({ netns }: Pod): Promise<bigint> {
  const inode = await containerd.node.run('stat', ['--dereference', '--format=%i', netns])
  return BigInt(inode)
}

async function links(path: string): Promise<string[]> {
  const { stdout } = await execa('nsenter', [`--net=${path}`, 'ip', '-json', 'address'])
  const interfaces: { ifname: string; addr_info: { local: string }[] }[] = JSON.parse(stdout)
  return interfaces.map(({ ifname, addr_info }) => `${ifname} ${addr_info[0]?.local}`)
}

test("a pod's namespace is the one that holds its secondary interfaces", async () => {
  const spec = { namespace: 'default', name: 'web', uid: 'uid-web' }
  const pod = await containerd.runPod({ ...spec, networks: ['macvlan', 'bridge'] })
  const lookup = await lookUp(spec)
  const path = containerd.node.root + pod.netns.replace('/var/run/', '/run/')
  expect(lookup).toMatchObject({ kind: 'found', path, sandboxId: pod.sandboxId })
  if (lookup.kind !== 'found') return
  expect(lookup.netns.inode).toBe(await netnsOf(pod))
  expect((await stat(lookup.path, { bigint: true })).ino).toBe(lookup.netns.inode)
  const addresses = pod.attachments.map((attachment) => attachment.addresses[0]?.split('/')[0])
  expect(await links(lookup.path)).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^eth0 10\.10\.0\./),
      `net1 ${addresses[0]}`,
      `net2 ${addresses[1]}`,
    ]),
  )
})

test('without mount propagation, the namespace is found through the sandbox process', async () => {
  const spec = { namespace: 'default', name: 'unseen', uid: 'uid-unseen' }
  const pod = await containerd.runPod(spec)
  const hostPrefix = containerd.node.rootWithoutPropagation
  await using daemonSet = connectCri({ endpoint: containerd.endpoint, hostPrefix })
  const lookup = await daemonSet.sandboxOf(spec, new AbortController().signal)
  expect(lookup).toMatchObject({
    kind: 'found',
    path: expect.stringMatching(new RegExp(`^${hostPrefix}/proc/\\d+/ns/net$`)),
    netns: { inode: await netnsOf(pod) },
  })
})

test('two pods have two namespaces, and a container starting changes neither', async () => {
  const specs = ['a', 'b'].map((name) => ({ namespace: 'two', name, uid: `uid-two-${name}` }))
  const pods = await Promise.all(specs.map((spec) => containerd.runPod(spec)))
  const before = await Promise.all(specs.map(lookUp))
  expect(before.map((lookup) => lookup.kind === 'found' && lookup.netns.inode)).toEqual(
    await Promise.all(pods.map(netnsOf)),
  )
  for (const pod of pods) await containerd.runContainer(pod, 'main')
  expect(await Promise.all(specs.map(lookUp))).toEqual(before)
})

test('a pod that is not there has no sandbox; nor has another pod that says it has this uid', async () => {
  await containerd.runPod({ namespace: 'default', name: 'real', uid: 'uid-real' })
  expect(await lookUp({ namespace: 'default', name: 'real', uid: 'uid-unknown' })).toEqual({
    kind: 'no-sandbox',
  })
  expect(await lookUp({ namespace: 'default', name: 'false', uid: 'uid-real' })).toEqual({
    kind: 'unavailable',
    reason: expect.stringMatching(/is of default\/real \(uid-real\), asked was default\/false \(uid-real\)$/),
  })
})

test("a pod on the node's network is said to be", async () => {
  const spec = { namespace: 'kube-system', name: 'proxy', uid: 'uid-proxy' }
  const { sandboxId } = await containerd.runPod({ ...spec, hostNetwork: true })
  expect(await lookUp(spec)).toEqual({ kind: 'host-network', sandboxId })
})

test('a stopped sandbox is none; one made anew for the same pod is found, in a namespace of its own', async () => {
  const spec = { namespace: 'default', name: 'again', uid: 'uid-again' }
  const first = await containerd.runPod(spec)
  const before = await lookUp(spec)
  expect(before).toMatchObject({ kind: 'found', sandboxId: first.sandboxId })

  await containerd.stopPod(first)
  expect(await lookUp(spec)).toEqual({ kind: 'no-sandbox' })

  const second = await containerd.runPod({ ...spec, attempt: 1, networks: ['macvlan'] })
  expect(await lookUp(spec)).toMatchObject({
    kind: 'found',
    path: containerd.node.root + second.netns.replace('/var/run/', '/run/'),
    netns: { inode: await netnsOf(second) },
    sandboxId: second.sandboxId,
  })
  await containerd.removePod(first)
  expect(await lookUp(spec)).toMatchObject({ sandboxId: second.sandboxId })
})

test('of two sandboxes that are both ready the newest is taken', async () => {
  const spec = { namespace: 'default', name: 'both', uid: 'uid-both' }
  await containerd.runPod(spec)
  const { sandboxId } = await containerd.runPod({ ...spec, attempt: 1 })
  expect(await lookUp(spec)).toMatchObject({ kind: 'found', sandboxId })
})

test('containerd killed under the client is unavailable; restarted, it is found again, the pod as it was', async () => {
  const spec = { namespace: 'default', name: 'survivor', uid: 'uid-survivor' }
  await containerd.runPod({ ...spec, networks: ['macvlan'] })
  const before = await lookUp(spec)
  await containerd.kill()
  expect(await lookUp(spec)).toMatchObject({
    kind: 'unavailable',
    reason: expect.stringContaining('UNAVAILABLE'),
  })
  await containerd.start()
  await expect.poll(() => lookUp(spec), { timeout: 10_000 }).toEqual(before)
})

test('the endpoint is found by looking for it', async () => {
  expect(await findEndpoint(containerd.node.root)).toEqual({ kind: 'found', endpoint: containerd.endpoint })
})
