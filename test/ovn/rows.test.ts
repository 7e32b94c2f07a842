/**
 * The rows that ovn-kubernetes makes, word for word, and our policies on them: what ovn-northd and ovn-trace then say of the
 * first packet, of replies, and of connections that were there before.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Cluster } from '../../src/compile/cluster.ts'
import { OVN_CNI_TYPE, portName } from '../../src/compile/ovn/ports.ts'
import { networkObject, policyObject } from '../manifests.ts'
import { clusterOf } from '../product.ts'
import { ARTICLE, type ArticlePod, addressesOf, columnsOf, portNameOf, uidOf } from './rows-article.ts'
import { TraceWorld } from './trace-world.ts'
import { Mode } from './writer-mode.ts'
import { Watcher } from './writer-watcher.ts'

let world: TraceWorld
beforeAll(async () => {
  world = await TraceWorld.make()
  for (const { switchName, topology } of ARTICLE) {
    const ids = [`external_ids:k8s.ovn.org/topology=${topology}`]
    await world.nbctl('--may-exist', 'ls-add', switchName, '--', 'set', 'Logical_Switch', switchName, ...ids)
  }
  for (const pod of ARTICLE)
    await world.nbctl(
      '--id=@p',
      'create',
      'Logical_Switch_Port',
      ...columnsOf(pod),
      '--',
      'add',
      'Logical_Switch',
      pod.switchName,
      'ports',
      '@p',
    )
})
afterAll(() => world[Symbol.asyncDispose]())
beforeEach(() => world.nbctl('--all', 'destroy', 'Port_Group', '--', '--all', 'destroy', 'Address_Set'))

function clusterWith(...policies: readonly object[]): Cluster {
  const networks = ['l3-network', 'l2-network', 'localnet-network']
  return clusterOf([
    ...networks.map((name) => networkObject('kube-system', name, OVN_CNI_TYPE)),
    ...ARTICLE.map(podObject),
    ...policies,
  ])
}

function podObject(pod: ArticlePod): object {
  const { name, status } = pod
  return {
    kind: 'Pod',
    metadata: {
      ...{ namespace: 'default', name, uid: uidOf(pod), labels: { app: name } },
      annotations: { 'k8s.v1.cni.cncf.io/network-status': status },
    },
    spec: { nodeName: 'work001', containers: [{ name, ports: [{ containerPort: 80, name: 'server' }] }] },
  }
}

function policy(network: string, spec: object): object {
  return policyObject('default', 'p', `kube-system/${network}`, spec)
}

const podNamed = (name: string): ArticlePod =>
  ARTICLE.find((pod) => pod.name === name) ?? expect.fail(`no pod ${name}`)

/** Whether the packet comes out at the port of the other pod; both are on one switch. */
async function passes(from: string, to: string, tcp: number, ct?: readonly string[]): Promise<boolean> {
  return (await told(from, to, tcp, ct)).includes(`output to "${portNameOf(podNamed(to))}"`)
}

async function told(from: string, to: string, tcp: number, ct?: readonly string[]): Promise<string> {
  const [source, destination] = [podNamed(from), podNamed(to)]
  const [own, peer] = [addressesOf(source), addressesOf(destination)]
  const flow = `inport == "${portNameOf(source)}" && eth.src == ${own.mac} && eth.dst == ${peer.mac} && ip4.src == ${own.ip} && ip4.dst == ${peer.ip} && ip.ttl == 64 && tcp.src == 40000 && tcp.dst == ${tcp}`
  return await world.trace(source.switchName, flow, ct)
}

