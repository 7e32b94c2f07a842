/**
 * The testbed itself, without a daemon: its rows are those of ovn-kubernetes, its packets go where they should, ACLs written by
 * hand decide on them as OVN's documentation and ovn-trace say, and it leaves nothing behind.
 */
import { access } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MatrixCell } from '../lab/matrix.ts'
import { namespaces } from '../lab/names.ts'
import type { Pod } from '../lab/pod.ts'
import { asExpected, renderTable } from '../lab/table.ts'
import { type HandAcls, handAcls } from './testbed/acls.ts'
import { agreement } from './testbed/agreement.ts'
import { ARTICLE_HOST, ARTICLE_NETWORKS, ARTICLE_PODS } from './testbed/article.ts'
import { PROGRAM_NAMES } from './testbed/central.ts'
import type { OvnPod, OvnPort } from './testbed/pods.ts'
import { OvnTestbed } from './testbed/testbed.ts'
import { addressOn, connected, NETWORKS, type OvnWorld, ovnWorld, type PodName } from './testbed/world.ts'

const PATIENT_MS = 1_000

describe('the networks, pods and rows of the article', () => {
  let bed: OvnTestbed
  let pods: readonly OvnPod[]
  let host: Pod

  beforeAll(async () => {
    bed = await OvnTestbed.start('article')
    for (const network of ARTICLE_NETWORKS) await bed.network(network)
    pods = await bed.pods(ARTICLE_PODS)
    host = await bed.host(ARTICLE_HOST)
  })
  afterAll(() => bed?.[Symbol.asyncDispose]())

  const row = async (table: string, name: string, columns: string): Promise<string> =>
    await bed.central.nbctl([['find', table, `name=${name}`]], ['--bare', `--columns=${columns}`])

  test('a layer3 network has a router and a switch for each node', async () => {
    expect(await row('Logical_Router', 'l3.network_ovn_cluster_router', 'external_ids,options')).toBe(
      [
        'k8s-cluster-router=yes k8s-ovn-topo-version=5 k8s.ovn.org/network=l3-network k8s.ovn.org/topology=layer3',
        'always_learn_from_arp_request=false',
      ].join('\n'),
    )
    for (const [node, byte] of [
      ['master001', 0],
      ['work001', 2],
      ['work002', 1],
    ])
      expect(await row('Logical_Switch', `l3.network_${node}`, 'external_ids,other_config')).toBe(
        [
          'k8s.ovn.org/network=l3-network k8s.ovn.org/topology=layer3',
          `exclude_ips=10.33.${byte}.2 subnet=10.33.${byte}.0/24`,
        ].join('\n'),
      )
  })

  test.each([
    ['layer2', 'l2', '10.22.0.0/16'],
    ['localnet', 'localnet', '192.168.100.0/24'],
  ])('a %s network has one switch', async (topology, network, subnet) => {
    const name = `${network}.network_ovn_${topology}_switch`
    expect(await row('Logical_Switch', name, 'external_ids,other_config')).toBe(
      [
        `k8s-ovn-topo-version=5 k8s.ovn.org/network=${network}-network k8s.ovn.org/topology=${topology}`,
        `subnet=${subnet}`,
      ].join('\n'),
    )
  })

  test('a localnet network has a port to its physical one', async () => {
    const name = 'localnet.network_ovn_localnet_port'
    expect(await row('Logical_Switch_Port', name, 'addresses,external_ids,options,port_security,type')).toBe(
      'unknown\n\nnetwork_name=localnet.network_br-localnet\n\nlocalnet',
    )
  })

  test.each([
    ['l3', 'l3', 'layer3', '0a:58:0a:21:02:03 10.33.2.3', 'a7fad855-9a37-4918-8aaa-b10627cdfe91'],
    ['l2', 'l2', 'layer2', '0a:58:0a:16:00:01 10.22.0.1', 'f4bb6a91-019b-4612-b6aa-88fc663dd515'],
    ['localnet', 'lo', 'localnet', '0a:58:c0:a8:64:04 192.168.100.4', '1c22a591-3c56-4663-b9b2-983effab96b1'],
  ])('the port of a pod on the %s network', async (network, pod, topology, addresses, uid) => {
    const name = `kube.system.${network}.network_default_nginx1-${pod}`
    const columns = 'addresses,external_ids,options,port_security,type,up'
    expect(await row('Logical_Switch_Port', name, columns)).toBe(
      [
        addresses,
        [
          `k8s.ovn.org/nad=kube-system/${network}-network`,
          `k8s.ovn.org/network=${network}-network`,
          `k8s.ovn.org/topology=${topology}`,
          'namespace=default',
          'pod=true',
        ].join(' '),
        `iface-id-ver=${uid} requested-chassis=n1`,
        addresses,
        '',
        'true',
      ].join('\n'),
    )
  })

  test('pods of a network reach each other, and a host outside where there is one; the hop over a router counts', async () => {
    const rows = await bed.matrix({
      pods: [...pods.map(({ pod }) => pod), host],
      expect: () => 'open',
    })
    expect(rows.length).toBe(2 * 3 + 2 * 3 + 6 * 3)
    expect(rows.every(asExpected), renderTable(rows)).toBe(true)
    const ping = async (from: number, to: string): Promise<string> =>
      (await pods[from]?.pod.run(['ping', '-c1', to])) ?? ''
    expect(await ping(0, '10.33.1.3')).toContain('ttl=63')
    expect(await ping(2, '10.22.0.2')).toContain('ttl=64')
  })
})

