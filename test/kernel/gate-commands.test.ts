/**
 * The gate as an operator gets it on a node, which is a directory here: the daemon puts the CNI plugin there and says what
 * is missing, `mnpd gate` changes a configuration where it is told to, and `mnpd cleanup` takes the plugin away.
 */
import { chmod, mkdir, mkdtempDisposable, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DaemonProcess, MNPD } from '../daemon.ts'

const MULTUS = { cniVersion: '1.0.0', name: 'multus', type: 'multus-shim', clusterNetwork: '/x' }

let resources: AsyncDisposableStack
let node: string
let manifests: string

beforeEach(async () => {
  resources = new AsyncDisposableStack()
  node = resources.use(await mkdtempDisposable(join(tmpdir(), 'mnpd-node-'))).path
  manifests = resources.use(await mkdtempDisposable(join(tmpdir(), 'mnpd-manifests-'))).path
  for (const directory of ['opt/cni/bin', 'etc/cni/net.d', 'run'])
    await mkdir(join(node, directory), { recursive: true })
  await writeFile(join(node, 'etc/cni/net.d/00-multus.conf'), JSON.stringify(MULTUS))
})

afterEach(async () => await resources.disposeAsync())

async function startDaemon(...flags: readonly string[]): Promise<DaemonProcess> {
  const own = [`--manifests=${manifests}`, `--host-prefix=${node}`, '--new-pod-gate=/run/gate']
  const daemon = resources.use(await DaemonProcess.start([...own, ...flags]))
  await daemon.ready()
  return daemon
}

interface Ended {
  readonly code: number | undefined
  readonly said: string
}

async function mnpd(...args: readonly string[]): Promise<Ended> {
  const { exitCode, all } = await execa(MNPD, [...args, `--host-prefix=${node}`], {
    reject: false,
    all: true,
  })
  return { code: exitCode, said: all }
}

const plugin = (): string => join(node, 'opt/cni/bin/mnpd-gate')
const conf = (name: string): string => join(node, 'etc/cni/net.d', name)
const cleanup = (): Promise<Ended> => mnpd('cleanup', `--manifests=${manifests}`)

test('the daemon puts the plugin there and says that nothing runs it, and nobody’s configuration is touched', async () => {
  await rm(join(node, 'opt'), { recursive: true })
  const daemon = await startDaemon('--new-pod-gate-timeout=7', '--new-pod-gate-on-timeout=start')
  expect((await stat(plugin())).mode & 0o777).toBe(0o755)
  expect(await readFile(plugin(), 'utf8')).toMatch(/^directory=\/run\/gate\ntimeout=7\non_timeout=start$/m)
  const { msg } = await daemon.logged(/does not have the plugin/)
  expect(msg).toBe(
    'not enforced as written: File /etc/cni/net.d: 00-multus.conf, the CNI configuration that runtimes take, does not have the plugin mnpd-gate: new pods do not wait for their rules; see mnpd gate --help',
  )
  const metrics = await (await fetch(`${daemon.url}/metrics`)).text()
  expect(metrics).toMatch(/^mnpd_new_pod_gate 0$/m)
  expect(metrics).toMatch(/^mnpd_issues\{kind="File"\} 1$/m)
  expect(await readdir(join(node, 'etc/cni/net.d'))).toEqual(['00-multus.conf'])
  expect(await mnpd('gate', 'status')).toMatchObject({ code: 1 })
})

test('what cannot be put there ends the daemon with the reason, before anything is touched', async () => {
  await writeFile(plugin(), '#!/bin/sh\nexit 0\n')
  const own = ['run', `--manifests=${manifests}`, '--new-pod-gate=/run/gate']
  const { code, said } = await mnpd(...own)
  expect(code).toBe(2)
  expect(said).toMatch(/--cni-bin-dir: .*mnpd-gate is there already, and is not ours; expected/)
  expect((await mnpd('run', `--manifests=${manifests}`, '--new-pod-gate=/run/a b')).code).toBe(2)
  expect(await cleanup()).toEqual({ code: 0, said: 'nothing to remove' })
})

test('from nothing to a gate and back', async () => {
  const list = [
    'gate',
    'install',
    '--conflist=/etc/cni/net.d/00-mnpd.conflist',
    '--from=/etc/cni/net.d/00-multus.conf',
  ]
  expect(await mnpd(...list)).toMatchObject({
    code: 2,
    said: expect.stringMatching(/has no mnpd-gate of ours/),
  })
  const daemon = await startDaemon()
  expect((await mnpd(...list)).code).toBe(0)
  expect((await mnpd(...list)).said).toMatch(/nothing to change/)
  expect(JSON.parse(await readFile(conf('00-mnpd.conflist'), 'utf8'))).toEqual({
    cniVersion: '1.0.0',
    name: 'multus',
    plugins: [{ type: 'multus-shim', clusterNetwork: '/x' }, { type: 'mnpd-gate' }],
  })
  expect(await mnpd('gate', 'status')).toMatchObject({ code: 0 })
  await daemon.stop()
  const again = await startDaemon()
  expect(await (await fetch(`${again.url}/metrics`)).text()).toMatch(/^mnpd_new_pod_gate 1$/m)
  await again.stop()
  const kept = await cleanup()
  expect(kept.code).toBe(1)
  expect(kept.said).toMatch(/mnpd-gate stays, since new sandboxes would fail: 00-mnpd.conflist/)
  expect(await readdir(join(node, 'opt/cni/bin'))).toEqual(['mnpd-gate'])
  expect((await mnpd('gate', 'remove', '--conflist=/etc/cni/net.d/00-mnpd.conflist')).code).toBe(0)
  expect(await cleanup()).toEqual({ code: 0, said: 'node: removed /opt/cni/bin/mnpd-gate' })
  expect(await readdir(join(node, 'opt/cni/bin'))).toEqual([])
})

test('a list that is there is kept as it was, once, with its mode', async () => {
  await startDaemon()
  const before = JSON.stringify({
    cniVersion: '1.0.0',
    name: 'cluster',
    plugins: [{ type: 'bridge', mtu: 1400 }],
  })
  await writeFile(conf('10-cluster.conflist'), before)
  await chmod(conf('10-cluster.conflist'), 0o640)
  const edit = async (action: string): Promise<Ended> =>
    await mnpd('gate', action, '--conflist=/etc/cni/net.d/10-cluster.conflist')
  for (const action of ['install', 'install', 'remove', 'install']) expect((await edit(action)).code).toBe(0)
  expect(JSON.parse(await readFile(conf('10-cluster.conflist'), 'utf8'))).toMatchObject({
    plugins: [{ type: 'bridge', mtu: 1400 }, { type: 'mnpd-gate' }],
  })
  expect((await stat(conf('10-cluster.conflist'))).mode & 0o777).toBe(0o640)
  expect(await readFile(conf('10-cluster.conflist.before-mnpd-gate'), 'utf8')).toBe(before)
  // The runtime takes the first by name.
  expect(await mnpd('gate', 'status')).toMatchObject({
    code: 1,
    said: expect.stringMatching(/but runtimes take 00-multus.conf/),
  })
  expect((await mnpd('gate', 'install', '--conflist=/etc/cni/net.d/00-multus.conf')).code).toBe(2)
})
