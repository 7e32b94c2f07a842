/**
 * Forged network-status, by real packets: whoever edits a pod's annotations frees nothing that was governed, and changes
 * nothing for another pod. `deny` is what an operator wrote for the network x/red; x/lax has a policy that allows all.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { until } from '../lab/clock.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { type KubeObject, Manifests, networkObject, podObject, policyObject } from '../manifests.ts'
import { type Backend, rulesOf, withoutCounters } from './no-gap/backends.ts'

const STATUS = 'k8s.v1.cni.cncf.io/network-status'
const OLDER = 'k8s.v1.cni.cncf.io/networks-status'
/** No comment of a rule holds its name. */
const LONG = `x/${'long'.repeat(50)}`

let lab: Lab
let manifests: Manifests
let daemon: DaemonProcess
let forger: Pod
let victim: Pod
let client: Pod

beforeAll(async () => {
  lab = await Lab.create('hostile')
  ;[forger, victim, client] = await lab.segmentWith('red', ['forger', 'victim', 'client'])
})
afterAll(async () => await lab?.[Symbol.asyncDispose]())

const red = { red: 'x/red' }
const honest = (pod: Pod, networks = red): KubeObject => podObject(pod, { namespace: 'x', networks })

/** The pod as it is, but for its annotations. */
function forged(pod: Pod, status: unknown): KubeObject {
  const raw = honest(pod) as KubeObject & { readonly metadata: { readonly annotations: object } }
  const text = typeof status === 'string' ? status : JSON.stringify(status)
  const older = JSON.stringify([entry(pod, { name: 'x/lax' })])
  const annotations = { ...raw.metadata.annotations, [STATUS]: text, [OLDER]: older }
  return { ...raw, metadata: { ...raw.metadata, annotations } } as KubeObject
}

function entry(pod: Pod, more: object = {}): object {
  const [link] = pod.interfaces
  return { name: 'x/red', interface: 'net1', ips: [pod.address(4)], mac: link?.mac, ...more }
}

async function save(name: string, objects: readonly KubeObject[]): Promise<void> {
  const seen = daemon.log.length
  await manifests.save(name, objects)
  await daemon.settled(seen, 180_000)
}

async function start(backend: Backend): Promise<void> {
  const flags = [`--manifests=${manifests.directory}`, '--hostname-override=n1', '--log-level=debug']
  daemon = await DaemonProcess.start([...flags, `--backend=${backend}`, '--sync-period=5'])
  await daemon.ready(60_000)
}

async function verdict(to: Pod, from: Pod = client): Promise<string> {
  return (await lab.probe({ from, to: to.address(4), protocol: 'tcp', port: 80, timeoutMs: 600 })).verdict
}