describe('six networks at once', () => {
  let world: OvnWorld
  beforeAll(async () => {
    world = await ovnWorld('six')
  })
  afterAll(() => world?.[Symbol.asyncDispose]())

  const open =
    (nad: string): ((cell: MatrixCell) => 'open' | 'blocked') =>
    ({ from, to }) =>
      connected(nad, from.name, to.name) ? 'open' : 'blocked'

  test.each(NETWORKS)(
    'without ACLs all of $nad that is connected is open, and ovn-trace says so',
    async ({ nad, name }) => {
      const { bed, pods, everyone } = world
      const rows = await bed.matrix({
        pods: everyone,
        segment: name,
        timeoutMs: PATIENT_MS,
        expect: open(nad),
      })
      expect(rows.every(asExpected), renderTable(rows)).toBe(true)
      expect(await agreement(bed, Object.values(pods), rows)).toEqual([])
    },
  )

  test.each(NETWORKS)('ACLs by hand on $nad: packets and ovn-trace say the same', async ({ nad, name }) => {
    const { bed, pods, everyone } = world
    const client = [4, 6].map((family) => `ip${family}.src == ${addressOn(nad, 'client', family as 4 | 6)}`)
    const acls = {
      group: 'byhand',
      ports: [portOf(pods.server, nad).name],
      directions: ['ingress'],
      allow: [{ direction: 'ingress', match: `tcp.dst == 80 && (${client.join(' || ')})` }],
    } as const
    await using _ = await underAcls(bed, acls)
    const rows = await bed.matrix({
      pods: everyone,
      ports: [80, 81],
      segment: name,
      expect: (cell) => {
        const { from, to, protocol, port } = cell
        const refused = to.name === 'server' && !(from.name === 'client' && protocol === 'tcp' && port === 80)
        return refused ? 'blocked' : open(nad)(cell)
      },
    })
    expect(rows.every(asExpected), renderTable(rows)).toBe(true)
    expect(await agreement(bed, Object.values(pods), rows)).toEqual([])
  })

  test.each([
    ['is only allowed, and replies to own connections are lost', false, 'blocked'],
    ['is allow-related, and they pass', true, 'open'],
  ] as const)('where the one rule beside a deny is for ARP and %s', async (_how, tracked, verdict) => {
    const { bed, pods } = world
    for (const { nad } of NETWORKS.filter((network) => network.subnets !== undefined)) {
      const ports = [portOf(pods.client, nad).name]
      await using _ = await underAcls(bed, { group: 'byhand', ports, directions: ['ingress'], tracked })
      const to = addressOn(nad, 'server', 4)
      await pods.server.pod.serve({ tcp: [80], udp: [80] })
      const probes = (['tcp', 'udp', 'icmp'] as const).map((protocol) => ({
        from: pods.client.pod,
        to,
        protocol,
      }))
      const results = await bed.probeAll(probes)
      expect([nad, ...results.map((result) => result.verdict)]).toEqual([nad, verdict, verdict, verdict])
    }
  })

  test('a port that is deleted and added under its name has left its group', async () => {
    const { bed, pods } = world
    const port = portOf(pods.server, 'shop/l2')
    await using _ = await underAcls(bed, { group: 'byhand', ports: [port.name] })
    await pods.server.pod.serve({ udp: [80] })
    const probe = { from: pods.client.pod, to: addressOn('shop/l2', 'server', 4), protocol: 'udp' } as const
    expect(await bed.probeAll([probe])).toMatchObject([{ verdict: 'blocked' }])
    await bed.recreatePorts(pods.server)
    await bed.bound([pods.server])
    expect(await bed.probeAll([{ ...probe, timeoutMs: PATIENT_MS }])).toMatchObject([{ verdict: 'open' }])
  })

  test('a VLAN is of the hosts that are on it', async () => {
    const { bed, pods } = world
    const stray = await bed.host({ name: 'stray', nad: 'shop/lo', addresses: ['10.44.0.200/24'] })
    const probe = { from: stray, to: addressOn('shop/lo', 'server', 4), protocol: 'icmp' } as const
    expect(await bed.probeAll([probe])).toMatchObject([{ verdict: 'blocked' }])
    expect(pods.server.ports.some(({ network }) => network.vlanID === 100)).toBe(true)
  })
})

