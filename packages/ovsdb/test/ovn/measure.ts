/**
 * Figures for the README, on a real server: `node packages/ovsdb/test/ovn/measure.ts`. A transaction of 1,000
 * ACLs, the memory of a copy of 10,000 logical switch ports, and what 20,000 transactions leave behind.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { OVN_NORTHBOUND, OvsdbClient } from '../../src/index.ts'
import { Testbed } from './servers.ts'

await using testbed = await Testbed.make()
const server = await testbed.standalone('nb')
await using client = new OvsdbClient({ endpoints: server.endpoint, description: OVN_NORTHBOUND })
await client.ready()

const PORTS = 10_000
const ACLS = 1_000

const took = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now()
  await work()
  return Math.round(performance.now() - start)
}

const committed = async (operations: Parameters<typeof client.transact>[0]): Promise<void> => {
  const result = await client.transact(operations)
  if (result.kind !== 'committed') throw new Error(JSON.stringify(result))
}

/** Bytes in use once what is not needed has been collected; run with --expose-gc. */
async function memory(): Promise<number> {
  for (let n = 0; n < 5; n += 1) {
    globalThis.gc?.()
    await delay(10)
  }
  return process.memoryUsage().heapUsed
}

const MiB = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`

const names = Array.from({ length: ACLS }, (_, n) => `acl_${n}`)
const acls = await took(() =>
  committed([
    ...names.map(
      (uuidName, n) =>
        ({
          op: 'insert',
          table: 'ACL',
          uuidName,
          row: {
            priority: 1001,
            direction: 'to-lport',
            action: 'allow-related',
            match: `outport == @pg && ip4.src == $as_${n} && tcp.dst == ${n + 1}`,
            external_ids: new Map([['k8s.ovn.org/owner-controller', 'measure']]),
          },
        }) as const,
    ),
    { op: 'insert', table: 'Port_Group', row: { name: 'pg', acls: names.map((named) => ({ named })) } },
  ]),
)
process.stdout.write(`${ACLS} ACLs on a port group in one transaction: ${acls} ms\n`)

const ports = Array.from({ length: PORTS }, (_, n) => `port_${n}`)
const pair = (n: number): string => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`
const fill = await took(() =>
  committed([
    ...ports.map(
      (uuidName, n) =>
        ({
          op: 'insert',
          table: 'Logical_Switch_Port',
          uuidName,
          row: {
            name: `net.a.default.macvlan_tenant-${n % 50}_pod-${n}`,
            addresses: [`0a:58:0a:00:${n >> 8}:${n & 255} ${pair(n)}`],
            port_security: [`0a:58:0a:00:${n >> 8}:${n & 255} ${pair(n)}`],
            options: new Map([
              ['requested-chassis', `node-${n % 100}`],
              ['iface-id-ver', crypto.randomUUID()],
            ]),
            external_ids: new Map([
              ['pod', 'true'],
              ['namespace', `tenant-${n % 50}`],
              ['k8s.ovn.org/nad', 'default/net-a'],
              ['k8s.ovn.org/network', 'net-a'],
              ['k8s.ovn.org/topology', 'layer2'],
            ]),
          },
        }) as const,
    ),
    { op: 'insert', table: 'Logical_Switch', row: { name: 'sw', ports: ports.map((named) => ({ named })) } },
  ]),
)
process.stdout.write(`${PORTS} ports written: ${fill} ms\n`)

const before = await memory()
const monitor = client.monitor({
  Logical_Switch_Port: {
    columns: ['name', 'type', 'addresses', 'options', 'external_ids'],
    anyOf: [['external_ids', 'includes', new Map([['pod', 'true']])]],
  },
})
const events = monitor[Symbol.asyncIterator]()
const first = await took(() => events.next())
const copy = (await memory()) - before
process.stdout.write(
  `a copy of ${monitor.tables.Logical_Switch_Port.size} ports, 5 columns: ${first} ms, ${MiB(copy)}\n`,
)

const start = await memory()
for (let n = 0; n < 20_000; n += 1) {
  await committed([{ op: 'update', table: 'NB_Global', where: [], row: { nb_cfg: n } }])
}
process.stdout.write(`20,000 transactions leave ${MiB((await memory()) - start)}\n`)
