/** The writer on a real ovsdb-server: what it sends, when, and what it leaves alone. */
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Testbed } from '../../packages/ovsdb/test/ovn/servers.ts'
import {
  LOCK,
  type NorthboundClient,
  type NorthboundOperation,
  openNorthbound,
} from '../../src/apply/ovn/northbound.ts'
import { auditNorthbound, cleanNorthbound } from '../../src/apply/ovn/once.ts'
import { arbitraryHistory, edited } from '../model/generate.ts'
import { clusterOf } from '../product.ts'
import { seed } from '../seed.ts'
import { OPTIONS } from '../unit/compile/ovn-cluster.ts'
import { podPorts } from './trace-ports.ts'
import { type PortSpec, topologyRows } from './trace-topology.ts'
import {
  ALLOW_DB,
  clusterWith,
  DB,
  deniedCluster,
  PORTS,
  podOf,
  policy,
  portOf,
  WEB,
} from './writer-cluster.ts'
import { Mode, until } from './writer-mode.ts'
import { Watcher } from './writer-watcher.ts'

let testbed: Testbed
let endpoint: string
let other: NorthboundClient

beforeAll(async () => {
  testbed = await Testbed.make()
  endpoint = (await testbed.standalone('nb')).endpoint
  other = openNorthbound({ endpoints: endpoint, tls: undefined })
  await other.ready()
})
afterAll(async () => {
  await other[Symbol.asyncDispose]()
  await testbed[Symbol.asyncDispose]()
})

/** The network and its ports, as ovn-kubernetes would have made them, and nothing of ours. */
beforeEach(async () => {
  await write(
    { op: 'delete', table: 'Port_Group', where: [] },
    { op: 'delete', table: 'Address_Set', where: [] },
    { op: 'delete', table: 'Logical_Switch', where: [] },
    ...topologyRows('layer2', PORTS),
  )
})

async function write(...operations: readonly NorthboundOperation[]): Promise<void> {
  const result = await other.transact(operations)
  expect(result, JSON.stringify(result)).toMatchObject({ kind: 'committed' })
}

test('a policy becomes rows in one transaction, and none where nothing changes', async () => {
  await using watcher = await Watcher.of(endpoint)
  await using mode = new Mode(endpoint)
  await mode.settle(deniedCluster())
  expect(await watcher.transactions()).toHaveLength(1)
  expect(watcher.rows('Port_Group').map(({ name }) => name)).toEqual([
    expect.stringMatching(/^mnpd_isolation_/),
    expect.stringMatching(/^mnpd_policy_/),
  ])
  await mode.settle(deniedCluster())
  expect(await watcher.transactions()).toHaveLength(0)
})

test('a new peer is one mutation of one set', async () => {
  await using watcher = await Watcher.of(endpoint)
  await using mode = new Mode(endpoint)
  await mode.settle(deniedCluster())
  await watcher.transactions()
  const second = podOf('other', 3, { labels: { app: 'db' } })
  await mode.settle(clusterWith(WEB, DB, second, ALLOW_DB))
  expect(await watcher.transactions()).toEqual([['Address_Set modified: addresses']])
  const [set] = watcher.rows('Address_Set').filter(({ addresses }) => addresses.size > 0)
  expect([...(set?.addresses ?? [])].sort()).toEqual(['10.1.0.2', '10.1.0.3'])
})

test('an edited rule is one transaction, which changes the ACL in its row', async () => {
  await using watcher = await Watcher.of(endpoint)
  await using mode = new Mode(endpoint)
  await mode.settle(deniedCluster())
  await watcher.transactions()
  const edited = policy('web', {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'db' } } }], ports: [{ port: 443 }] }],
  })
  await mode.settle(clusterWith(WEB, DB, edited))
  expect(await watcher.transactions()).toEqual([['ACL modified: match']])
})

