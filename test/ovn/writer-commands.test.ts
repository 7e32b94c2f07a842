/** The daemon and the commands as users start them, with `--ovn-nb`. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Server, Testbed } from '../../packages/ovsdb/test/ovn/servers.ts'
import { type NorthboundClient, openNorthbound } from '../../src/apply/ovn/northbound.ts'
import { OVN_CNI_TYPE } from '../../src/compile/ovn/ports.ts'
import { DaemonProcess } from '../daemon.ts'
import { Manifests, networkObject } from '../manifests.ts'
import { topologyRows } from './trace-topology.ts'
import { ALLOW_DB, DB, PORTS, WEB } from './writer-cluster.ts'
import { until } from './writer-mode.ts'
import { Watcher } from './writer-watcher.ts'

const MNPD = join(import.meta.dirname, '../../node_modules/.bin/mnpd')

let testbed: Testbed
let server: Server
let client: NorthboundClient
let manifests: Manifests
let dumps: string
beforeAll(async () => {
  testbed = await Testbed.make()
  server = await testbed.standalone('nb')
  client = openNorthbound({ endpoints: server.endpoint, tls: undefined })
  await client.ready()
  await client.transact(topologyRows('layer2', PORTS))
  manifests = await Manifests.create()
  await manifests.save('cluster', [networkObject('shop', 'blue', OVN_CNI_TYPE), WEB, DB, ALLOW_DB] as never)
  dumps = await mkdtemp(join(tmpdir(), 'mnpd-ovn-dumps-'))
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await manifests[Symbol.asyncDispose]()
  await testbed[Symbol.asyncDispose]()
  await rm(dumps, { recursive: true })
})

/** The exit code and what was printed. */
async function mnpd(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly out: string; readonly error: string }> {
  const all = [...args, `--manifests=${manifests.directory}`, '--hostname-override=n1']
  return await new Promise((resolve) => {
    execFile(MNPD, all, (error, out, told) => resolve({ code: Number(error?.code ?? 0), out, error: told }))
  })
}

test('run, audit, dumps, explain and cleanup', async () => {
  const nb = `--ovn-nb=${server.endpoint}`
  {
    await using daemon = await DaemonProcess.start([
      `--manifests=${manifests.directory}`,
      '--hostname-override=n1',
      '--log-level=debug',
      `--pod-iptables=${dumps}`,
      nb,
    ])
    await daemon.ready(60_000)
    await using watcher = await Watcher.of(server.endpoint)
    expect(watcher.ports('web')).toHaveLength(3)
    expect(await mnpd('audit', nb)).toMatchObject({
      code: 0,
      out: expect.stringContaining('OVN: as it should be'),
    })
    expect(
      await mnpd('audit', nb, `--network-plugins=macvlan,${OVN_CNI_TYPE}`),
      'what has a port is not looked for in namespaces',
    ).toMatchObject({ code: 0, out: expect.stringContaining('OVN: as it should be') })
    await client.transact([{ op: 'update', table: 'Port_Group', where: [], row: { acls: [] } }])
    await until(() => daemon.log.some((line) => JSON.stringify(line).includes('changed by somebody else')))
  }
  const [stamp] = await readdir(join(dumps, 'ovn/northbound/history'))
  expect(stamp).toMatch(/\.ovn$/)
  const saved = await readFile(join(dumps, 'ovn/northbound/current.ovn'), 'utf8')
  expect(saved).toMatch(/^# multi-networkpolicyd dump .*\n(?:# .*\n)+port group mnpd_isolation_/)
  expect(saved).toContain('allow-related # shop/web ingress[0]')
  expect(await mnpd('audit', nb, `--dump-dir=${dumps}`), 'the rows stay').toMatchObject({ code: 0 })

  await client.transact([
    { op: 'update', table: 'ACL', where: [['action', '==', 'drop']], row: { action: 'allow' } },
  ])
  const audit = await mnpd('audit', nb, `--dump-dir=${dumps}`)
  expect(audit.code).toBe(1)
  expect(audit.out).toMatch(/^OVN: only in policies \(-\) or in OVN \(\+\)$/m)
  expect(audit.out).toMatch(
    /^ {2}\+ {5}to-lport {2}1000 \(outport == @mnpd_isolation_[0-9a-f]+\) allow # no policy allows it$/m,
  )
  expect(audit.out).toMatch(/^OVN: only in OVN \(-\) or in dump \(\+\)$/m)

  const [from, to] = ['--from=shop/db', '--to=shop/web']
  expect(await mnpd('explain', nb, from, to, '--port=80/TCP')).toMatchObject({ code: 0 })
  expect(await mnpd('explain', nb, from, to, '--port=81/TCP')).toMatchObject({ code: 1 })

  expect(await mnpd('cleanup', nb)).toEqual({
    code: 0,
    out: 'OVN: removed 3 port groups, with their ACLs\nOVN: removed 2 address sets\n',
    error: '',
  })
  expect(await mnpd('cleanup', nb)).toMatchObject({ code: 0, out: 'nothing to remove\n' })
}, 120_000)

test('a database that is not there is an Issue, and no command succeeds without it', async () => {
  const nb = `--ovn-nb=unix:${testbed.path('nowhere.sock')}`
  await using daemon = await DaemonProcess.start([
    `--manifests=${manifests.directory}`,
    '--hostname-override=n1',
    nb,
  ])
  await until(() =>
    daemon.log.some((line) => JSON.stringify(line).includes('what is enforced there stays as it is')),
  )
  const cleanup = await mnpd('cleanup', nb)
  expect(cleanup.code).toBe(1)
  expect(cleanup.error).toMatch(/^OVN: OVN northbound database: unix:.*nowhere\.sock: .*ENOENT/)
}, 120_000)

test('the flags of the database', async () => {
  expect(await mnpd('audit', '--ovn-nb=somewhere')).toMatchObject({
    code: 2,
    error: expect.stringContaining('--ovn-nb: bad value "somewhere"'),
  })
  expect(await mnpd('audit', '--ovn-nb=ssl:127.0.0.1:6641')).toMatchObject({
    code: 2,
    error: expect.stringContaining('--ovn-nb-private-key is missing'),
  })
  expect(
    await mnpd(
      'audit',
      '--ovn-nb=ssl:127.0.0.1:6641',
      '--ovn-nb-private-key=/nowhere',
      '--ovn-nb-certificate=/nowhere',
      '--ovn-nb-ca-cert=/nowhere',
    ),
  ).toMatchObject({ code: 2, error: expect.stringContaining('--ovn-nb-private-key: ENOENT') })
})

test('compile prints the rows that a database would have, of all pods or of one', async () => {
  const { code, out } = await mnpd('compile', '--backend=ovn')
  expect(code).toBe(0)
  expect(out).toMatch(
    /^port group mnpd_isolation_[0-9a-f]{32} # isolated on ingress\n {2}port shop\.blue_shop_web\n/,
  )
  expect((await mnpd('compile', '--backend=ovn', '--pod=shop/db', '--ovn-track-governed-only')).out).toBe('')
  const json = JSON.parse((await mnpd('compile', '--backend=ovn', '--output=json')).out) as {
    portGroups: { acls: object[] }[]
  }
  expect(json.portGroups.flatMap(({ acls }) => acls)).toHaveLength(4)
  expect((await mnpd('run', '--backend=ovn')).code).toBe(2)
})
