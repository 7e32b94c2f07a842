/**
 * Root in several pods who puts sets of many megabytes into the table with our name, again and again: other pods' edits are
 * enforced in time, the daemon's memory stays bounded, and the pods' own rules are put back all the same.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { MemoryLimit } from '../kube/faults/memory-limit.ts'
import { until } from '../lab/clock.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../manifests.ts'
import { rulesOf } from './no-gap/backends.ts'

const ELEMENTS = 300_000
const MOST_MS = 5_000

/** As deploy/ has it. */
const CONTAINER_MIB = 150

let lab: Lab
let honest: Pod
let bad: readonly Pod[]
let manifests: Manifests
let limit: MemoryLimit
let daemon: DaemonProcess | undefined

beforeAll(async () => {
  lab = await Lab.create('flood')
  ;[honest, ...bad] = await lab.segmentWith('red', ['honest', 'bad0', 'bad1', 'bad2', 'bad3', 'bad4'])
})
afterAll(async () => await lab?.[Symbol.asyncDispose]())

beforeEach(async () => {
  manifests = await Manifests.create()
  limit = await MemoryLimit.create(CONTAINER_MIB)
})
afterEach(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await limit?.[Symbol.asyncDispose]()
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

test('tables of many megabytes in five pods keep no other pod waiting', { timeout: 300_000 }, async () => {
  await manifests.save('cluster', [
    networkObject('x', 'red'),
    podIn(honest, 'x'),
    ...bad.map((pod) => podIn(pod, 'y')),
  ])
  await manifests.save('bad', [policyObject('y', 'p', 'x/red', { podSelector: {} })])
  await manifests.save('policy', [edit(1)])
  const flags = [`--manifests=${manifests.directory}`, '--hostname-override=n1', '--sync-period=1']
  daemon = await DaemonProcess.start([...flags, '--log-level=debug'], {}, limit.command)
  await daemon.ready()
  const times: number[] = []
  for (let version = 2; version < 6; version += 1) {
    // Before it is timed: writing so much takes the pods' processes longer than it takes the daemon to deal with it.
    await Promise.all(bad.map((pod) => pod.run(['nft', '-f', '-'], BIG).catch(() => undefined)))
    const began = performance.now()
    await manifests.save('policy', [edit(version)])
    const stands = async (): Promise<boolean> =>
      (await rulesOf(honest, 'nftables')).includes(`192.0.2.${version} `)
    await daemon.until(`edit ${version} is enforced`, stands, 90_000)
    times.push(Math.round(performance.now() - began))
  }
  const peak = Math.round(await limit.peak())
  process.stderr.write(`edits beside tables of megabytes: after ${times.join(', ')} ms; ${peak} MiB\n`)
  for (const pod of bad) {
    await until('its own rules stand again', 30_000, async () => {
      const rules = await rulesOf(pod, 'nftables').catch(() => '')
      return (rules.includes('no policy allows it') && !rules.includes('11.0.0.1')) || undefined
    })
  }
  expect(Math.max(...times)).toBeLessThan(MOST_MS)
})
