/** Quick looks into network namespaces that are made and gone, in the real kernel. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { execa } from 'execa'
import { afterEach, expect, test } from 'vitest'
import { type NetnsAccess, openNetnsAccess } from '../../src/in-process/netns-access.ts'

const NAME = `njson-access-${process.pid}`
const path = `/run/netns/${NAME}`
const MOST_TRIES = 50
const access: NetnsAccess = (await openNetnsAccess()) ?? expect.fail('no access')

const make = async (): Promise<unknown> => await execa('ip', ['netns', 'add', NAME])
const remove = async (): Promise<unknown> => await execa('ip', ['netns', 'delete', NAME])
const inode = async (): Promise<bigint> => (await stat(path, { bigint: true })).ino

afterEach(async () => {
  await remove().catch(() => undefined)
})

test('a cookie is one namespace’s, whatever it is called, and stays', async () => {
  await make()
  const cookie = access.cookie(path)
  expect(cookie).toBeGreaterThan(0n)
  expect(access.cookie(`/proc/self/root${path}`)).toBe(cookie)
  expect(access.cookie('/proc/self/ns/net')).not.toBe(cookie)
  await execa('ip', ['netns', 'exec', NAME, 'nft', 'add', 'table', 'ip', 'x'])
  expect(access.cookie(path)).toBe(cookie)
})

test('a namespace made anew under the number of one that is gone has another cookie, and may have its generation', async () => {
  await make()
  let known = [await inode(), access.cookie(path), access.generation(path)] as const
  for (let tries = 1; ; tries += 1) {
    await remove()
    await make()
    if ((await inode()) === known[0]) break
    // Somebody else has the number by now.
    if (tries % MOST_TRIES === 0) known = [await inode(), access.cookie(path), access.generation(path)]
  }
  expect(access.generation(path)).toBe(known[2])
  expect(access.cookie(path)).not.toBe(known[1])
})

test('tables are seen, whoever’s, and as long as they are there', async () => {
  await make()
  const nft = async (...args: readonly string[]): Promise<unknown> =>
    await execa('ip', ['netns', 'exec', NAME, 'nft', ...args])
  expect(access.hasTables(path)).toBe(false)
  await nft('add', 'table', 'bridge', 'x')
  expect(access.hasTables(path)).toBe(true)
  for (let n = 0; n < 200; n += 1) await nft('add', 'table', 'ip', `t${n}`)
  expect(access.hasTables(path)).toBe(true)
  await nft('flush', 'ruleset')
  expect(access.hasTables(path)).toBe(false)
  expect(access.hasTables('/run/netns/njson-absent')).toBe(true)
})

/** With the capabilities of the daemon's container, in a pod's namespace that another user namespace has. */
test('what may not be read is not taken for nothing', async () => {
  const legacy = 'XTABLES_LOCKFILE=$(mktemp) iptables-legacy -A INPUT -j ACCEPT && echo ready; exec sleep 60'
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups']
  // The files are those of the user that was its root when the namespace was made.
  const within = ['unshare', '--user', '--map-root-user', 'unshare', '--net']
  const pod = spawn('setpriv', [...user, ...within, 'sh', '-c', legacy])
  const exit = once(pod, 'exit')
  try {
    expect(String(await once(pod.stdout, 'data'))).toBe('ready\n')
    const script = `
      const { openNetnsAccess, hasLegacyTables } = await import('${import.meta.dirname}/../../src/in-process/netns-access.ts')
      const access = await openNetnsAccess()
      console.log(access.within('/proc/${pod.pid}/ns/net', hasLegacyTables))`
    for (const [bounding, told] of [
      ['+all', 'true'],
      ['-all,+sys_admin,+net_admin,+net_raw,+sys_ptrace', 'true'],
    ] as const) {
      const node = [process.execPath, '--input-type=module', '-e', script]
      expect((await execa('setpriv', [`--bounding-set=${bounding}`, ...node])).stdout).toBe(told)
    }
  } finally {
    pod.kill('SIGKILL')
    await exit
  }
})

test('what is no network namespace has none', () => {
  expect(access.cookie('/run/netns/njson-absent')).toBeUndefined()
  expect(access.cookie('/proc/self/ns/uts')).toBeUndefined()
})
