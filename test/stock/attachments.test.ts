/**
 * Interfaces of every kind that CNI plugins give to pods and that the host's kernel may lack: one policy governs a pod of
 * each, and packets between it and two ordinary pods say whether it is in force.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Pod } from '../lab/pod.ts'
import type { Protocol } from '../lab/probe.ts'
import { type KubeObject, networkObject } from '../manifests.ts'
import {
  type Attached,
  addressesOf,
  attachedObject,
  KINDS,
  type Kind,
  makeAttached,
  makePeer,
  PEERS,
  type PeerName,
} from './attached.ts'
import { app, policy, StockCluster } from './cluster.ts'
import { DATAPLANES, type Dataplane } from './dataplane.ts'

const PORTS = [80, 81]
/** From `ok` one port of TCP, to `ok` one of UDP. */
const POLICY = policy({
  ...{ ...app('governed'), policyTypes: ['Ingress', 'Egress'] },
  ingress: [{ from: [app('ok')], ports: [{ port: 80 }] }],
  egress: [{ to: [app('ok')], ports: [{ protocol: 'UDP', port: 80 }] }],
})

const ALLOWED = [
  ...['ok → pod tcp/80 v4', 'pod → ok udp/80 v4'],
  ...['ok → pod tcp/80 v6', 'pod → ok udp/80 v6'],
]

/**
 * What comes in on these meets the pod's hooks on another interface, or none: in mode l3s the kernel looks at the node's
 * hooks only, and of an interface within a VRF `iifname` is the VRF's name, while `meta sdifname`, which iptables does not
 * have, is its own.
 */
const passedBy = (dataplane: Dataplane): readonly Kind[] =>
  dataplane === 'nftables' ? ['ipvlan l3s'] : ['ipvlan l3s', 'vrf']

let cluster: StockCluster
let peers: Readonly<Record<PeerName, Pod>>
let attached: ReadonlyMap<Kind, Attached>

beforeAll(async () => {
  cluster = await StockCluster.create('kinds', ['red'])
  const { lab } = cluster
  const [ok, bad] = [await makePeer(lab, 'ok'), await makePeer(lab, 'bad')]
  peers = { ok, bad }
  const made: Attached[] = []
  for (const kind of KINDS) made.push(await makeAttached(lab, kind, [ok, bad]))
  attached = new Map(made.map((each) => [each.kind, each]))
  // To its address within a VRF no UDP socket can be bound that is not the VRF's: that nobody listens is an answer too.
  await Promise.all([ok, bad].map((peer) => peer.serve({ tcp: PORTS, udp: PORTS })))
  await Promise.all(made.map(({ pod }) => pod.serve({ tcp: PORTS })))
  await cluster.save('cluster', [
    networkObject('x', 'red'),
    ...made.map(({ pod, addresses }) => attachedObject(pod, 'governed', addresses)),
    ...Object.entries(peers).map(([name, pod]) => peerObject(name as PeerName, pod)),
  ])
})

afterAll(async () => await cluster?.[Symbol.asyncDispose]())

function peerObject(name: PeerName, pod: Pod): KubeObject {
  const own = KINDS.flatMap((kind) => addressesOf(PEERS[name], kind))
  return attachedObject(pod, name, [...new Set(own)])
}

/** What passes between the pod of that kind and the peers: `ok → pod tcp/80 v4`. */
async function passing(kind: Kind): Promise<readonly string[]> {
  const { pod, addresses } = attached.get(kind) ?? expect.fail(`no pod of kind ${kind}`)
  const questions = (Object.entries(peers) as [PeerName, Pod][]).flatMap(([name, peer]) =>
    ([4, 6] as const).flatMap((family) =>
      (['tcp', 'udp'] as const).flatMap((protocol: Protocol) =>
        PORTS.flatMap((port) => {
          const place = family === 4 ? 0 : 1
          const what = `${protocol}/${port} v${family}`
          const at = { protocol, port, timeoutMs: 1000 }
          return [
            { label: `${name} → pod ${what}`, probe: { ...at, from: peer, to: addresses[place] } },
            {
              label: `pod → ${name} ${what}`,
              probe: { ...at, from: pod, to: addressesOf(PEERS[name], kind)[place] },
            },
          ]
        }),
      ),
    ),
  )
  const results = await cluster.lab.probeAll(questions.map(({ probe }) => probe))
  return questions.filter((_, index) => results[index]?.verdict !== 'blocked').map(({ label }) => label)
}

test.each(KINDS)('%s: without a policy everything passes', async (kind) => {
  expect(await passing(kind)).toHaveLength(32)
})

describe.each(DATAPLANES)('by %s', (dataplane) => {
  beforeAll(async () => await cluster.start(dataplane, [POLICY]))

  const passed = passedBy(dataplane)
  test.each(KINDS.filter((kind) => !passed.includes(kind)))(
    '%s: what the policy allows passes and nothing else',
    async (kind) => expect(await passing(kind)).toEqual(ALLOWED),
  )

  test.each(passed)('%s: what comes in is not held back, and the daemon says so', async (kind) => {
    const name = attached.get(kind)?.pod.name
    // At the second look at the pod.
    await cluster.daemon.logged(new RegExp(`x/${name}: .*ingress by net1 is not enforced because`), 150_000)
    const outward = (await passing(kind)).filter((label) => label.startsWith('pod'))
    expect(outward).toEqual(ALLOWED.filter((label) => label.startsWith('pod')))
  })

  test('and of no other', () => {
    const told = cluster.daemon.log.filter(({ msg }) => /ingress by net1 is not enforced/.test(msg))
    expect(new Set(told.map(({ object }) => object)).size).toBe(passed.length)
  })
})