describe.each<Backend>(['nftables', 'iptables'])('%s', (backend) => {
  let standing: string

  beforeAll(async () => await Promise.all([forger, victim].map((pod) => pod.serve({ tcp: [80] }))))

  beforeEach(async () => {
    manifests = await Manifests.create()
    await manifests.save('networks', [
      ...['red', 'lax', LONG.slice(2)].map((name) => networkObject('x', name)),
      networkObject('x', 'bridged', 'bridge'),
    ])
    await manifests.save(
      'pods',
      [victim, client].map((pod) => honest(pod)),
    )
    await manifests.save('forger', [honest(forger)])
    await manifests.save('policies', [
      policyObject('x', 'deny', 'red', { podSelector: {}, policyTypes: ['Ingress'] }),
      policyObject('x', 'open', 'lax', { podSelector: {}, ingress: [{}] }),
    ])
    await start(backend)
    expect([await verdict(forger), await verdict(victim)]).toEqual(['blocked', 'blocked'])
    standing = withoutCounters(await rulesOf(victim, backend))
  })
  afterEach(async () => {
    await daemon?.[Symbol.asyncDispose]()
    for (const pod of [forger, victim, client]) {
      if (backend === 'nftables') await pod.run(['nft', 'flush', 'ruleset'])
      else
        for (const command of ['iptables', 'ip6tables'])
          for (const all of ['-F', '-X']) await pod.run([command, all])
    }
    await manifests?.[Symbol.asyncDispose]()
  })

  const lies: Readonly<Record<string, () => unknown>> = {
    nothing: () => [],
    'no list': () => 'false',
    'no JSON': () => '[{',
    'the interface as the default one': () => [entry(forger, { default: true })],
    'another interface': () => [entry(forger, { interface: 'net7' })],
    'an interface of another name by a quote': () => [entry(forger, { interface: 'net1"; accept' })],
    'the other pod’s addresses and MAC': () => [entry(victim)],
    'an address of everybody': () => [entry(forger, { ips: ['0.0.0.0', '255.255.255.255', '::'] })],
    'a device of user space': () => [entry(forger, { 'device-info': { type: 'vhost-user' } })],
    'two interfaces that are no text': () =>
      ['\ud800', '\ud801'].map((name) => entry(forger, { interface: name })),
    'three thousand entries': () =>
      Array.from({ length: 3_000 }, (_, n) => ({ name: 'x/red', interface: `v${n}` })),
    'that it is on a network where all is allowed': () => [entry(forger, { name: 'x/lax' })],
    'that it is on that network too': () => [entry(forger), entry(forger, { name: 'x/lax' })],
    'that it is on that network, and by default on its own': () => [
      entry(forger, { default: true }),
      entry(forger, { name: 'x/lax' }),
    ],
    'that it is on that network by a key that is there twice': () =>
      JSON.stringify([entry(forger, { name: 'x/lax' })]).replace('"name":', '"name":"x/red","name":'),
    'that it is on a network of another plugin too': () => [
      entry(forger),
      entry(forger, { name: 'x/other' }),
    ],
  }

  test.each(Object.keys(lies))('telling of %s', { timeout: 500_000 }, async (lie) => {
    await save('forger', [forged(forger, lies[lie]?.())])
    expect([await verdict(forger), await verdict(victim)]).toEqual(['blocked', 'blocked'])
    await save('forger', [honest(forger)])
    await save('forger', [forged(forger, lies[lie]?.())])
    expect(await verdict(forger)).toBe('blocked')
    expect(withoutCounters(await rulesOf(victim, backend))).toBe(standing)
    // What comes later is enforced too, on both.
    const to = (pod: Pod): object => ({ from: [{ ipBlock: { cidr: `${pod.address(4)}/32` } }] })
    const spec = { podSelector: {}, policyTypes: ['Ingress'], ingress: [to(client)] }
    await save('more', [policyObject('x', 'more', 'red', spec)])
    expect(await verdict(victim)).toBe('open')
    // Told to be on two networks, an interface gets what both allow, so nothing here.
    if (lie.includes('that it is on')) {
      await daemon.logged(/told to be on|tells of another network/)
      expect(await verdict(forger)).toBe('blocked')
      return
    }
    await until(
      'it is on the forger too',
      30_000,
      async () => (await verdict(forger)) === 'open' || undefined,
    )
  })

  test.each(['nothing', 'that it is on a network where all is allowed'])(
    'telling of %s while nobody looks',
    { timeout: 120_000 },
    async (lie) => {
      await daemon.stop()
      await manifests.save('forger', [forged(forger, lies[lie]?.())])
      await start(backend)
      await daemon.logged(/no longer tells of net1 on x\/red/)
      expect([await verdict(forger), await verdict(victim)]).toEqual(['blocked', 'blocked'])
    },
  )

  test.each(['nothing', 'that it is on a network where all is allowed'])(
    'telling of %s while the daemon changes its backend',
    { timeout: 120_000 },
    async (lie) => {
      await save('forger', [forged(forger, lies[lie]?.())])
      await daemon.stop()
      const other = backend === 'nftables' ? 'iptables' : 'nftables'
      await start(other)
      await daemon.logged(/no longer tells of net1 on x\/red/)
      expect(await rulesOf(forger, backend)).toBe('')
      expect(await verdict(forger)).toBe('blocked')
      await daemon.stop()
      await start(backend)
      await daemon.logged(/no longer tells of net1 on x\/red/)
      expect(await verdict(forger)).toBe('blocked')
    },
  )

  test('a network whose name no comment holds is remembered like any other', {
    timeout: 120_000,
  }, async () => {
    await save('long', [policyObject('x', 'deny-long', LONG, { podSelector: {}, policyTypes: ['Ingress'] })])
    await save('forger', [honest(forger, { red: LONG })])
    await until('its name stands', 30_000, async () =>
      (await rulesOf(forger, backend)).includes('longlong') ? true : undefined,
    )
    await daemon.stop()
    await manifests.save('forger', [forged(forger, [])])
    await start(backend)
    await daemon.logged(/no longer tells of net1 on x\/longlong/)
    expect(await verdict(forger)).toBe('blocked')
  })
})
