/**
 * Whose namespace is whose, where only the kernel and the pods' annotations tell: real namespaces, whose links a pod's
 * network-status tells rightly or claims.
 */
import { mkdtempDisposable, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hostView } from '../../src/apply/netns/cri-host.ts'
import type { NamedNetns } from '../../src/apply/netns/netns-directory.ts'
import { identityText, type Located } from '../../src/apply/netns/open-netns.ts'
import { type NetnsSearch, netnsSearch, type Owner, type Silence } from '../../src/apply/netns/search.ts'
import { nameOf, type Pod } from '../../src/compile/model.ts'
import { isUnreadable } from '../../src/watch/parse/metadata.ts'
import { parsePod } from '../../src/watch/parse/pod.ts'
import { type SomeNetns, someNetns } from '../unit/apply/netns/some-netns.ts'

const view = hostView('')
let resources: AsyncDisposableStack
let directory: string
/** Of this node, as compiled. */
let pods: Pod[]
/** What the rules that stand in a namespace say, by its id. */
let owners: Map<string, Pod>
let time: number
let search: NetnsSearch

beforeEach(async () => {
  resources = new AsyncDisposableStack()
  directory = resources.use(await mkdtempDisposable(join(tmpdir(), 'mnpd-netns-'))).path
  pods = []
  owners = new Map()
  time = 0
  search = netnsSearch({
    view,
    localPods: () => pods,
    directories: [directory],
    now: () => time,
    ownerOf: async (netns, pod): Promise<Owner> => {
      const owner = owners.get(netns.id)
      return owner === undefined ? 'none' : owner === pod ? 'this pod' : 'another pod'
    },
  })
})

afterEach(async () => {
  await resources.disposeAsync()
})

/** A namespace as a runtime keeps it, with eth0 and the links named. */
async function sandbox(name: string, links: Readonly<Record<string, string>>): Promise<SomeNetns> {
  const netns = resources.use(await someNetns())
  await symlink(netns.path, join(directory, name))
  for (const [link, mac] of Object.entries({ eth0: randomMac(), ...links })) await plug(netns, link, mac)
  return netns
}

let made = 0

async function plug(netns: SomeNetns, link: string, mac: string): Promise<void> {
  const args = ['link', 'add', link, 'address', mac, 'type', 'veth', 'peer', 'name', `peer${made++}`]
  await execa('nsenter', [`--net=${netns.path}`, 'ip', ...args])
}

function randomMac(): string {
  return `02:00:00:00:${(made >> 8).toString(16).padStart(2, '0')}:${(made++ & 255).toString(16).padStart(2, '0')}`
}

/** A pod of this node whose network-status tells of those links. */
function pod(name: string, links: Readonly<Record<string, string>>): Pod {
  const status = Object.entries(links).map(([link, mac]) => ({ name: 'red', interface: link, mac, ips: [] }))
  const annotations = { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) }
  const parsed = parsePod({ metadata: { name, namespace: 'shop', uid: `uid-${name}`, annotations } }, 'n1')
  if (isUnreadable(parsed)) throw new Error(name)
  pods.push(parsed)
  return parsed
}

async function find(whose: Pod, silence: Silence = 'no answer'): Promise<Located> {
  const located = await search.find(whose, silence, new AbortController().signal)
  if (located.kind === 'found') await located.netns[Symbol.asyncDispose]()
  return located
}

async function idOf(netns: SomeNetns): Promise<string> {
  const file = await view.identify(netns.path)
  return file.kind === 'netns' ? identityText(file.identity) : 'none'
}

/** As a runtime tells it. */
async function named(name: string): Promise<NamedNetns> {
  const path = join(directory, name)
  const file = await view.identify(path)
  if (file.kind !== 'netns') throw new Error(name)
  return { path, identity: file.identity }
}

async function isIn(located: Located, netns: SomeNetns): Promise<boolean> {
  return located.kind === 'found' && located.netns.id === (await idOf(netns))
}

test('a pod is found by the names and MAC addresses of all its interfaces', async () => {
  const [a, b] = [
    { net1: randomMac(), net2: randomMac() },
    { net1: randomMac(), net2: randomMac() },
  ]
  const [, second] = [await sandbox('cni-a', a), await sandbox('cni-b', b)]
  expect(await isIn(await find(pod('b', b)), second)).toBe(true)
  expect(await find(pod('mixed', { net1: a.net1, net2: b.net2 }))).toMatchObject({ kind: 'unknown' })
  expect(await find(pod('swapped', { net1: b.net2, net2: b.net1 }), 'no sandbox yet')).toMatchObject({
    kind: 'absent',
    reason: 'no network namespace has the interfaces of network-status',
  })
})

