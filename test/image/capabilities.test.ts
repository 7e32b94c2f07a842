/** Each capability of the manifest is needed: without it nothing is enforced where it counts, and the log says why. */
import { execa } from 'execa'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { policyObject } from '../manifests.ts'
import type { Pod } from '../runtime/containerd.ts'
import { Cluster } from './cluster.ts'
import type { DaemonPod } from './daemon-pod.ts'
import { type DaemonSet, daemonSetOf, shipped, withContainer } from './daemonset.ts'

const ALL = ['SYS_ADMIN', 'NET_ADMIN', 'NET_RAW', 'SYS_PTRACE']

let cluster: Cluster
let client: Pod
let server: Pod
let daemon: DaemonPod | undefined

beforeAll(async () => {
  cluster = await Cluster.start()
  await cluster.api.apply(await shipped())
  await cluster.namespace('shop')
  client = await cluster.pod('shop', 'client')
  server = await cluster.pod('shop', 'server')
  const spec = { podSelector: { matchLabels: { app: 'server' } } }
  await cluster.api.apply(JSON.stringify(policyObject('shop', 'deny', 'macvlan', spec)))
})

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await execa('nsenter', [`--net=${cluster.netns(server)}`, 'nft', 'flush', 'ruleset'])
})

afterEach(async () => {
  await daemon?.[Symbol.asyncDispose]()
  daemon = undefined
})

async function manifestWithout(dropped?: string): Promise<DaemonSet> {
  return withContainer(daemonSetOf(await shipped()), ({ securityContext }) => ({
    // Without limits, to be quick.
    resources: {},
    securityContext: {
      ...securityContext,
      capabilities: { drop: ['ALL'], add: ALL.filter((each) => each !== dropped) },
    },
  }))
}

test('the manifest has these and no others', async () => {
  const [container] = daemonSetOf(await shipped()).spec.template.spec.containers
  expect(container.securityContext.capabilities).toEqual({ drop: ['ALL'], add: ALL })
})

test('with all of them the policy is enforced', async () => {
  daemon = await cluster.run(await manifestWithout())
  await daemon.ready()
  expect(await cluster.reaches(client, server)).toBe(false)
})

test.each(['SYS_ADMIN', 'NET_ADMIN'])('without %s no namespace is entered or written', async (capability) => {
  daemon = await cluster.run(await manifestWithout(capability))
  await daemon.logged(/not enforced yet because: .*(Operation not permitted|EPERM)/)
  expect(await cluster.reaches(client, server)).toBe(true)
})

test('NET_RAW is for the legacy variant of iptables', async () => {
  const list = [`--net=/host${server.netns.replace('/var/run/', '/run/')}`, 'iptables-legacy', '-S']
  daemon = await cluster.run(await manifestWithout())
  await daemon.ready()
  expect(await daemon.exec('nsenter', ...list)).toContain('-P INPUT ACCEPT')
  await daemon.stop()
  daemon = await cluster.run(await manifestWithout('NET_RAW'))
  await daemon.ready()
  await expect(daemon.exec('nsenter', ...list)).rejects.toThrow(/Permission denied/)
})

/** Where no mount comes through, a namespace that is made later is reached by way of a process alone. */
describe('where the path of a namespace cannot be seen', () => {
  async function runWithoutPropagation(name: string, dropped?: string): Promise<Pod> {
    const manifest = withContainer(await manifestWithout(dropped), ({ volumeMounts }) => ({
      volumeMounts: volumeMounts.map((mount) => ({ ...mount, mountPropagation: 'None' as const })),
    }))
    daemon = await cluster.run(manifest)
    await daemon.ready()
    const spec = { podSelector: { matchLabels: { app: name } } }
    await cluster.api.apply(JSON.stringify(policyObject('shop', name, 'macvlan', spec)))
    return await cluster.pod('shop', name)
  }

  test('SYS_PTRACE lets it be found by a process', async () => {
    const late = await runWithoutPropagation('late')
    await daemon?.until('dropped', async () => !(await cluster.reaches(client, late)))
  })

  test('without SYS_PTRACE it is not', async () => {
    const later = await runWithoutPropagation('later', 'SYS_PTRACE')
    await daemon?.logged(/Pod shop\/later: not enforced yet because/)
    expect(await cluster.reaches(client, later)).toBe(true)
  })
})
