/** When a daemon on whose node nothing can be enforced is ready: not before something can. */
import { chmod, mkdtempDisposable, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import { Manifests, networkObject, podObject, policyObject } from '../manifests.ts'

let resources: AsyncDisposableStack
let manifests: Manifests

beforeEach(async () => {
  resources = new AsyncDisposableStack()
  manifests = resources.use(await Manifests.create())
})

afterEach(async () => await resources.disposeAsync())

/** By processes of nft: the library would go on where nft is broken. */
async function start(
  backend: string,
  env: Readonly<Record<string, string>> = {},
  command: readonly string[] = [],
): Promise<DaemonProcess> {
  const flags = [
    `--manifests=${manifests.directory}`,
    '--hostname-override=n1',
    `--backend=${backend}`,
    '--nft-writer=process',
  ]
  return resources.use(await DaemonProcess.start(flags, env, command))
}

interface Broken {
  readonly env: { readonly PATH: string }
  break(): Promise<void>
  repair(): Promise<void>
}

/** A program of that name that comes before the real one, and fails while it is there. */
async function broken(name: string): Promise<Broken> {
  const { path: directory } = resources.use(await mkdtempDisposable(join(tmpdir(), 'mnpd-broken-')))
  const path = join(directory, name)
  const fail = async (): Promise<void> => {
    await writeFile(path, '#!/bin/sh\necho Operation not permitted >&2\nexit 1\n')
    await chmod(path, 0o755)
  }
  await fail()
  const env = { PATH: `${directory}:${process.env['PATH']}` }
  return { env, break: fail, repair: () => rm(path) }
}

test.each(['nftables', 'iptables'])(
  '%s: ready where rules can be written, with no pod yet',
  async (backend) => {
    const daemon = await start(backend)
    await daemon.ready()
  },
)

test.each([
  ['sys_admin', 'nftables', /no network namespace can be made|Operation not permitted/],
  ['net_admin', 'nftables', /Operation not permitted/],
  ['net_admin', 'iptables', /unable to initialize table|Permission denied|Operation not permitted/],
] as const)(
  'without CAP_%s, by %s, it is healthy, says why, and is not ready',
  async (capability, backend, why) => {
    const daemon = await start(backend, {}, [
      'setpriv',
      `--bounding-set=-${capability}`,
      `--inh-caps=-${capability}`,
    ])
    const { reason } = await daemon.logged(/no pod of this node can be enforced on, so this is not ready/)
    expect(reason).toMatch(why)
    expect(await daemon.status('/healthz')).toBe(200)
    expect(await daemon.status('/readyz')).toBe(503)
  },
)

test('where nft fails it is not ready, and is once nft works again', async () => {
  const nft = await broken('nft')
  const daemon = await start('nftables', nft.env)
  await daemon.logged(/so this is not ready/)
  expect(await daemon.status('/readyz')).toBe(503)
  await nft.repair()
  await daemon.ready()
  await daemon.logged(/can be enforced on again/)
})

test('pods that fail for their own reasons are reported, and the daemon is ready', async () => {
  await manifests.save('cluster', [
    networkObject('x', 'red'),
    {
      ...{ kind: 'Pod', apiVersion: 'v1' },
      metadata: {
        ...{ namespace: 'x', name: 'lost' },
        annotations: {
          'k8s.v1.cni.cncf.io/network-status': JSON.stringify([
            { name: 'x/red', interface: 'net1', ips: [] },
          ]),
          'multi-networkpolicyd/netns': '/run/netns/mnpd-none',
        },
      },
    },
    policyObject('x', 'p', 'red', { podSelector: {} }),
  ])
  const daemon = await start('nftables')
  await daemon.logged(/x\/lost: not enforced yet because/)
  await daemon.ready()
})

test('when every pod fails since nft does, it ceases to be ready', { timeout: 120_000 }, async () => {
  const lab = resources.use(await Lab.create('readiness'))
  await lab.segment('red')
  const pod = await lab.pod('a', [{ segment: 'red', interface: 'net1', addresses: ['10.1.0.1/24'] }])
  const nft = await broken('nft')
  await nft.repair()
  const daemon = await start('nftables', nft.env)
  await daemon.ready()
  await nft.break()
  await manifests.save('cluster', [
    networkObject('x', 'red'),
    podObject(pod, { namespace: 'x', networks: { red: 'x/red' } }),
    policyObject('x', 'p', 'red', { podSelector: {} }),
  ])
  await daemon.logged(/x\/a: not enforced yet because/)
  await daemon.logged(/so this is not ready/, 60_000)
  expect(await daemon.status('/readyz')).toBe(503)
  await nft.repair()
  await daemon.ready()
})
