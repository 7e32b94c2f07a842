/** A node whose inotify instances are used up, by whoever is root in a pod or not: then time tells that manifests changed. */
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { Manifests, networkObject } from '../manifests.ts'
import { expectNoHotLoop } from './cpu.ts'

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
  await expect.poll(async () => (await daemon.metrics())['mnpd_source_synced{kind="Pod"}'], PATIENCE).toBe(1)
  await expectNoHotLoop('without inotify', daemon.pid, async () => await setTimeout(1_000), 0.4)
  await manifests.save('wrong', [{ ...networkObject('default', 'blue'), spec: { config: '{' } }])
  const issues = 'mnpd_issues{kind="NetworkAttachmentDefinition"}'
  await expect.poll(async () => (await daemon.metrics())[issues], PATIENCE).toBe(1)
  expect(await daemon.stop()).toBe(0)
})

const PATIENCE = { timeout: 20_000 }