test('every port is known for what it is', async () => {
  for (const pod of ARTICLE) {
    const network = /nad"="([^"]+)"/.exec(pod.port)?.[1] as `${string}/${string}`
    expect(portName(network, 'default', pod.name)).toBe(portNameOf(pod))
    expect(
      await world.nbctl('--bare', '--columns=name', 'find', 'Logical_Switch_Port', `name=${portNameOf(pod)}`),
    ).toBe(`${portNameOf(pod)}\n`)
  }
  await using mode = new Mode(world.nb.endpoint)
  await using watcher = await Watcher.of(world.nb.endpoint)
  const deny = (network: string) => ({
    ...policy(network, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
  })
  const denials = ['l3-network', 'l2-network', 'localnet-network'].map((network, n) => {
    const { metadata, ...rest } = deny(network) as { metadata: object }
    return { ...rest, metadata: { ...metadata, name: `deny-${n}` } }
  })
  await mode.settle(clusterWith(...denials))
  await watcher.now()
  for (const pod of ARTICLE)
    expect(watcher.text().split(`port ${portNameOf(pod)}\n`), 'isolated both ways').toHaveLength(3)
  expect(mode.enforcement.issues()).toEqual([])
})

test.each([
  ['layer2', 'nginx1-l2', 'nginx2-l2', 'l2-network'],
  ['localnet', 'nginx1-lo', 'nginx2-lo', 'localnet-network'],
])(
  '%s: a rule by name lets one pod in to one port, and replies go back',
  async (_, server, client, network) => {
    await using mode = new Mode(world.nb.endpoint)
    const ingress = [
      { from: [{ podSelector: { matchLabels: { app: client } } }], ports: [{ port: 'server' }] },
    ]
    await mode.settle(
      clusterWith(policy(network, { podSelector: { matchLabels: { app: server } }, ingress })),
    )
    await world.synced()
    expect(await passes(client, server, 80)).toBe(true)
    expect(await passes(client, server, 81)).toBe(false)
    expect(await passes(server, client, 40000, ['est,rpl', 'est,rpl']), 'the reply').toBe(true)
    expect(await passes(server, client, 5000), 'what it begins itself').toBe(true)
    expect(await passes(client, server, 5000, ['est,rpl', 'est,rpl']), 'and the reply to that').toBe(true)
  },
)

test("policies that only deny leave the replies to the pods' own connections alone", async () => {
  await using mode = new Mode(world.nb.endpoint)
  await mode.settle(clusterWith(policy('l2-network', { podSelector: { matchLabels: { app: 'nginx1-l2' } } })))
  await world.synced()
  expect(await passes('nginx2-l2', 'nginx1-l2', 80)).toBe(false)
  expect(await passes('nginx1-l2', 'nginx2-l2', 80)).toBe(true)
  expect(await passes('nginx2-l2', 'nginx1-l2', 40000, ['est,rpl', 'est,rpl'])).toBe(true)

  await mode.settle(
    clusterWith(
      policy('l2-network', { podSelector: { matchLabels: { app: 'nginx1-l2' } }, policyTypes: ['Egress'] }),
    ),
  )
  await world.synced()
  expect(await passes('nginx1-l2', 'nginx2-l2', 80)).toBe(false)
  expect(await passes('nginx2-l2', 'nginx1-l2', 80)).toBe(true)
  expect(await passes('nginx1-l2', 'nginx2-l2', 40000, ['est,rpl', 'est,rpl'])).toBe(true)
})

test('a connection that is no longer allowed is dropped at its next packet, and marked as blocked for replies', async () => {
  await using mode = new Mode(world.nb.endpoint)
  const allow = policy('l2-network', {
    podSelector: { matchLabels: { app: 'nginx1-l2' } },
    ingress: [{ ports: [{ port: 80 }] }],
  })
  await mode.settle(clusterWith(allow))
  await world.synced()
  expect(await passes('nginx2-l2', 'nginx1-l2', 80, ['est', 'est'])).toBe(true)
  const tighter = policy('l2-network', {
    podSelector: { matchLabels: { app: 'nginx1-l2' } },
    ingress: [{ ports: [{ port: 443 }] }],
  })
  await mode.settle(clusterWith(tighter))
  await world.synced()
  const way = await told('nginx2-l2', 'nginx1-l2', 80, ['est', 'est'])
  expect(way).not.toContain('output to')
  expect(way).toMatch(/ct_commit \{ ct_(mark|label)\.blocked = 1; \}/)
})

test('while ovn-northd stands still rows are written all the same, and hold once it goes on', async () => {
  await using mode = new Mode(world.nb.endpoint)
  await mode.settle(clusterWith())
  await world.synced()
  world.northd.kill('SIGSTOP')
  try {
    await mode.settle(clusterWith(policy('l2-network', { podSelector: {} })))
    expect(await passes('nginx2-l2', 'nginx1-l2', 80), 'not yet').toBe(true)
  } finally {
    world.northd.kill('SIGCONT')
  }
  await world.synced()
  expect(await passes('nginx2-l2', 'nginx1-l2', 80)).toBe(false)
})

test('what our rows look like to ovn-nbctl', async () => {
  await using mode = new Mode(world.nb.endpoint)
  await mode.settle(
    clusterWith(
      policy('l2-network', {
        podSelector: { matchLabels: { app: 'nginx1-l2' } },
        ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }],
      }),
    ),
  )
  const acls = await world.nbctl(
    '--bare',
    '--columns=name,direction,priority,action,external_ids',
    'find',
    'ACL',
    'name="default/p ingress[0]"',
  )
  expect(acls).toBe(`\
default/p ingress[0]
to-lport
1001
allow-related
direction=ingress k8s.ovn.org/id=multi-networkpolicyd:policy:default/p:ingress[0] k8s.ovn.org/name=default/p ingress[0] k8s.ovn.org/owner-controller=multi-networkpolicyd k8s.ovn.org/owner-type=MultiNetworkPolicy
`)
  const shown = await world.nbctl(
    '--type=port-group',
    'acl-list',
    (
      await world.nbctl(
        '--bare',
        '--columns=name',
        'find',
        'Port_Group',
        'external_ids:k8s.ovn.org/name="default/p"',
      )
    ).trim(),
  )
  const hash = '[0-9a-f]{32}'
  expect(shown).toMatch(
    new RegExp(
      `^  to-lport  1001 \\(outport == @mnpd_policy_${hash} && \\(ip4.src == \\$mnpd_peers_${hash}_v4 \\|\\| ip6.src == \\$mnpd_peers_${hash}_v6\\) && tcp.dst == 80\\) allow-related\\n$`,
    ),
  )
})
