/** A node whose inotify instances are used up, by whoever is root in a pod or not: then time tells that manifests changed. */
import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { Manifests, networkObject } from '../manifests.ts'

/** Of a user namespace of its own: there are none left for it. */
const WITHOUT_INOTIFY = [
  ...['unshare', '--user', '--map-root-user', 'sh', '-c'],
  'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"',
  'sh',
]

test('the daemon has its turn, sees changes, and ends when it is told to', async () => {
  await using manifests = await Manifests.create()
  await manifests.save('cluster', [networkObject('default', 'red')])
  const flags = [`--manifests=${manifests.directory}`, '--hostname-override=here']
  await using daemon = await DaemonProcess.start(flags, {}, WITHOUT_INOTIFY)
  await expect.poll(async () => await metric(daemon, 'mnpd_source_synced{kind="Pod"}'), PATIENCE).toBe(1)
  const before = await cpuTicks(daemon.pid)
  await setTimeout(1_000)
  // Of a hundred.
  expect((await cpuTicks(daemon.pid)) - before).toBeLessThan(40)
  await manifests.save('wrong', [{ ...networkObject('default', 'blue'), spec: { config: '{' } }])
  const issues = 'mnpd_issues{kind="NetworkAttachmentDefinition"}'
  await expect.poll(async () => await metric(daemon, issues), PATIENCE).toBe(1)
  expect(await daemon.stop()).toBe(0)
})

const PATIENCE = { timeout: 20_000 }

async function metric(daemon: DaemonProcess, name: string): Promise<number | undefined> {
  const text = await fetch(`${daemon.url}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  )
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length))
}

/** utime and stime, see proc_pid_stat(5). */
async function cpuTicks(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')
  return Number(fields[11]) + Number(fields[12])
}
