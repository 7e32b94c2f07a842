/** The mode on the databases that clusters have: by TLS with client certificates, clustered by raft, with and without tiers. */
import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { certificate, pemFiles, selfSigned } from '../../packages/ovsdb/test/ovn/certificates.ts'
import { run, type Server, Testbed } from '../../packages/ovsdb/test/ovn/servers.ts'
import { openNorthbound } from '../../src/apply/ovn/northbound.ts'
import { OVN_CNI_TYPE } from '../../src/compile/ovn/ports.ts'
import { DaemonProcess } from '../daemon.ts'
import { type KubeObject, Manifests, networkObject } from '../manifests.ts'
import { topologyRows } from './trace-topology.ts'
import { ALLOW_DB, DB, deniedCluster, PORTS, podOf, WEB } from './writer-cluster.ts'
import { Mode, until } from './writer-mode.ts'
import { Watcher } from './writer-watcher.ts'

const OBJECTS = [networkObject('shop', 'blue', OVN_CNI_TYPE), WEB, DB, ALLOW_DB] as KubeObject[]

let testbed: Testbed
let manifests: Manifests
beforeAll(async () => {
  testbed = await Testbed.make()
  manifests = await Manifests.create()
  for (const ca of ['ca', 'other-ca']) await selfSigned(testbed, ca)
  await certificate(testbed, 'server', 'ca', 'DNS:nb.example')
  await certificate(testbed, 'client', 'ca', 'DNS:client.example')
  await certificate(testbed, 'stranger', 'other-ca', 'DNS:client.example')
})
afterAll(async () => {
  await manifests?.[Symbol.asyncDispose]()
  await testbed?.[Symbol.asyncDispose]()
})

async function daemon(...flags: readonly string[]): Promise<DaemonProcess> {
  await manifests.save('cluster', OBJECTS)
  return await DaemonProcess.start([
    `--manifests=${manifests.directory}`,
    '--hostname-override=n1',
    '--log-level=debug',
    ...flags,
  ])
}

async function withPorts(endpoint: string): Promise<void> {
  await using client = openNorthbound({ endpoints: endpoint, tls: undefined })
  await client.ready()
  await client.transact(topologyRows('layer2', PORTS))
}

const certificates = (name: string): readonly string[] => {
  const { privateKey, certificate: own } = pemFiles(testbed, name)
  return [
    `--ovn-nb-private-key=${privateKey}`,
    `--ovn-nb-certificate=${own}`,
    `--ovn-nb-ca-cert=${pemFiles(testbed, 'server').ca}`,
  ]
}

test('by TLS with a certificate that the server trusts rows are written; with another nothing is, and it is said', async () => {
  const { privateKey, certificate: own, ca } = pemFiles(testbed, 'server')
  const server = await testbed.standalone('tls', [
    '--remote=pssl:0:127.0.0.1',
    `--private-key=${privateKey}`,
    `--certificate=${own}`,
    `--ca-cert=${ca}`,
  ])
  await withPorts(server.endpoint)
  await using watcher = await Watcher.of(server.endpoint)
  const nb = `--ovn-nb=ssl:127.0.0.1:${server.port('127.0.0.1')}`
  {
    await using stranger = await daemon(nb, ...certificates('stranger'))
    await stranger.logged(/OVN northbound database: .*what is enforced there stays as it is/)
    expect(watcher.text()).toBe('')
  }
  await using trusted = await daemon(nb, ...certificates('client'))
  await trusted.ready(60_000)
  await watcher.now()
  expect(watcher.ports('web')).toHaveLength(3)
})

