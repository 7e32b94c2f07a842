/**
 * Policies for SCTP, by SCTP's own packets: every ordered pair over both families, and TCP at the same ports beside it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Pod } from '../lab/pod.ts'
import { asExpected, renderTable } from '../lab/table.ts'
import { type KubeObject, networkObject, podObject } from '../manifests.ts'
import { app, policy, StockCluster } from './cluster.ts'
import { DATAPLANES, standing } from './dataplane.ts'
import { SctpAgents, type SctpCell } from './sctp.ts'

const PORTS = [80, 81, 82]
const SCTP = 'SCTP'
const NAMED = [
  { name: 'signal', containerPort: 81, protocol: SCTP },
  { name: 'signal', containerPort: 80, protocol: 'TCP' },
]

let cluster: StockCluster
let sctp: SctpAgents
let pods: readonly [Pod, Pod, Pod]

/** Three pods, a and b in namespace x, c in y, on the dual-stack network x/red; a and b on x/blue as well. */
beforeAll(async () => {
  cluster = await StockCluster.create('sctp', ['red', 'blue'])
  pods = (await cluster.lab.addPods(
    ['a', 'b', 'c'].map((name, index) => ({
      name,
      attachments: [
        {
          segment: 'red',
          interface: 'net1',
          addresses: [`10.1.0.${index + 1}/24`, `fd00:1::${index + 1}/64`],
        },
        ...(name === 'c'
          ? []
          : [{ segment: 'blue', interface: 'net2', addresses: [`10.2.0.${index + 1}/24`] }]),
      ],
    })),
  )) as [Pod, Pod, Pod]
  sctp = await SctpAgents.serve(pods, PORTS)
  await cluster.save('cluster', objects())
})

afterAll(async () => {
  await sctp?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
})

function objects(): readonly KubeObject[] {
  const [a, b, c] = pods
  const networks = { red: 'x/red', blue: 'x/blue' }
  return [
    networkObject('x', 'red'),
    networkObject('x', 'blue'),
    podObject(a, { namespace: 'x', labels: { app: 'a' }, networks, ports: NAMED }),
    podObject(b, { namespace: 'x', labels: { app: 'b' }, networks }),
    podObject(c, {
      ...{ namespace: 'y', labels: { app: 'c' }, networks },
      ports: [{ name: 'signal', containerPort: 82, protocol: SCTP }],
    }),
  ]
}

type Flow = `${string} → ${string}`

/** Puts policies in force; each flow of red that is named may use those ports, all that are not may use every port. */
async function expectReach(
  policies: readonly KubeObject[],
  { sctp: over, tcp }: Readonly<Record<'sctp' | 'tcp', Readonly<Record<Flow, readonly number[]>>>>,
): Promise<void> {
  await cluster.save('policies', policies)
  const may =
    (flows: Readonly<Record<Flow, readonly number[]>>) =>
    ({ from, to, segment, port }: Pick<SctpCell, 'from' | 'to' | 'segment'> & { port?: number }) => {
      const ports = segment === 'red' ? flows[`${from.name} → ${to.name}`] : undefined
      return ports === undefined || ports.includes(port ?? 0) ? 'open' : 'blocked'
    }
  const rows = [
    ...(await sctp.matrix({ pods, ports: PORTS, expect: may(over) })),
    ...(await cluster.lab.matrix({ pods, ports: PORTS, protocols: ['tcp'], expect: may(tcp) })),
  ]
  expect(rows.every(asExpected), `\n${renderTable(rows)}`).toBe(true)
}

/** The same ports for each of the flows. */
function flows(
  ports: readonly number[],
  ...names: readonly Flow[]
): Readonly<Record<Flow, readonly number[]>> {
  return Object.fromEntries(names.map((name) => [name, ports]))
}

const INTO_A: readonly Flow[] = ['b → a', 'c → a']
const OUT_OF_A: readonly Flow[] = ['a → b', 'a → c']

