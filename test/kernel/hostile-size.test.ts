/**
 * Objects as large as the API server takes them, and larger: the daemon stays within bounded memory, and what is edited on
 * another pod meanwhile is enforced in bounded time. The figures are generous: they are for the machine of whoever runs
 * this, and a bomb that works takes minutes, or all memory.
 */
import { readFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../manifests.ts'
import { rulesOf } from './no-gap/backends.ts'

const MOST_MIB = 1_000
const MOST_MS = 15_000
const ANNOTATION = 256 * 1024

let lab: Lab
let bomber: Pod
let honest: Pod
let manifests: Manifests
let daemon: DaemonProcess

beforeAll(async () => {
  lab = await Lab.create('size')
  await lab.segment('red')
  ;[bomber, honest] = (await lab.addPods(
    ['bomber', 'honest'].map((name, index) => ({
      name,
      attachments: [{ segment: 'red', interface: 'net1', addresses: [`10.1.0.${index + 1}/24`] }],
    })),
  )) as [Pod, Pod]
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
  daemon = await DaemonProcess.start(flags)
  await daemon.ready()
})
afterEach(async () => {
  await daemon?.[Symbol.asyncDispose]()
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
  const peak = await peakMib(daemon.pid)
  process.stderr.write(
    `${name}: other pods' edits after ${times.join(', ')} ms; at most ${peak} MiB resident\n`,
  )
  expect(Math.max(...times)).toBeLessThan(MOST_MS)
  expect(peak).toBeLessThan(MOST_MIB)
})

async function peakMib(pid: number): Promise<number> {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Math.round(Number(kib) / 1024)
}