test('a rule with other peers has its set before, or with, the ACL that names it', async () => {
  await using watcher = await Watcher.of(endpoint)
  await using mode = new Mode(endpoint)
  await mode.settle(deniedCluster())
  await watcher.transactions()
  const edited = policy('web', {
    podSelector: { matchLabels: { app: 'web' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 80 }] }],
  })
  await mode.settle(clusterWith(WEB, DB, edited))
  const [transaction, ...more] = await watcher.transactions()
  expect(more).toEqual([])
  expect(transaction?.toSorted()).toEqual([
    'ACL modified: match',
    'Address_Set deleted',
    'Address_Set deleted',
    'Address_Set inserted',
    'Address_Set inserted',
  ])
})

test('a port that is made anew under its name is back in its groups, in one transaction', async () => {
  await using watcher = await Watcher.of(endpoint)
  await using mode = new Mode(endpoint)
  await mode.settle(deniedCluster())
  await watcher.now()
  const before = watcher.ports('web')
  expect(before).toHaveLength(2)
  await watcher.transactions()
  await write({ op: 'delete', table: 'Logical_Switch', where: [] }, ...topologyRows('layer2', PORTS))
  await watcher.now()
  await until(() => watcher.ports('web').length === 2)
  expect(watcher.ports('web')).not.toEqual(before)
  // The server takes the old port out of the groups with the first; ours is the second.
  expect(await watcher.transactions()).toEqual([
    expect.arrayContaining(['Port_Group modified: ports']),
    ['Port_Group modified: ports', 'Port_Group modified: ports'],
  ])
})

test('a port that comes after its pod and policy is governed at once, and one that goes leaves an Issue', async () => {
  await write({ op: 'delete', table: 'Logical_Switch', where: [] })
  await using watcher = await Watcher.of(endpoint)
  await using mode = new Mode(endpoint)
  await mode.settle(deniedCluster())
  const lacking = (): readonly string[] => mode.enforcement.issues().map(({ reason }) => reason)
  expect(lacking()).toContain(
    'not enforced on pod shop/web because it has no port in the OVN northbound database',
  )
  expect(mode.places).toBe(0)
  await write(...topologyRows('layer2', PORTS))
  await until(() => watcher.ports('web').length === 2)
  await until(() => lacking().length === 0)
  expect(mode.places).toBe(1)
  await write({ op: 'delete', table: 'Logical_Switch', where: [] })
  await until(() => lacking().length > 0)
})

test("a port of another zone, and one on a pod's primary network, are not governed", async () => {
  await write({
    op: 'update',
    table: 'Logical_Switch_Port',
    where: [['name', '==', 'shop.blue_shop_web']],
    row: { type: 'remote' },
  })
  await using watcher = await Watcher.of(endpoint)
  await using mode = new Mode(endpoint)
  await mode.settle(deniedCluster())
  await watcher.now()
  expect(watcher.ports('web')).toEqual([])
  await write({
    op: 'update',
    table: 'Logical_Switch_Port',
    where: [['name', '==', 'shop.blue_shop_web']],
    row: { type: '' },
  })
  await until(() => watcher.ports('web').length === 2)
  await write({
    op: 'mutate',
    table: 'Logical_Switch',
    where: [],
    mutations: [['external_ids', 'insert', new Map([['k8s.ovn.org/role', 'primary']])]],
  })
  await until(() => watcher.ports('web').length === 0)
})

test('whatever way a cluster came about, what stands is what its state asks for', async () => {
  const edits = fc.sample(arbitraryHistory({ length: 12 }), { seed, numRuns: 12 })
  await using mode = new Mode(endpoint)
  const options = { ...OPTIONS, node: 'n1', enforceAlways: false }
  const address = { endpoints: endpoint, tls: undefined }
  let rows = 0
  for (const { start, edits: changes } of edits) {
    let raw = start
    await write(
      { op: 'delete', table: 'Logical_Switch', where: [] },
      ...topologyRows('layer2', podPorts(raw)),
    )
    for (const edit of [undefined, ...changes]) {
      raw = edit === undefined ? raw : edited(raw, edit)
      const cluster = clusterOf(Object.values(raw).flat())
      await mode.settle(cluster)
      const { wanted, standing } = await auditNorthbound(
        address,
        cluster,
        options,
        AbortSignal.timeout(20_000),
      )
      expect(standing).toEqual(wanted)
      rows += wanted.length
    }
  }
  expect(rows).toBeGreaterThan(500)
})