test('in a cluster of three the leader is written to, and the next one when it is killed or stands still', async () => {
  const servers = await testbed.cluster(3)
  const all = servers.map(({ endpoint }) => endpoint)
  const nb = `--ovn-nb=${all.join(',')}`
  await withPorts(all.join(','))
  await using first = await daemon(nb)
  await first.ready(60_000)
  await using second = await daemon(nb)
  await second.ready(60_000)

  const standing = async (among: readonly Server[]): Promise<string> => {
    await using client = openNorthbound({
      endpoints: among.map(({ endpoint }) => endpoint).join(','),
      tls: undefined,
    })
    const { endpoint } = await client.ready()
    await using watcher = await Watcher.of(endpoint)
    return watcher.text()
  }
  const before = await standing(servers)
  expect(before).toContain('10.1.0.2')

  let left = servers
  for (const [harm, isPeer] of [
    ['SIGSTOP', true],
    ['SIGKILL', false],
  ] as const) {
    const leader = await leaderOf(left)
    leader.signal(harm)
    const other = podOf('other', 3, { labels: { app: isPeer ? 'db' : 'none' } })
    await manifests.save('cluster', [...OBJECTS, other as KubeObject])
    const others = left.filter((each) => each !== leader)
    await until(async () => (await standing(others)).includes('10.1.0.3') === isPeer, 90_000)
    // A cluster of three needs two to go on.
    if (harm === 'SIGSTOP') leader.signal('SIGCONT')
    else left = others
  }
  await until(() => [first, second].every(({ exitCode }) => exitCode === null))
  await first.ready(60_000)
  await second.ready(60_000)
}, 300_000)

async function leaderOf(servers: readonly Server[]): Promise<Server> {
  const endpoints = servers.map(({ endpoint }) => endpoint).join(',')
  await using client = openNorthbound({ endpoints, tls: undefined })
  const { endpoint } = await client.ready()
  const leader = servers.find((each) => each.endpoint === endpoint)
  if (leader === undefined) throw new Error(`no server at ${endpoint}`)
  return leader
}

const SCHEMA = '/usr/share/ovn/ovn-nb.ovsschema'

/** As from OVN 23.06 on, or as before. */
async function schema(name: string, tiers: boolean): Promise<string> {
  const text = JSON.parse(await readFile(SCHEMA, 'utf8')) as {
    tables: { ACL: { columns: Record<string, unknown> } }
  }
  const { columns } = text.tables.ACL
  delete columns['tier']
  if (tiers) columns['tier'] = { type: { key: { type: 'integer', minInteger: 0, maxInteger: 3 } } }
  const path = testbed.path(name)
  await writeFile(path, JSON.stringify(text))
  return path
}

test('ACLs are in tier 2, as those of network policies, where there are tiers; a database without is sent none', async () => {
  for (const tiers of [true, false]) {
    const name = tiers ? 'tiers' : 'no-tiers'
    const server = await testbed.standalone(name, [], await schema(`${name}.ovsschema`, tiers))
    await withPorts(server.endpoint)
    await using mode = new Mode(server.endpoint)
    await mode.settle(deniedCluster())
    const asked = JSON.stringify([
      'OVN_Northbound',
      { op: 'select', table: 'ACL', where: [], ...(tiers ? { columns: ['tier'] } : {}) },
    ])
    const { stdout } = await run('ovsdb-client', ['query', server.endpoint, asked])
    const [{ rows }] = JSON.parse(stdout) as [{ rows: readonly { readonly tier?: number }[] }]
    expect(rows.length).toBeGreaterThan(0)
    expect(new Set(rows.map(({ tier }) => tier))).toEqual(new Set([tiers ? 2 : undefined]))
    if (!tiers) continue
    // ovn-kubernetes' own start moves what is in tier 0 only; whoever moves ours sees it moved back.
    await run('ovsdb-client', [
      'transact',
      server.endpoint,
      JSON.stringify(['OVN_Northbound', { op: 'update', table: 'ACL', where: [], row: { tier: 0 } }]),
    ])
    await until(async () => {
      const { stdout: now } = await run('ovsdb-client', ['query', server.endpoint, asked])
      return !now.includes('"tier":0')
    })
  }
})