test('two testbeds stand side by side, and leave nothing', async () => {
  const pids: (number | undefined)[] = []
  const directories: string[] = []
  const names: PodName[] = []
  {
    await using one = await ovnWorld('one', ['shop/l2'])
    await using two = await ovnWorld('two', ['shop/l2'])
    for (const { bed, pods } of [one, two]) {
      directories.push(bed.central.directory)
      pids.push(...PROGRAM_NAMES.map((name) => bed.program(name).pid))
      names.push(...(Object.keys(pods) as PodName[]))
      const from = pods.client.pod
      await pods.server.pod.serve({ tcp: [80] })
      const probe = {
        from,
        to: addressOn('shop/l2', 'server', 4),
        protocol: 'tcp',
        timeoutMs: PATIENT_MS,
      } as const
      expect(await bed.probeAll([probe])).toMatchObject([{ verdict: 'open' }])
    }
  }
  expect(names.length).toBe(8)
  expect(pids.every((pid) => pid !== undefined && !alive(pid))).toBe(true)
  for (const directory of directories) await expect(access(directory)).rejects.toThrow('ENOENT')
  expect((await namespaces('mnpd-ovn-one-')).concat(await namespaces('mnpd-ovn-two-'))).toEqual([])
})

/** The ACLs are in force while this is held. */
async function underAcls(bed: OvnTestbed, acls: HandAcls): Promise<AsyncDisposable> {
  await bed.central.nbctl(handAcls(acls))
  await bed.sync()
  return {
    async [Symbol.asyncDispose]() {
      await bed.central.nbctl([['pg-del', acls.group]])
      await bed.sync()
    },
  }
}

function portOf({ ports }: OvnPod, nad: string): OvnPort {
  const found = ports.find(({ network }) => network.nad === nad)
  if (found === undefined) throw new Error(`the pod has no port on ${nad}`)
  return found
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