test('of two pods that tell of the same interface neither has it, the elder neither', async () => {
  const links = { net1: randomMac() }
  await sandbox('cni-b', links)
  const [thief, owner] = [pod('a', links), pod('b', links)]
  expect(await find(thief)).toMatchObject({ reason: expect.stringContaining('pod shop/b claims it too') })
  expect(await find(owner)).toMatchObject({ reason: expect.stringContaining('pod shop/a claims it too') })
})

test('what the runtime has said counts, for the pod and against whoever claims its namespace', async () => {
  const links = { net1: randomMac() }
  const netns = await sandbox('cni-b', links)
  const [thief, owner] = [pod('a', links), pod('b', links)]
  search.told(owner, await named('cni-b'))
  expect(await find(thief)).toMatchObject({ kind: 'unknown' })
  expect(await isIn(await find(owner), netns)).toBe(true)
  // The owner's object is gone, its sandbox is not.
  pods = pods.filter((each) => each !== owner)
  expect(await find(thief)).toMatchObject({ kind: 'unknown' })
})

test('while a pod is here whose namespace had the same number, nobody else is found in it', async () => {
  const links = { net1: randomMac() }
  const netns = await sandbox('cni-new', links)
  const [whose, other] = [pod('a', links), pod('b', {})]
  search.told(other, { ...(await named('cni-new')), path: join(directory, 'cni-before') })
  expect(await find(whose)).toMatchObject({
    reason: expect.stringContaining('the container runtime has said that it is the one of pod shop/b'),
  })
  pods = [whose]
  expect(await isIn(await find(whose), netns)).toBe(true)
})

test('rules that stand there say whose it is', async () => {
  const links = { net1: randomMac() }
  const netns = await sandbox('cni-b', links)
  const [thief, owner] = [pod('a', links), pod('b', links)]
  owners.set(await idOf(netns), owner)
  expect(await find(thief)).toMatchObject({
    reason: expect.stringContaining("another pod's rules stand there"),
  })
  expect(await isIn(await find(owner), netns)).toBe(true)
})

test('two namespaces that look alike are neither; once the runtime has said which, that one', async () => {
  const links = { net1: randomMac() }
  const right = await sandbox('cni-1', links)
  await sandbox('cni-2', links)
  const whose = pod('a', links)
  expect(await find(whose)).toMatchObject({
    kind: 'unknown',
    reason: expect.stringMatching(/cni-1 and .*cni-2 both have the interfaces/),
  })
  search.told(whose, await named('cni-1'))
  expect(await isIn(await find(whose), right)).toBe(true)
})

test('eth0, the namespace of the node and nothing at all cannot be claimed', async () => {
  const links = { eth0: randomMac() }
  await sandbox('cni-plain', links)
  await symlink('/proc/self/ns/net', join(directory, 'cni-node'))
  expect(await find(pod('a', links))).toMatchObject({ reason: expect.stringContaining('tells of eth0') })
  expect(await find(pod('b', {}))).toMatchObject({ reason: expect.stringContaining('names no interface') })
  expect(await find(pod('c', { lo: '00:00:00:00:00:00' }))).toMatchObject({
    reason: expect.stringContaining('no MAC address'),
  })
})

test('interfaces that come after the first look are seen, and those that change too', async () => {
  const links = { net1: randomMac() }
  const netns = await sandbox('cni-1', {})
  const whose = pod('a', links)
  expect(await find(whose)).toMatchObject({ kind: 'unknown' })
  await plug(netns, 'net1', links.net1)
  expect(await isIn(await find(whose), netns)).toBe(true)
  await execa('nsenter', [`--net=${netns.path}`, 'ip', 'link', 'set', 'net1', 'address', randomMac()])
  expect(await find(whose)).toMatchObject({ reason: expect.stringContaining('no longer has the interfaces') })
})

test('a namespace that takes the place of another under the same path is another one', async () => {
  const links = { net1: randomMac() }
  await sandbox('cni-1', links)
  const whose = pod('a', links)
  await search.announced(nameOf(whose), whose.runtimeUid, join(directory, 'cni-1'))
  expect(await find(whose)).toMatchObject({ kind: 'found' })
  await rm(join(directory, 'cni-1'))
  await sandbox('cni-1', { net1: randomMac() })
  expect(await find(whose)).toMatchObject({ kind: 'unknown' })
})

test('what the runtime announces needs no network-status, and is no other pod of the name', async () => {
  const netns = await sandbox('cni-1', {})
  const whose = pod('a', { net1: randomMac() })
  await search.announced(nameOf(whose), 'uid-before', join(directory, 'cni-1'))
  expect(await find(whose, 'no sandbox yet')).toMatchObject({ kind: 'absent' })
  await search.announced(nameOf(whose), whose.runtimeUid, join(directory, 'cni-1'))
  expect(await isIn(await find(whose, 'no sandbox yet'), netns)).toBe(true)
})
