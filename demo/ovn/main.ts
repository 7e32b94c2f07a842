/**
 * The OVN mode in half a minute: real OVN, the three kinds of secondary network that ovn-kubernetes makes, pods as network
 * namespaces, and the daemon on the Northbound database. Ends by itself, leaves nothing behind, and exits with 1 if one
 * verdict is not as a reader of the policies expects.
 */
import { DaemonProcess } from '../../test/daemon.ts'
import { until } from '../../test/lab/clock.ts'
import type { MatrixSpec } from '../../test/lab/matrix.ts'
import type { Pod } from '../../test/lab/pod.ts'
import { asExpected, renderTable } from '../../test/lab/table.ts'
import { Manifests } from '../../test/manifests.ts'
import { ARTICLE_HOST, ARTICLE_NETWORKS } from '../../test/ovn/testbed/article.ts'
import { OvnTestbed } from '../../test/ovn/testbed/testbed.ts'
import { expected, PODS, POLICIES } from './world.ts'

const began = performance.now()
/** What a policy lets through in no direction takes this long to be called blocked. */
const TIMEOUT_MS = 500
let wrong = 0

await using bed = await OvnTestbed.start('demo')
say(
  `OVN runs: two databases, ovn-northd, ovn-controller and Open vSwitch, up in ${Math.round(bed.startMs)} ms.`,
)
for (const network of ARTICLE_NETWORKS) await bed.network(network)
const everyone: readonly Pod[] = [
  ...(await bed.pods(PODS)).map(({ pod }) => pod),
  await bed.host(ARTICLE_HOST),
]
await using manifests = await Manifests.create()
await manifests.save('cluster', bed.objects)
await using daemon = await startDaemon()

heading('1. What ovn-kubernetes has made, as ovn-nbctl shows it')
say(await bed.central.nbctl([['show']]))

heading('2. No policy yet: everything passes')
await showMatrix(() => 'open')

heading('3. Three policies are saved')
say('nginx1-l3  layer3    in:  its port "server" (tcp/80) from nginx2-l3')
say('nginx1-l2  layer2    in:  nothing')
say('nginx1-lo  localnet  in:  192.168.100.0/24 except 192.168.100.102, which is a host outside\n')
const savedAt = await save()
say(`saved → in the flows of the switch  ${((performance.now() - savedAt) / 1000).toFixed(2)} s\n`)
await showMatrix(expected)
await answered()

heading('4. The rows that did it')
for (const [table, columns] of [
  ['Port_Group', 'name,ports,acls,external_ids'],
  ['Address_Set', 'name,addresses,external_ids'],
  ['ACL', 'direction,priority,match,action,options,external_ids'],
] as const)
  say(`${table}\n${await bed.central.nbctl([['list', table]], [`--columns=${columns}`])}\n`)

heading('5. The policies are removed: everything passes again')
await manifests.remove('policies')
await until('no ACL drops anything', 20_000, async () => (await drops()) === '' || undefined)
await bed.sync()
await showMatrix(() => 'open')

await daemon.stop()
const seconds = ((performance.now() - began) / 1000).toFixed(1)
say(`\n${wrong === 0 ? 'Every verdict was as expected' : `${wrong} verdicts were WRONG`}, in ${seconds} s.`)
process.exitCode = wrong === 0 ? 0 : 1

async function startDaemon(): Promise<DaemonProcess> {
  const flags = [`--manifests=${manifests.directory}`, `--ovn-nb=${bed.northbound}`, '--hostname-override=n1']
  const started = await DaemonProcess.start([...flags, '--log-level=debug'])
  await started.ready(60_000)
  say(`mnpd runs, as process ${started.pid}, on a directory of manifests and the Northbound database.`)
  return started
}

/** Saves the policies and waits until what the daemon writes has become flows. @returns when they were saved */
async function save(): Promise<number> {
  const seen = daemon.log.length
  const at = performance.now()
  await manifests.save('policies', POLICIES)
  await daemon.settled(seen, 60_000)
  await bed.sync()
  return at
}

async function drops(): Promise<string> {
  return await bed.central.nbctl([['find', 'ACL', 'action=drop']], ['--bare', '--columns=_uuid'])
}

async function showMatrix(expect: NonNullable<MatrixSpec['expect']>): Promise<void> {
  const rows = await bed.matrix({ pods: everyone, timeoutMs: TIMEOUT_MS, expect })
  wrong += rows.filter((row) => !asExpected(row)).length
  say(renderTable(rows))
}

/** nginx1-l2 may be asked nothing, and still gets answers to what it asks: they are the replies of its own connections. */
async function answered(): Promise<void> {
  const from = everyone.find(({ name }) => name === 'nginx1-l2')
  if (from === undefined) throw new Error('no pod nginx1-l2')
  const [result] = await bed.probeAll([{ from, to: '10.22.0.2', protocol: 'tcp' }])
  say(`\nnginx1-l2 lets nothing in. A connection of its own to nginx2-l2: ${result?.verdict}`)
  if (result?.verdict !== 'open') wrong += 1
}

function heading(text: string): void {
  say(`\n── ${text}\n`)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
