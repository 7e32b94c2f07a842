/**
 * Root in several pods who puts sets of many megabytes into the table with our name, as fast as it can: other pods' edits are
 * enforced in time, the daemon's memory stays bounded, and the pods' own rules are put back all the same.
 */
import { readFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { until } from '../lab/clock.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../manifests.ts'
import { rulesOf } from './no-gap/backends.ts'

const ELEMENTS = 300_000
const MOST_MS = 5_000
const MOST_MIB = 250

let lab: Lab
let honest: Pod
let bad: readonly Pod[]
let manifests: Manifests
let daemon: DaemonProcess | undefined

beforeAll(async () => {
  lab = await Lab.create('flood')
  await lab.segment('red')
  const names = ['honest', 'bad0', 'bad1', 'bad2', 'bad3', 'bad4']
  const pods = await lab.addPods(
    names.map((name, index) => ({
      name,
      attachments: [{ segment: 'red', interface: 'net1', addresses: [`10.1.0.${index + 1}/24`] }],
    })),
  )
  ;[honest, ...bad] = pods as [Pod, ...Pod[]]
})
afterAll(async () => await lab?.[Symbol.asyncDispose]())

beforeEach(async () => {
  manifests = await Manifests.create()
})
afterEach(async () => {
  await daemon?.[Symbol.asyncDispose]()
  for (const pod of [honest, ...bad]) await pod.run(['nft', 'flush', 'ruleset'])
  await manifests?.[Symbol.asyncDispose]()
})

const podIn = (pod: Pod, namespace: string): KubeObject =>
  podObject(pod, { namespace, networks: { red: 'x/red' } })

/** What the honest tenant writes: it allows one address, a new one each time. */
const edit = (version: number): KubeObject => {
  const from = [{ ipBlock: { cidr: `192.0.2.${version}/32` } }]
  return policyObject('x', 'mine', 'red', { podSelector: {}, ingress: [{ from }] })
}

const elements = (): string =>
  Array.from({ length: ELEMENTS }, (_, n) => `${11 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}.1`).join(', ')

const BIG = `table inet multi_networkpolicy { set s { type ipv4_addr; elements = { ${elements()} }; }; }`

/** Again and again until told to end. Each write is a process of its own that yields to others, so that it is not the machine that is slow. */
async function flood(pod: Pod, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await pod.run(['nice', '-n', '19', 'nft', '-f', '-'], BIG).catch(() => undefined)
}

test('tables of many megabytes in five pods keep no other pod waiting', { timeout: 300_000 }, async () => {
  await manifests.save('cluster', [
    networkObject('x', 'red'),
    podIn(honest, 'x'),
    ...bad.map((pod) => podIn(pod, 'y')),
  ])
  await manifests.save('bad', [policyObject('y', 'p', 'x/red', { podSelector: {} })])
  await manifests.save('policy', [edit(1)])
  daemon = await DaemonProcess.start([
    `--manifests=${manifests.directory}`,
    '--hostname-override=n1',
    '--sync-period=1',
    '--log-level=debug',
  ])
  await daemon.ready()
  const end = new AbortController()
  const floods = bad.map((pod) => flood(pod, end.signal))
  const times: number[] = []
  try {
    await daemon.logged(/rules were changed by somebody else/, 60_000)
    for (let version = 2; version < 12; version += 1) {
      const began = performance.now()
      await manifests.save('policy', [edit(version)])
      const stands = async (): Promise<boolean> =>
        (await rulesOf(honest, 'nftables')).includes(`192.0.2.${version} `)
      await daemon.until(`edit ${version} is enforced`, stands, 90_000)
      times.push(Math.round(performance.now() - began))
    }
  } finally {
    end.abort()
    await Promise.all(floods)
  }
  const peak = await peakMib(daemon.pid)
  process.stderr.write(`edits beside tables of megabytes: after ${times.join(', ')} ms; ${peak} MiB\n`)
  for (const pod of bad) {
    await until('its own rules stand again', 30_000, async () => {
      const rules = await rulesOf(pod, 'nftables').catch(() => '')
      return (rules.includes('no policy allows it') && !rules.includes('11.0.0.1')) || undefined
    })
  }
  expect(Math.max(...times)).toBeLessThan(MOST_MS)
  expect(peak).toBeLessThan(MOST_MIB)
})

async function peakMib(pid: number): Promise<number> {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Math.round(Number(kib) / 1024)
}
