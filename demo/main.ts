/**
 * The main job, in half a minute: pods as network namespaces, policies as files, the daemon, and real packets.
 * Ends by itself, leaves nothing behind, and exits with 1 if one verdict is not as a reader of the policies expects.
 */
import { DaemonProcess } from '../test/daemon.ts'
import { Lab } from '../test/lab/lab.ts'
import type { MatrixSpec } from '../test/lab/matrix.ts'
import type { Pod } from '../test/lab/pod.ts'
import type { Stream } from '../test/lab/stream.ts'
import { asExpected, renderTable } from '../test/lab/table.ts'
import { Manifests } from '../test/manifests.ts'
import { clusterObjects, expected, makePods, PORTS, policies } from './world.ts'

const NS_PER_MS = 1e6
const began = performance.now()
let wrong = 0

await using lab = await Lab.create('demo')
await using manifests = await Manifests.create()
const pods = await makePods(lab)
await manifests.save('cluster', clusterObjects(pods))
await using daemon = await startDaemon()

heading('1. No policy yet: everything passes')
await showMatrix(() => 'open')

heading('2. Three policies are saved')
say('web     on blue  in:  all from admin; port 80 from db and from the namespaces of team public (guest)')
say('db      on both  in:  its port "sql" (tcp/5432) from web; all from backup')
say('backup  on green in:  nothing')
say('                 out: 10.2.0.0/24 except 10.2.0.1 (web)\n')
await save(false)
await showMatrix(expected(false))

heading('3. One of them is edited: guests are no longer let in to web. Meanwhile 2,000 packets/s flow')
const [kept, revoked, forbidden] = [
  await stream('admin', 'web'),
  await stream('guest', 'web'),
  await stream('guest', 'db'),
]
const connection = await pod('guest').connection({ to: '10.1.0.1', port: 80 })
await connection.answered()
const savedAt = await save(true)
const droppedAt = await revoked.until('lost', { after: savedAt })
await connection.silent()
await showTransition()

heading('4. After the edit')
await showMatrix(expected(true))

heading('5. The rules in the netns of web, as the kernel lists them')
say(await pod('web').run(['nft', 'list', 'table', 'inet', 'multi_networkpolicy']))

await daemon.stop()
say(
  `\n${wrong === 0 ? 'Every verdict was as expected' : `${wrong} verdicts were WRONG`}, in ${((performance.now() - began) / 1000).toFixed(1)} s.`,
)
process.exitCode = wrong === 0 ? 0 : 1

async function startDaemon(): Promise<DaemonProcess> {
  say(`A shop of ${pods.length} pods, each a network namespace. Network blue is dual-stack, green is IPv4.`)
  const flags = [`--manifests=${manifests.directory}`, '--hostname-override=demo', '--log-level=debug']
  const started = await DaemonProcess.start(flags)
  await started.ready()
  say(`mnpd runs, as process ${started.pid}, on a directory of manifests.`)
  return started
}

/** Saves the policies and waits until the daemon has dealt with them. @returns when they were saved */
async function save(edited: boolean): Promise<number> {
  const seen = daemon.log.length
  const at = await manifests.save('policies', policies(edited))
  await daemon.settled(seen)
  return at
}

async function showMatrix(expect: NonNullable<MatrixSpec['expect']>): Promise<void> {
  const rows = await lab.matrix({ pods, ports: PORTS, expect })
  wrong += rows.filter((row) => !asExpected(row)).length
  say(renderTable(rows))
}

/** What became of the three streams, from the moment of saving on. */
async function showTransition(): Promise<void> {
  const [keptLog, revokedLog, forbiddenLog] = [
    await kept.stop(),
    await revoked.stop(),
    await forbidden.stop(),
  ]
  const lost = keptLog.window().lost
  const passed = forbiddenLog.window().passed
  const late = revokedLog.window(droppedAt).passed
  say(`saved → first dropped packet  ${((droppedAt - savedAt) / NS_PER_MS).toFixed(1)} ms`)
  say(`admin → web, allowed always   ${keptLog.window().sent} sent, ${lost} lost`)
  say(`guest → db, allowed never     ${forbiddenLog.window().sent} sent, ${passed} passed`)
  say(`guest → web, after the first drop: ${revokedLog.window(droppedAt).sent} sent, ${late} passed`)
  say('guest → web, a TCP connection that was open: silent since')
  wrong += lost + passed + late
}

async function stream(from: string, to: string): Promise<Stream> {
  return lab.stream({
    from: pod(from),
    to: pod(to).address(4, 'blue'),
    protocol: 'udp',
    port: 80,
    packetsPerSecond: 2_000,
  })
}

function pod(name: string): Pod {
  const found = pods.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no pod ${name}`)
  return found
}

function heading(text: string): void {
  say(`\n── ${text}\n`)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
