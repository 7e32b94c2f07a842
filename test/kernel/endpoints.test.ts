/** What an operator's monitoring sees of a daemon: readiness, and metrics that follow what is enforced and what is not. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import { Manifests, networkObject, podObject, policyObject } from '../manifests.ts'

let lab: Lab
let manifests: Manifests
let daemon: DaemonProcess

beforeAll(async () => {
  lab = await Lab.create('endpoints')
  const [governed, other] = await lab.segmentWith('red', ['a', 'b'])
  manifests = await Manifests.create()
  await manifests.save('cluster', [
    networkObject('x', 'red'),
    podObject(governed, { namespace: 'x', networks: { red: 'x/red' } }),
    podObject(other, { namespace: 'y', networks: { red: 'x/red' } }),
    policyObject('x', 'p', 'red', {
      podSelector: {},
      ingress: [{ from: [{ ipBlock: { cidr: 'nonsense' } }] }],
    }),
  ])
  daemon = await DaemonProcess.start([
    `--manifests=${manifests.directory}`,
    '--hostname-override=n1',
    '--log-level=debug',
    '--policy-metrics',
  ])
  await daemon.ready()
})
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await manifests?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
})

test('counts pods, Issues and sources', async () => {
  const series = await daemon.metrics()
  expect(series).toMatchObject({
    mnpd_ready: 1,
    'mnpd_pods{state="governed"}': 1,
    'mnpd_pods{state="ungoverned"}': 1,
    'mnpd_pods{state="failing"}': 0,
    'mnpd_issues{kind="MultiNetworkPolicy"}': 1,
    'mnpd_source_synced{kind="Pod"}': 1,
    'mnpd_apply_total{outcome="done"}': expect.any(Number),
  })
  expect(series['process_resident_memory_bytes']).toBeGreaterThan(30e6)
})

test('a change is measured from its arrival to its being enforced', async () => {
  const before = (await daemon.metrics())['mnpd_enforcement_duration_seconds_count'] ?? 0
  const seen = daemon.log.length
  await manifests.save('more', [policyObject('y', 'q', 'x/red', { podSelector: {} })])
  await daemon.settled(seen)
  const after = await daemon.metrics()
  expect(after['mnpd_enforcement_duration_seconds_count']).toBeGreaterThan(before)
  expect(after['mnpd_enforcement_duration_seconds_sum']).toBeGreaterThan(0.001)
  expect(after['mnpd_pods{state="governed"}']).toBe(2)
})

test('policies are counted where that is asked for', async () => {
  const series = await daemon.metrics()
  expect(series).toMatchObject({
    'mnpd_policy_packets{namespace="x",policy="",direction="ingress",verdict="drop"}': 0,
    'mnpd_policy_bytes{namespace="x",policy="",direction="ingress",verdict="drop"}': 0,
  })
})

test('another path is not found', async () => {
  expect(await daemon.status('/debug')).toBe(404)
})
