/** What leans on the kernel's connection tracking, which is not the same in every version: D3 of the semantics. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Pod } from '../lab/pod.ts'
import { networkObject, podObject } from '../manifests.ts'
import { app, policy, StockCluster } from './cluster.ts'
import { DATAPLANES } from './dataplane.ts'

let cluster: StockCluster
let pods: readonly [Pod, Pod]

beforeAll(async () => {
  cluster = await StockCluster.create('conntrack', ['red'])
  pods = (await cluster.lab.addPods(
    ['a', 'b'].map((name, index) => ({
      name,
      attachments: [
        {
          segment: 'red',
          interface: 'net1',
          addresses: [`10.1.0.${index + 1}/24`, `fd00:1::${index + 1}/64`],
        },
      ],
    })),
  )) as [Pod, Pod]
  await Promise.all(pods.map((pod) => pod.serve({ tcp: [80], udp: [80] })))
  await cluster.save('cluster', [
    networkObject('x', 'red'),
    ...pods.map((pod) =>
      podObject(pod, { namespace: 'x', labels: { app: pod.name }, networks: { red: 'x/red' } }),
    ),
  ])
})

afterAll(async () => await cluster?.[Symbol.asyncDispose]())

/** Nothing new comes in to `a`; it may open what it likes, or only what the egress says. */
const closed = (egress?: readonly unknown[]) =>
  policy({
    ...app('a'),
    ...(egress === undefined ? { policyTypes: ['Ingress'] } : { policyTypes: ['Ingress', 'Egress'], egress }),
  })

describe.each(DATAPLANES)('by %s', (dataplane) => {
  beforeAll(async () => await cluster.start(dataplane, []))

  test.each([
    ['ingress alone is isolated', undefined],
    ['both directions are, and egress allows the peer', [{ to: [app('b')] }]],
  ] as const)('replies and related errors pass where %s', async (_, egress) => {
    await cluster.save('policies', [closed(egress)])
    const [a, b] = pods
    for (const family of [4, 6] as const) {
      const [own, peer] = [a.address(family), b.address(family)]
      const out = { from: a, to: peer, timeoutMs: 1000 }
      const verdicts = await cluster.lab.probeAll([
        ...(['tcp', 'udp', 'icmp'] as const).map((protocol) => ({ ...out, protocol })),
        // Nobody listens: TCP's answer is a reply, UDP's an ICMP error that is related.
        ...(['tcp', 'udp'] as const).map((protocol) => ({ ...out, protocol, port: 99 })),
        ...(['tcp', 'udp', 'icmp'] as const).map((protocol) => ({ ...out, from: b, to: own, protocol })),
      ])
      expect(verdicts.map(({ verdict }) => verdict)).toEqual([
        ...['open', 'open', 'open', 'refused', 'refused'],
        ...['blocked', 'blocked', 'blocked'],
      ])
    }
  })

  test('a connection that is no longer allowed stops, and goes on when it is again', async () => {
    const [a, b] = pods
    const patience = { timeoutMs: 30_000 }
    await cluster.save('policies', [closed([{ to: [app('b')], ports: [{ port: 80 }] }])])
    const connection = await a.connection({ to: b.address(4), port: 80 })
    await connection.answered(patience)
    await cluster.save('policies', [closed([{ to: [app('b')], ports: [{ port: 81 }] }])])
    await connection.silent(1000, patience)
    await cluster.save('policies', [closed([{ to: [app('b')], ports: [{ port: 80 }] }])])
    await connection.answered(patience)
    await connection.close()
  })
})