describe.each(DATAPLANES)('SCTP by %s', (dataplane) => {
  beforeAll(async () => await cluster.start(dataplane, [policy(app('b'))]))

  test('passes where no policy governs, and by default does not where one does', async () => {
    await expectReach([], { sctp: {}, tcp: {} })
    await expectReach([policy({ ...app('a'), policyTypes: ['Ingress', 'Egress'] })], {
      sctp: flows([], ...INTO_A, ...OUT_OF_A),
      tcp: flows([], ...INTO_A, ...OUT_OF_A),
    })
    expect(await standing(pods[0])).toEqual([dataplane])
  })

  test('one port, for one peer: the port of TCP with that number stays closed', async () => {
    const ingress = [{ from: [app('b')], ports: [{ protocol: SCTP, port: 80 }] }]
    await expectReach([policy({ ...app('a'), ingress })], {
      sctp: { 'b → a': [80], 'c → a': [] },
      tcp: flows([], ...INTO_A),
    })
  })

  test('a port of TCP allows no SCTP', async () => {
    await expectReach([policy({ ...app('a'), ingress: [{ ports: [{ port: 80 }] }] })], {
      sctp: flows([], ...INTO_A),
      tcp: flows([80], ...INTO_A),
    })
  })

  test('the protocol alone allows all its ports and nothing else, also on the way out', async () => {
    const rule = { ports: [{ protocol: SCTP }] }
    const spec = { ...app('a'), policyTypes: ['Ingress', 'Egress'], ingress: [rule], egress: [rule] }
    await expectReach([policy(spec)], { sctp: {}, tcp: flows([], ...INTO_A, ...OUT_OF_A) })
  })

  test('a range of ports, beside one port of TCP in the same rule', async () => {
    const ports = [{ protocol: SCTP, port: 81, endPort: 82 }, { port: 80 }]
    await expectReach([policy({ ...app('a'), ingress: [{ ports }] })], {
      sctp: flows([81, 82], ...INTO_A),
      tcp: flows([80], ...INTO_A),
    })
  })

  test('a named port on ingress is the governed pod’s of that protocol', async () => {
    const ports = [{ protocol: SCTP, port: 'signal' }]
    await expectReach([policy({ ...app('a'), ingress: [{ ports }] })], {
      sctp: flows([81], ...INTO_A),
      tcp: flows([], ...INTO_A),
    })
  })

  test('a named port on egress is each peer’s own', async () => {
    const egress = [{ ports: [{ protocol: SCTP, port: 'signal' }] }]
    await expectReach([policy({ podSelector: {}, policyTypes: ['Egress'], egress })], {
      sctp: { 'a → b': [], 'b → a': [81], ...flows([82], 'a → c', 'b → c') },
      tcp: flows([], 'a → b', 'b → a', 'a → c', 'b → c'),
    })
  })

  test.each([4, 6] as const)(
    'an association lives through edits that allow it and stops with one that does not, IPv%i',
    async (family) => {
      const [a, b] = pods
      const allow = (port: number, peer: string) =>
        policy({
          ...{ ...app('a'), policyTypes: ['Ingress', 'Egress'] },
          ingress: [{ from: [app(peer)], ports: [{ protocol: SCTP, port }] }],
          egress: [{ to: [app(peer)], ports: [{ protocol: SCTP, port }] }],
        })
      await cluster.save('policies', [allow(80, 'b')])
      const incoming = await sctp.associate(b, a, 80, family)
      const outgoing = await sctp.associate(a, b, 80, family)
      expect([await incoming(), await outgoing()]).toEqual([true, true])
      await cluster.save('policies', [allow(80, 'b'), policy(app('a'), 'another')])
      expect([await incoming(), await outgoing()]).toEqual([true, true])
      await cluster.save('policies', [allow(81, 'b')])
      expect([await incoming(2), await outgoing(2)]).toEqual([false, false])
    },
  )
})
