import { stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { type ContainerRuntime, type CriOptions, connectCri } from '../../../../src/apply/netns/cri.ts'
import { type FakeCri, fakeCri, sandbox } from './fake-cri.ts'
import { someNetns } from './some-netns.ts'

const web = { namespace: 'default', name: 'web', uid: 'web-uid' }
const never = new AbortController().signal

function connect(cri: FakeCri, but: Partial<CriOptions> = {}): ContainerRuntime {
  return connectCri({ endpoint: cri.socket, hostPrefix: '', ...but })
}

/** What containerd and CRI-O write under `info`, less what nobody reads. */
function info({ path, pid }: { path?: string; pid?: number }): string {
  const namespaces = [{ type: 'pid' }, { type: 'network', path }]
  return JSON.stringify({ pid, image: 'pause:3', runtimeSpec: { linux: { namespaces } } })
}

test('the namespace the runtime names is found, and told apart by its inode', async () => {
  await using netns = await someNetns()
  await using cri = await fakeCri({ sandboxes: [sandbox({ info: info({ path: netns.path }) })] })
  await using runtime = connect(cri)
  const { dev, ino } = await stat(netns.path, { bigint: true })
  expect(await runtime.sandboxOf(web, never)).toEqual({
    kind: 'found',
    path: netns.path,
    netns: { device: dev, inode: ino },
    sandboxId: 'a1',
  })
  expect(cri.calls).toEqual(['ListPodSandbox', 'PodSandboxStatus'])
})

test('the host prefix stands before the path', async () => {
  await using netns = await someNetns()
  await using cri = await fakeCri({ sandboxes: [sandbox({ info: info({ path: netns.path }) })] })
  await using runtime = connect(cri, { hostPrefix: '/proc/self/root/' })
  const path = `/proc/self/root${netns.path}`
  expect(await runtime.sandboxOf(web, never)).toMatchObject({ kind: 'found', path })
})

test('where the path is an empty file, the mount having not propagated, the sandbox process leads there', async () => {
  await using netns = await someNetns()
  await using cri = await fakeCri({ sandboxes: [] })
  const path = join(dirname(cri.socket), 'cni-1')
  await writeFile(path, '')
  cri.runtime.sandboxes = [sandbox({ info: info({ path, pid: netns.pid }) })]
  await using runtime = connect(cri)
  expect(await runtime.sandboxOf(web, never)).toMatchObject({ kind: 'found', path: netns.path })
})

test('where the runtime tells no more than the state, a running container leads there', async () => {
  await using netns = await someNetns()
  const containers = ['no JSON', info({}), info({ pid: netns.pid })]
  await using cri = await fakeCri({ sandboxes: [sandbox({ containers })] })
  await using runtime = connect(cri)
  expect(await runtime.sandboxOf(web, never)).toMatchObject({ kind: 'found', path: netns.path })
  expect(cri.calls.slice(2)).toEqual([
    'ListContainers',
    'ContainerStatus',
    'ContainerStatus',
    'ContainerStatus',
  ])
})

test('of two ready sandboxes the newest is taken', async () => {
  await using older = await someNetns()
  await using newer = await someNetns()
  const before = sandbox({ id: 'a1', createdAt: 1_700_000_000_000_000_001n, info: info({ pid: older.pid }) })
  const after = sandbox({ id: 'a2', createdAt: 1_700_000_000_000_000_002n, info: info({ pid: newer.pid }) })
  await using cri = await fakeCri({ sandboxes: [] })
  await using runtime = connect(cri)
  for (const sandboxes of [
    [before, after],
    [after, before],
  ]) {
    cri.runtime.sandboxes = sandboxes
    expect(await runtime.sandboxOf(web, never)).toMatchObject({ path: newer.path, sandboxId: 'a2' })
  }
})

test.each([
  ['none', []],
  ['one that is not ready', [sandbox({ state: 1 })]],
  ['one of another pod', [sandbox({ uid: 'other-uid' })]],
])('%s: no sandbox, whether or not the runtime filters', async (_, sandboxes) => {
  await using cri = await fakeCri({ sandboxes })
  await using runtime = connect(cri)
  for (cri.runtime.ignoresFilters of [false, true]) {
    expect(await runtime.sandboxOf(web, never)).toEqual({ kind: 'no-sandbox' })
  }
})

test.each([
  ['gone', () => undefined],
  ['stopped', () => sandbox({ state: 1 })],
])('a sandbox that is %s once its status is asked for is no sandbox', async (_, statusOf) => {
  await using cri = await fakeCri({ sandboxes: [sandbox()], statusOf })
  await using runtime = connect(cri)
  expect(await runtime.sandboxOf(web, never)).toEqual({ kind: 'no-sandbox' })
})

test('another pod, or another sandbox, under the uid asked for is never taken', async () => {
  await using netns = await someNetns()
  const told = { info: info({ path: netns.path, pid: netns.pid }) }
  await using cri = await fakeCri({ sandboxes: [] })
  await using runtime = connect(cri)

  cri.runtime.sandboxes = [sandbox({ ...told, name: 'db' })]
  expect(await runtime.sandboxOf(web, never)).toEqual({
    kind: 'unavailable',
    reason: 'sandbox a1 is of default/db (web-uid), asked was default/web (web-uid)',
  })
  cri.runtime.sandboxes = [sandbox(told)]
  cri.runtime.statusOf = () => sandbox({ ...told, uid: 'other-uid' })
  expect(await runtime.sandboxOf(web, never)).toMatchObject({
    reason: 'sandbox a1 is of default/web (other-uid), asked was default/web (web-uid)',
  })
  cri.runtime.statusOf = () => sandbox({ ...told, id: 'a2' })
  expect(await runtime.sandboxOf(web, never)).toMatchObject({
    reason: 'asked for sandbox a1, was told of a2',
  })
})

test("a pod on the node's network is said to be, by mode or by what the namespace is", async () => {
  await using netns = await someNetns()
  const own = '/proc/self/ns/net'
  const nodes = [
    sandbox({ network: 2, info: info({ path: netns.path }) }),
    sandbox({ info: info({ path: own }) }),
    sandbox({ info: info({ pid: process.pid }) }),
  ]
  await using cri = await fakeCri({ sandboxes: [] })
  await using runtime = connect(cri)
  for (const node of nodes) {
    cri.runtime.sandboxes = [node]
    expect(await runtime.sandboxOf(web, never)).toEqual({ kind: 'host-network', sandboxId: 'a1' })
  }
})

test.each([
  ['nothing', undefined],
  ['no JSON', '{"pid":'],
  ['JSON of another shape', '{"pid":"7","runtimeSpec":{"linux":{"namespaces":{"type":"network"}}}}'],
  ['no pid', '{"pid":0,"runtimeSpec":null}'],
  ['a path that is not absolute', info({ path: 'ns/net' })],
])('%s for information makes the lookup unavailable', async (_, text) => {
  await using cri = await fakeCri({ sandboxes: [sandbox({ info: text })] })
  await using runtime = connect(cri)
  expect(await runtime.sandboxOf(web, never)).toEqual({
    kind: 'unavailable',
    reason: 'network namespace of sandbox a1: the runtime tells neither a path nor a process',
  })
})

test('files that are no network namespace are named, each with why', async () => {
  const containers = [info({ pid: 2 ** 40 })]
  const path = '/proc/version'
  await using cri = await fakeCri({ sandboxes: [sandbox({ info: info({ path }), containers })] })
  await using runtime = connect(cri)
  expect(await runtime.sandboxOf(web, never)).toEqual({
    kind: 'unavailable',
    reason: expect.stringMatching(
      /sandbox a1: \/proc\/version is no namespace \(.*\), \/proc\/1099511627776\/ns\/net is absent$/,
    ),
  })
})

test('an endpoint that is no socket path is refused at once', () => {
  expect(() => connectCri({ endpoint: 'tcp://127.0.0.1:1', hostPrefix: '' })).toThrow(RangeError)
})