const FOREIGN_EDITS: Readonly<Record<string, readonly NorthboundOperation[]>> = {
  'an ACL is taken out of its group': [{ op: 'update', table: 'Port_Group', where: [], row: { acls: [] } }],
  'an ACL is changed': [
    {
      op: 'update',
      table: 'ACL',
      where: [['action', '==', 'drop']],
      row: { action: 'allow', priority: 1, match: '1' },
    },
  ],
  'ports are taken out of the groups': [{ op: 'update', table: 'Port_Group', where: [], row: { ports: [] } }],
  'groups are deleted': [{ op: 'delete', table: 'Port_Group', where: [] }],
  'addresses are put into sets': [
    { op: 'mutate', table: 'Address_Set', where: [], mutations: [['addresses', 'insert', ['10.66.6.6']]] },
  ],
  'sets are deleted': [{ op: 'delete', table: 'Address_Set', where: [] }],
  'the owner is taken from groups': [
    { op: 'update', table: 'Port_Group', where: [], row: { external_ids: new Map() } },
  ],
  'the owner is taken from sets': [
    { op: 'update', table: 'Address_Set', where: [], row: { external_ids: new Map() } },
  ],
  'the owner is taken from ACLs': [
    { op: 'update', table: 'ACL', where: [], row: { external_ids: new Map() } },
  ],
  'ACLs are given egress options': [
    {
      op: 'update',
      table: 'ACL',
      where: [],
      row: { options: new Map([['apply-after-lb', 'true']]), label: 7 },
    },
  ],
}

for (const [what, operations] of Object.entries(FOREIGN_EDITS)) {
  test(`somebody else's edit is undone: ${what}`, async () => {
    await using watcher = await Watcher.of(endpoint)
    await using mode = new Mode(endpoint)
    await mode.settle(deniedCluster())
    await watcher.now()
    const before = watcher.text()
    await watcher.transactions()
    await write(...operations)
    let seen = 0
    await until(async () => {
      seen += (await watcher.transactions()).length
      return seen >= 2
    })
    await watcher.now()
    expect(watcher.text()).toBe(before)
    expect(mode.drifts).toBeGreaterThanOrEqual(1)
  })
}

test('rows of others are never touched, whatever they look like', async () => {
  const like = new Map([['k8s.ovn.org/owner-controller', 'default-network-controller']])
  await write(
    {
      op: 'insert',
      table: 'ACL',
      uuidName: 'a',
      row: {
        priority: 1000,
        direction: 'to-lport',
        match: 'outport == @theirs',
        action: 'drop',
        external_ids: like,
      },
    },
    {
      op: 'insert',
      table: 'Port_Group',
      row: { name: 'theirs', acls: [{ named: 'a' }], external_ids: like },
    },
    { op: 'insert', table: 'Port_Group', row: { name: 'bare' } },
    { op: 'insert', table: 'Address_Set', row: { name: 'unreferenced', addresses: ['10.0.0.1'] } },
  )
  await using watcher = await Watcher.of(endpoint)
  const foreign = watcher.foreign()
  expect(foreign.length).toBeGreaterThan(5)
  {
    await using mode = new Mode(endpoint)
    await mode.settle(deniedCluster())
    await mode.settle(clusterWith(WEB, DB))
  }
  await cleanNorthbound({ endpoints: endpoint, tls: undefined }, AbortSignal.timeout(20_000))
  await until(() => watcher.text() === '')
  expect(watcher.foreign()).toEqual(foreign)
})

test('what no policy asks for any more goes, and only that', async () => {
  await using watcher = await Watcher.of(endpoint)
  await using mode = new Mode(endpoint)
  await mode.settle(deniedCluster())
  await mode.settle(clusterWith(WEB, DB))
  await watcher.now()
  expect(watcher.text()).toBe('')
})

