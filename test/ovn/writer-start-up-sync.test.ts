/**
 * What ovn-kubernetes does at its start to rows that it may have left in an older form, stated as what it does to rows:
 * ours must come out of it as they were, since nobody may be there to put them right.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Testbed } from '../../packages/ovsdb/test/ovn/servers.ts'
import {
  type NorthboundClient,
  type NorthboundOperation,
  openNorthbound,
} from '../../src/apply/ovn/northbound.ts'
import { topologyRows } from './trace-topology.ts'
import { deniedCluster, PORTS } from './writer-cluster.ts'
import { Mode } from './writer-mode.ts'
import { Watcher } from './writer-watcher.ts'

let testbed: Testbed
let endpoint: string
let client: NorthboundClient
beforeAll(async () => {
  testbed = await Testbed.make()
  endpoint = (await testbed.standalone('nb')).endpoint
  client = openNorthbound({ endpoints: endpoint, tls: undefined })
  await client.ready()
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await testbed[Symbol.asyncDispose]()
})

const OWNER = 'k8s.ovn.org/owner-controller'
const OWNER_TYPE = 'k8s.ovn.org/owner-type'
const ID = 'k8s.ovn.org/id'

/** @throws for rows on which ovn-kubernetes would end with an error */
async function startUpSync(): Promise<void> {
  using monitor = client.monitor({
    ACL: { columns: ['match', 'external_ids', 'tier'] },
    Port_Group: { columns: ['name', 'acls', 'external_ids'] },
    Address_Set: { columns: ['name', 'external_ids'] },
    Logical_Switch: { columns: ['acls'] },
  })
  await monitor[Symbol.asyncIterator]().next()
  const { ACL, Port_Group, Address_Set, Logical_Switch } = monitor.tables
  const operations: NorthboundOperation[] = []
  const strip = [...ACL.values()]
    .filter(({ external_ids }) => !external_ids.has(OWNER))
    .map(({ _uuid }) => _uuid)
  for (const { _uuid } of Port_Group.values())
    operations.push({
      op: 'mutate',
      table: 'Port_Group',
      where: [['_uuid', '==', _uuid]],
      mutations: [['acls', 'delete', strip]],
    })
  for (const { _uuid } of Logical_Switch.values())
    operations.push({
      op: 'mutate',
      table: 'Logical_Switch',
      where: [['_uuid', '==', _uuid]],
      mutations: [['acls', 'delete', strip]],
    })
  const ids = new Set<string>()
  for (const { external_ids, tier } of ACL.values()) {
    const id = external_ids.get(ID)
    if (id === undefined) continue
    if (ids.has(id)) throw new Error(`two ACLs with the id ${id}`)
    ids.add(id)
    if (tier === 0) throw new Error('an ACL that would be moved to another tier')
  }
  for (const { name, external_ids } of Port_Group.values()) {
    if (external_ids.has(OWNER) && external_ids.has(OWNER_TYPE)) continue
    if (!external_ids.has('name')) throw new Error(`port group ${name}: nobody knows what it is`)
    operations.push({
      op: 'update',
      table: 'Port_Group',
      where: [['name', '==', name]],
      row: { name: `a${ids.size}` },
    })
  }
  const matches = [...ACL.values()].map(({ match }) => match).join(' ')
  for (const { name, external_ids } of Address_Set.values())
    if (!external_ids.has(OWNER) && !matches.includes(`$${name}`))
      operations.push({ op: 'delete', table: 'Address_Set', where: [['name', '==', name]] })
  expect(await client.transact(operations)).toMatchObject({ kind: 'committed' })
}

test('our rows are in force after it as before', async () => {
  await client.transact(topologyRows('layer2', PORTS))
  {
    await using mode = new Mode(endpoint)
    await mode.settle(deniedCluster())
  }
  await client.transact([
    {
      op: 'insert',
      table: 'ACL',
      uuidName: 'old',
      row: { priority: 1, direction: 'to-lport', match: '1', action: 'drop' },
    },
    { op: 'mutate', table: 'Logical_Switch', where: [], mutations: [['acls', 'insert', [{ named: 'old' }]]] },
    { op: 'insert', table: 'Address_Set', row: { name: 'old' } },
  ])
  await using watcher = await Watcher.of(endpoint)
  const before = watcher.text()
  expect(before).toContain('mnpd_isolation')
  await startUpSync()
  await watcher.now()
  expect(watcher.text()).toBe(before)
  expect(watcher.foreign().join('\n'), 'what it is there to take away').not.toContain('old')
})

test('without our owner it would not be so: the test can fail', async () => {
  await client.transact([
    { op: 'mutate', table: 'ACL', where: [], mutations: [['external_ids', 'delete', new Set([OWNER])]] },
  ])
  await using watcher = await Watcher.of(endpoint)
  const before = watcher.text()
  await startUpSync()
  await watcher.now()
  expect(watcher.text()).not.toBe(before)
})
