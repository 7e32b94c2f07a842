/**
 * Objects as large as the API server takes them, and larger: the daemon lives on in a container of the size that it is shipped
 * with, and what is edited on another pod meanwhile is enforced in bounded time. The time is generous: it is for the machine
 * of whoever runs this, and a bomb that works takes minutes. A policy that is large and no bomb is enforced to the letter.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { MemoryLimit } from '../kube/faults/memory-limit.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../manifests.ts'
import { rulesOf } from './no-gap/backends.ts'

/** As deploy/ has it. */
const CONTAINER_MIB = 150
const MOST_MS = 15_000
const ANNOTATION = 256 * 1024

let lab: Lab
let bomber: Pod
let honest: Pod
let manifests: Manifests
let limit: MemoryLimit
let daemon: DaemonProcess

beforeAll(async () => {
  lab = await Lab.create('size')
  ;[bomber, honest] = await lab.segmentWith('red', ['bomber', 'honest'])
})
afterAll(async () => await lab?.[Symbol.asyncDispose]())

beforeEach(async () => {
  manifests = await Manifests.create()
  const pods = [bomber, honest].map((pod) =>
    podObject(pod, { namespace: pod.name, networks: { red: 'x/red' } }),
  )
  await manifests.save('cluster', [networkObject('x', 'red'), ...pods])
  await manifests.save('honest', [edit(1)])
  const flags = [`--manifests=${manifests.directory}`, '--hostname-override=n1']
  limit = await MemoryLimit.create(CONTAINER_MIB)
  daemon = await DaemonProcess.start(flags, {}, limit.command)
  await daemon.ready()
})
afterEach(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await limit?.[Symbol.asyncDispose]()
  for (const pod of [bomber, honest]) await pod.run(['nft', 'flush', 'ruleset'])
  await manifests?.[Symbol.asyncDispose]()
})

/** What the honest tenant writes: it allows one address, a new one each time. */
function edit(version: number): KubeObject {
  const from = [{ ipBlock: { cidr: `192.0.2.${version}/32` } }]
  return policyObject('honest', 'mine', 'x/red', { podSelector: {}, ingress: [{ from }] })
}

const policy = (spec: object, name = 'p', networks = 'x/red'): KubeObject =>
  policyObject('bomber', name, networks, { podSelector: {}, ...spec })

const many = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n))
const address = (n: number): string => `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`

const brackets = (): string => '['.repeat(ANNOTATION / 2) + ']'.repeat(ANNOTATION / 2)

function podWith(status: readonly object[] | string, ports: readonly object[] = []): KubeObject {
  const text = typeof status === 'string' ? status : JSON.stringify(status)
  return {
    kind: 'Pod',
    metadata: {
      name: 'bomb',
      namespace: 'bomber',
      annotations: { 'k8s.v1.cni.cncf.io/network-status': text },
    },
    spec: { nodeName: 'n1', containers: [{ name: 'c', ports }] },
  } as KubeObject
}

/** As many of the entries as an annotation can hold. */
function fitting<T>(entries: readonly T[]): T[] {
  let size = 2
  return entries.filter((entry) => {
    size += JSON.stringify(entry).length + 1
    return size <= ANNOTATION
  })
}

const longList = (): string => {
  const names = many(60_000, (n) => n.toString(36)).join(',')
  return names.slice(0, names.lastIndexOf(',', ANNOTATION - 100))
}