test('nothing is taken away while it is not known whether what is missing is gone', async () => {
  await using watcher = await Watcher.of(endpoint)
  {
    await using mode = new Mode(endpoint)
    await mode.settle(deniedCluster())
  }
  const before = watcher.text()
  await using next = new Mode(endpoint)
  await next.settle(clusterWith(WEB, DB), false)
  await watcher.now()
  expect(watcher.text()).toBe(before)
  await next.settle(clusterWith(WEB, DB))
  await watcher.now()
  expect(watcher.text()).toBe('')
})

test('a daemon that starts anew takes over what stands without a word', async () => {
  {
    await using mode = new Mode(endpoint)
    await mode.settle(deniedCluster())
  }
  await using watcher = await Watcher.of(endpoint)
  await using mode = new Mode(endpoint)
  await mode.settle(deniedCluster())
  expect(await watcher.transactions()).toEqual([])
})

test('1,000 ACLs are one commit', async () => {
  const ports: readonly PortSpec[] = Array.from({ length: 200 }, (_, n) => portOf(`pod-${n}`, n + 10))
  await write({ op: 'delete', table: 'Logical_Switch', where: [] }, ...topologyRows('layer2', ports))
  const pods = ports.map((_, n) => podOf(`pod-${n}`, n + 10, { labels: { n: `${n % 50}` } }))
  const policies = Array.from({ length: 250 }, (_, n) =>
    policy(`p${n}`, {
      podSelector: { matchLabels: { n: `${n % 50}` } },
      ingress: Array.from({ length: 4 }, (_, at) => ({
        from: [{ podSelector: { matchLabels: { n: `${(n + at) % 50}` } } }],
        ports: [{ port: 1 + n * 4 + at }],
      })),
    }),
  )
  await using watcher = await Watcher.of(endpoint)
  await using mode = new Mode(endpoint)
  await mode.settle(clusterWith())
  const start = performance.now()
  await mode.settle(clusterWith(...pods, ...policies))
  const took = performance.now() - start
  await watcher.now()
  expect(watcher.rows('ACL').length).toBe(1002)
  expect(watcher.rows('Address_Set').length, '50 selectors, two families').toBe(100)
  expect(await watcher.transactions()).toHaveLength(1)
  process.stdout.write(`1,000 ACLs on 200 ports, from the cluster to the commit: ${Math.round(took)} ms\n`)
})

test('ovn-kubernetes that enforces the network itself is seen, is left to it, and a flag overrides', async () => {
  const ids = new Map([
    ['k8s.ovn.org/owner-controller', 'shop-blue-network-controller'],
    ['k8s.ovn.org/owner-type', 'Namespace'],
  ])
  await using watcher = await Watcher.of(endpoint)
  {
    await using mode = new Mode(endpoint)
    await mode.settle(deniedCluster())
    await watcher.now()
    expect(watcher.ports('web')).toHaveLength(2)
    await write({ op: 'insert', table: 'Address_Set', row: { name: 'a123', external_ids: ids } })
    await until(() => watcher.text() === '')
    const told = mode.enforcement.issues().map(({ reason }) => reason)
    expect(told).toEqual([expect.stringContaining('ovn-kubernetes enforces MultiNetworkPolicy')])
  }
  await using mode = new Mode(endpoint, { enforceAlways: true })
  await mode.settle(deniedCluster())
  await watcher.now()
  expect(watcher.ports('web')).toHaveLength(2)
  expect(mode.enforcement.issues()).toEqual([])
})

