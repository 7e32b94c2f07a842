/**
 * What the daemon's OVN mode makes of policies, on every topology, with and without subnets: the daemon as users run it, and
 * TCP, UDP and ICMP packets of both families between all pods of the network, and the host outside where there is one.
 * ovn-trace is asked the same questions.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MatrixCell } from '../lab/matrix.ts'
import { asExpected, renderTable } from '../lab/table.ts'
import type { KubeObject } from '../manifests.ts'
import { agreement } from './testbed/agreement.ts'
import { EnforcedWorld } from './testbed/enforced.ts'
import {
  addressOn,
  appSelector,
  blocksOf,
  connected,
  NETWORKS,
  type PodName,
  policyFor,
} from './testbed/world.ts'

interface Case {
  readonly title: string
  readonly policies: (nad: string) => readonly KubeObject[]
  /** What a reader of the policies says of pods that are connected. */
  readonly open: (from: string, to: string, service: string) => boolean
}

const GUESTS = { namespaceSelector: { matchLabels: { team: 'guests' } } }
const DENY_ALL = { policyTypes: ['Ingress', 'Egress'] }

/** All of the network but one pod, in both families. */
function allBut(nad: string, pod: PodName): readonly unknown[] {
  return blocksOf(nad).map((cidr, index) => {
    const address = addressOn(nad, pod, index === 0 ? 4 : 6)
    return { ipBlock: { cidr, except: [`${address}/${index === 0 ? 32 : 128}`] } }
  })
}

const CASES: readonly Case[] = [
  { title: 'no policy: all is open', policies: () => [], open: () => true },
  {
    title: 'a policy that allows nothing, in either direction',
    policies: (nad) => [policyFor(nad, 'server', DENY_ALL)],
    open: (from, to) => from !== 'server' && to !== 'server',
  },
  {
    title: 'client may come in by its labels to port 80, and guests by their namespace to UDP 80',
    policies: (nad) => [
      policyFor(nad, 'server', {
        policyTypes: ['Ingress'],
        ingress: [
          { from: [appSelector('client')], ports: [{ port: 'web' }] },
          { from: [GUESTS], ports: [{ protocol: 'UDP', port: 80 }] },
        ],
      }),
    ],
    open: (from, to, service) =>
      to !== 'server' ||
      (from === 'client' && service === 'tcp/80') ||
      (from === 'guest' && service === 'udp/80'),
  },
  {
    title: 'an ipBlock of the whole network, except client, may come in',
    policies: (nad) => [
      policyFor(nad, 'server', { policyTypes: ['Ingress'], ingress: [{ from: allBut(nad, 'client') }] }),
    ],
    open: (from, to) => to !== 'server' || from !== 'client',
  },
  {
    title: 'client may go out to server, TCP 80 and 81, and nowhere else',
    policies: (nad) => [
      policyFor(nad, 'client', {
        policyTypes: ['Egress'],
        egress: [{ to: [appSelector('server')], ports: [{ port: 80, endPort: 81 }] }],
      }),
    ],
    open: (from, to, service) => from !== 'client' || (to === 'server' && service.startsWith('tcp/')),
  },
  {
    title: 'an ipBlock of the whole network, except other, may be gone out to',
    policies: (nad) => [
      policyFor(nad, 'client', { policyTypes: ['Egress'], egress: [{ to: allBut(nad, 'other') }] }),
    ],
    open: (from, to) => from !== 'client' || to !== 'other',
  },
  {
    title: 'nothing may come in to client, whose own connections are answered',
    policies: (nad) => [policyFor(nad, 'client', { policyTypes: ['Ingress'] })],
    open: (_from, to) => to !== 'client',
  },
  {
    title: 'nothing may go out of server, which still answers',
    policies: (nad) => [policyFor(nad, 'server', { policyTypes: ['Egress'] })],
    open: (from) => from !== 'server',
  },
  {
    title: 'both ends have a policy, and both must allow',
    policies: (nad) => [
      policyFor(nad, 'client', { policyTypes: ['Egress'], egress: [{ ports: [{ port: 80 }] }] }),
      policyFor(nad, 'server', { policyTypes: ['Ingress'], ingress: [{ from: [appSelector('client')] }] }),
    ],
    open: (from, to, service) =>
      (from !== 'client' || service === 'tcp/80') && (to !== 'server' || from === 'client'),
  },
]

let enforced: EnforcedWorld
beforeAll(async () => {
  enforced = await EnforcedWorld.start('packets')
})
afterAll(() => enforced?.[Symbol.asyncDispose]())

describe.each(NETWORKS)('$nad', ({ nad, name }) => {
  test.each(CASES)('$title', async ({ policies, open }) => {
    await enforced.enforce(policies(nad))
    await check(nad, name, open)
  })
})

test('a policy for one network leaves the others alone', async () => {
  await enforced.enforce([policyFor('shop/l2', 'server', DENY_ALL)])
  for (const { nad, name } of NETWORKS.filter((network) => network.nad !== 'shop/l2'))
    await check(nad, name, () => true)
})

test('a port that is deleted and added under its name is governed again', async () => {
  const { bed, pods } = enforced.world
  await enforced.enforce(
    NETWORKS.map(({ nad }) => ({ ...policyFor(nad, 'server', DENY_ALL), ...named(nad) })),
  )
  await bed.recreatePorts(pods.server)
  await bed.bound([pods.server])
  await enforced.governed(pods.server)
  for (const { nad, name } of NETWORKS)
    await check(nad, name, (from, to) => from !== 'server' && to !== 'server')
})

/** policyFor's objects of several networks have one name. */
function named(nad: string): { readonly metadata: unknown } {
  const annotations = { 'k8s.v1.cni.cncf.io/policy-for': nad }
  return { metadata: { namespace: 'shop', name: nad.replace('/', '-'), annotations } }
}

async function check(nad: string, segment: string, open: Case['open']): Promise<void> {
  const { bed, pods, everyone } = enforced.world
  const expected = ({ from, to, protocol, port }: MatrixCell): 'open' | 'blocked' => {
    const service = port === undefined ? protocol : `${protocol}/${port}`
    return connected(nad, from.name, to.name) && open(from.name, to.name, service) ? 'open' : 'blocked'
  }
  const rows = await bed.matrix({ pods: everyone, segment, ports: [80, 81], expect: expected })
  expect(rows.every(asExpected), `\n${renderTable(rows)}`).toBe(true)
  expect(await agreement(bed, Object.values(pods), rows)).toEqual([])
}