const bombs: Readonly<Record<string, () => readonly KubeObject[]>> = {
  '100,000 CIDRs in one rule': () => [
    policy({ ingress: [{ from: many(100_000, (n) => ({ ipBlock: { cidr: `${address(2 * n)}/32` } })) }] }),
  ],
  '80,000 selecting peers in one rule': () => [
    policy({ ingress: [{ from: many(80_000, () => ({ podSelector: {} })) }] }),
  ],
  '10,000 rules': () => [
    policy({ ingress: many(10_000, (n) => ({ from: [{ ipBlock: { cidr: `${address(n)}/32` } }] })) }),
  ],
  '10,000 ports': () => [policy({ ingress: [{ ports: many(10_000, (n) => ({ port: 1 + 2 * n })) }] })],
  '5,000 excepts': () => [
    policy({
      ingress: [
        { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: many(5_000, (n) => `${address(2 * n)}/32`) } }] },
      ],
    }),
  ],
  '20 policies for 60,000 networks each': () => many(20, (n) => policy({}, `p${n}`, longList())),
  'a status of 256 KiB of interfaces': () => [
    podWith(fitting(many(10_000, (n) => ({ name: 'x/red', interface: `v${n}` })))),
    policy({}),
  ],
  'a named port on 10,000 numbers and 10,000 addresses': () => [
    podWith(
      [{ name: 'x/red', interface: 'net1', ips: fitting(many(10_000, address)) }],
      many(10_000, (n) => ({ name: 'web', containerPort: n + 1 })),
    ),
    policy({ policyTypes: ['Egress'], egress: [{ ports: [{ port: 'web' }] }] }),
  ],
  'brackets, as deep as annotations can be': () => [podWith(brackets()), policy({})],
}

test.each(Object.keys(bombs))('%s', { timeout: 180_000 }, async (name) => {
  await manifests.save('bomb', bombs[name]?.() ?? [])
  const times: number[] = []
  for (let version = 2; version < 5; version += 1) {
    const began = performance.now()
    await manifests.save('honest', [edit(version)])
    const stands = async (): Promise<boolean> =>
      (await rulesOf(honest, 'nftables')).includes(`192.0.2.${version}`)
    await daemon.until(`edit ${version} is enforced`, stands, 60_000)
    times.push(Math.round(performance.now() - began))
  }
  await daemon.ready(60_000)
  await tell(`${name}: other pods' edits after ${times.join(', ')} ms`)
  expect(Math.max(...times)).toBeLessThan(MOST_MS)
})

test('a policy of 10,000 CIDRs, 10,000 pods and 1,000 rules is enforced to the letter, edits too', {
  timeout: 300_000,
}, async () => {
  await manifests.save('members', many(10_000, member))
  for (const version of [1, 2, 3]) {
    const rules = many(1_000, (n) => ({
      from: [{ ipBlock: { cidr: `30.${n >> 8}.${n & 255}.0/24` } }],
      ports: [{ port: n + version }],
    }))
    const from = [...many(10_000, (n) => ({ ipBlock: { cidr: `20.0.${n >> 7}.${2 * (n & 127)}/32` } }))]
    const selected = { from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'member' } } }] }
    await manifests.save('large', [policy({ ingress: [{ from }, selected, ...rules] })])
    const stands = async (): Promise<boolean> => {
      const text = await rulesOf(bomber, 'nftables')
      return (
        (text.match(/dport \d+ counter/g)?.length ?? 0) >= 1_000 && text.includes(`dport ${999 + version} `)
      )
    }
    await daemon.until(`version ${version} stands`, stands, 90_000)
  }
  const standing = await rulesOf(bomber, 'nftables')
  expect(new Set(standing.match(/\b20\.0\.\d+\.\d+/g)).size).toBe(10_000)
  expect(new Set(standing.match(/\b11\.0\.\d+\.\d+/g)).size).toBe(10_000)
  expect(daemon.log.filter(({ level }) => level === 'warn')).toEqual([])
  await tell('a policy that is large')
})

function member(n: number): KubeObject {
  const status = [{ name: 'x/red', interface: 'net1', ips: [`11.0.${n >> 8}.${n & 255}`] }]
  return {
    kind: 'Pod',
    metadata: {
      name: `member-${n}`,
      namespace: 'members',
      labels: { app: 'member' },
      annotations: { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status) },
    },
    spec: { nodeName: 'other', containers: [] },
  } as KubeObject
}

async function tell(what: string): Promise<void> {
  process.stderr.write(`${what}; at most ${Math.round(await limit.peak())} MiB in the container\n`)
}