test('a restart of the database is survived: what was changed meanwhile is put right', async () => {
  const own = await testbed.standalone('restarted')
  const client = openNorthbound({ endpoints: own.endpoint, tls: undefined })
  await using _ = client
  await client.ready()
  await client.transact(topologyRows('layer2', PORTS))
  await using mode = new Mode(own.endpoint)
  await mode.settle(deniedCluster())
  await own.kill()
  await until(() => mode.enforcement.status.kind === 'disconnected')
  expect(mode.enforcement.issues().at(-1)?.reason).toContain('what is enforced there stays as it is')
  mode.set(clusterWith(WEB, DB, podOf('other', 3, { labels: { app: 'db' } }), ALLOW_DB))
  await own.restart()
  await mode.settled()
  await using watcher = await Watcher.of(own.endpoint)
  expect(watcher.text()).toContain('10.1.0.3')
  expect(mode.enforcement.issues()).toEqual([])
})

test('audit sees no difference while a writer is at work, and what differs once somebody meddled', async () => {
  const address = { endpoints: endpoint, tls: undefined }
  const options = { ...OPTIONS, node: 'n1', enforceAlways: false }
  const audit = () => auditNorthbound(address, deniedCluster(), options, AbortSignal.timeout(20_000))
  {
    await using mode = new Mode(endpoint)
    await mode.settle(deniedCluster())
    const { wanted, standing } = await audit()
    expect(standing).toEqual(wanted)
    expect(mode.enforcement.standing()).toEqual(wanted)
  }
  await write({ op: 'update', table: 'ACL', where: [['action', '==', 'drop']], row: { priority: 900 } })
  const { wanted, standing } = await audit()
  expect(standing.filter((line) => !wanted.includes(line))).toEqual([
    expect.stringMatching(
      /^ {4}to-lport {3}900 \(outport == @mnpd_isolation_[0-9a-f]+\) drop # no policy allows it$/,
    ),
  ])
  expect(await cleanNorthbound(address, AbortSignal.timeout(20_000))).toEqual({
    portGroups: 2,
    addressSets: 2,
  })
  expect(await cleanNorthbound(address, AbortSignal.timeout(20_000))).toEqual({
    portGroups: 0,
    addressSets: 0,
  })
})

test('where attachments are enforced', async () => {
  const cluster = deniedCluster()
  const [pod] = cluster.pods.values()
  const [attachment] = pod?.attachments ?? []
  if (pod === undefined || attachment === undefined) throw new Error('no pod')
  await using writer = new Mode(endpoint, { inNamespacesToo: true })
  await writer.settle(cluster)
  expect(writer.enforcement.enforces(cluster, pod, attachment), 'its port is there').toBe(true)
  await using standby = new Mode(endpoint, { inNamespacesToo: true })
  standby.set(cluster)
  await until(() => standby.enforcement.enforces(cluster, pod, attachment))
  await write({ op: 'delete', table: 'Logical_Switch', where: [] })
  await until(() => !writer.enforcement.enforces(cluster, pod, attachment))
  await until(() => !standby.enforcement.enforces(cluster, pod, attachment))
  await using other = new Mode(endpoint)
  expect(other.enforcement.enforces(cluster, pod, attachment), 'nobody asked for namespaces').toBe(true)
})

test('a writer whose lock is taken writes nothing until it has it again', async () => {
  await using watcher = await Watcher.of(endpoint)
  await using mode = new Mode(endpoint)
  await mode.settle(deniedCluster())
  await watcher.transactions()
  const thief = await watcher.steal(LOCK)
  // Before it has heard of it: the database refuses.
  mode.set(clusterWith(WEB, DB))
  await until(() => mode.enforcement.status.kind === 'standby')
  await delay(300)
  expect(await watcher.transactions()).toEqual([])
  thief.close('done')
  await mode.settled()
  await watcher.now()
  expect(watcher.text()).toBe('')
})

test('who stands by is ready, and reads and writes nothing', async () => {
  await using writer = new Mode(endpoint)
  await writer.settle(deniedCluster())
  await using watcher = await Watcher.of(endpoint)
  await using standby = new Mode(endpoint)
  standby.set(clusterWith(WEB, DB))
  await until(() => standby.enforcement.ready)
  expect(standby.enforcement.status).toEqual({ kind: 'standby' })
  await delay(300)
  expect(standby.enforcement.standing()).toBeUndefined()
  expect(await watcher.transactions()).toEqual([])
})
