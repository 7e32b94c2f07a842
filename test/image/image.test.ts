/** What is in the image, seen from within its container, confined as the manifest has it but for its limits. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytecodeTold, TELL_BYTECODE } from '../bytecode.ts'
import type { Pod } from '../runtime/containerd.ts'
import { Cluster } from './cluster.ts'
import type { DaemonPod } from './daemon-pod.ts'
import { daemonSetOf, shipped, withContainer } from './daemonset.ts'
import { IMAGE_FILE } from './image-file.ts'

const MOST_BYTES = 320_000_000

let cluster: Cluster
let pod: Pod
let daemon: DaemonPod

beforeAll(async () => {
  cluster = await Cluster.start()
  await cluster.api.apply(await shipped())
  await cluster.namespace('shop')
  pod = await cluster.pod('shop', 'pod')
  daemon = await cluster.run(withContainer(daemonSetOf(await shipped()), () => ({ resources: {} })))
})

afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
})

/** A file of the archive, which is what `docker save` makes. */
async function archived<T>(name: string): Promise<T> {
  return JSON.parse((await execa('tar', ['-xOf', IMAGE_FILE, name])).stdout) as T
}

interface ImageConfig {
  readonly config: {
    readonly Entrypoint: readonly string[]
    readonly User: string
    readonly Labels: Readonly<Record<string, string>>
  }
}

test('says what it is, and is not large', async () => {
  const [manifest] = await archived<[{ readonly Config: string }]>('manifest.json')
  const { config } = await archived<ImageConfig>(manifest.Config)
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'))
  expect(config.Entrypoint).toEqual(['/usr/bin/mnpd'])
  expect(config.User).toBe('0:0')
  expect(config.Labels).toMatchObject({
    'org.opencontainers.image.title': 'multi-networkpolicyd',
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.version': version,
  })
  const { size } = await stat(IMAGE_FILE)
  console.log(`the image has ${Math.round(size / 1e6)} MB, not compressed`)
  expect(size).toBeLessThan(MOST_BYTES)
})

test.each(['mnpd', '/usr/bin/multi-networkpolicy-iptables', '/multi-networkpolicy-nftables'])(
  '%s is the program',
  async (program) => {
    expect(await daemon.exec(program, '--help')).toContain('mnpd')
    await expect(daemon.exec(program, '--no-such-flag')).rejects.toThrow(/unknown flag --no-such-flag/)
  },
)

test('the two older names run the daemon with a backend each, which a flag can change', async () => {
  const start = (...args: readonly string[]): Promise<string> =>
    daemon.exec(args[0] ?? '', ...args.slice(1), '--sync-period=x')
  for (const program of ['/usr/bin/multi-networkpolicy-iptables', '/multi-networkpolicy-nftables']) {
    // Each value is looked at before anything starts.
    await expect(start(program), program).rejects.toThrow(/--sync-period: bad value "x"/)
    await expect(start(program, '--backend=none'), program).rejects.toThrow(/--backend: bad value "none"/)
  }
})

test.each([
  'nft list tables',
  'iptables-nft -S',
  'ip6tables-nft -S',
  'iptables-nft-save',
  'iptables-legacy -S',
  'ip6tables-legacy -S',
  'ipset list',
  'conntrack -L',
  'ip -o link show net1',
  'ss -tn',
])('in a pod’s namespace, with the manifest’s capabilities: %s', async (command) => {
  const netns = `--net=/host${pod.netns.replace('/var/run/', '/run/')}`
  await daemon.exec('nsenter', netns, ...command.split(' '))
})

test('libnftables is loaded into Node.js itself', async () => {
  const script = `
    const koffi = require('node:module').createRequire('/opt/mnpd/dist/mnpd.cjs')('koffi')
    const context = koffi.load('libnftables.so.1').func('void *nft_ctx_new(uint32_t)')(0)
    console.log(context === null ? 'none' : 'loaded')`
  expect(await daemon.exec('node', '--eval', script)).toBe('loaded')
})

test('its bytecode is taken by its Node.js', async () => {
  const { NODE_OPTIONS } = TELL_BYTECODE
  const command = ['sh', '-c', 'mnpd run --help 2>&1']
  const told = await daemon.exec('env', `NODE_OPTIONS=${NODE_OPTIONS}`, ...command)
  expect(bytecodeTold(told)).toContainEqual({ chunk: 'start', how: 'taken' })
  expect(bytecodeTold(told).filter(({ how }) => how === 'refused')).toEqual([])
})

test('nothing that only builds or tests is in it', async () => {
  expect((await daemon.exec('ls', '/opt/mnpd')).split('\n')).toEqual([
    'LICENSE',
    'bin',
    'dist',
    'node_modules',
    'package.json',
  ])
  expect((await daemon.exec('ls', '/opt/mnpd/node_modules')).split('\n')).toEqual(['@koromix', 'koffi'])
  await expect(daemon.exec('npm', '--version')).rejects.toThrow(/not found/)
})
