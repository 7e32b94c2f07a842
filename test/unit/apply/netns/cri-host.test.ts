import { mkdir, mkdtempDisposable, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { hostView } from '../../../../src/apply/netns/cri-host.ts'
import { someNetns } from './some-netns.ts'

test("the node's links lead where they lead on the node", async () => {
  await using host = await mkdtempDisposable(join(tmpdir(), 'mnpd-host-'))
  const at = (path: string) => join(host.path, path)
  await mkdir(at('run/netns'), { recursive: true })
  await mkdir(at('var/lib'), { recursive: true })
  await symlink('/run', at('var/run'))
  await symlink('../../run/./netns', at('var/lib/netns'))
  await symlink('loop', at('loop'))
  const { resolve } = hostView(`${host.path}/`)
  expect(await resolve('/var/run/netns/cni-1')).toBe(at('run/netns/cni-1'))
  expect(await resolve('/var/lib/netns/../../var/run/netns/cni-1')).toBe(at('run/netns/cni-1'))
  expect(await resolve('/../../var/run/netns')).toBe(at('run/netns'))
  expect(await resolve('/absent/below')).toBe(at('absent/below'))
  expect(await resolve('/loop/cni-1')).toBe(at('loop/cni-1'))
})

test('the link of a namespace is no path to follow', async () => {
  await using netns = await someNetns()
  const path = await hostView('/proc/self/root').resolve(netns.path)
  expect(path).toBe(`/proc/self/root${netns.path}`)
})

test('without a prefix, paths stay as they are', async () => {
  expect(await hostView('').resolve('/var/run/netns/x')).toBe('/var/run/netns/x')
  expect(await hostView('/').resolve('/var/run/netns/x')).toBe('/var/run/netns/x')
})

test('a network namespace is told from all else', async () => {
  await using netns = await someNetns()
  await using host = await mkdtempDisposable(join(tmpdir(), 'mnpd-host-'))
  const file = join(host.path, 'file')
  await writeFile(file, '')
  const loop = join(host.path, 'loop')
  await symlink(loop, loop)
  const { identify } = hostView('')
  const { dev, ino } = await stat(netns.path, { bigint: true })
  expect(await identify(netns.path)).toEqual({ kind: 'netns', identity: { device: dev, inode: ino } })
  expect(await identify(file)).toEqual({
    kind: 'other',
    is: 'is no namespace (a mount that did not propagate here?)',
  })
  expect(await identify(`${file}/below`)).toEqual({ kind: 'other', is: 'is absent' })
  expect(await identify(loop)).toEqual({ kind: 'other', is: 'cannot be opened (ELOOP)' })
})

test("this process' namespace is the host's; another is not", async () => {
  await using netns = await someNetns()
  const { identify, isHost } = hostView('')
  const [own, other] = [await identify('/proc/self/ns/net'), await identify(netns.path)]
  expect(own.kind === 'netns' && isHost(own.identity)).toBe(true)
  expect(other.kind === 'netns' && isHost(other.identity)).toBe(false)
})

test("the first process' namespace under the prefix is the host's too", async () => {
  await using node = await someNetns()
  await using host = await mkdtempDisposable(join(tmpdir(), 'mnpd-host-'))
  await mkdir(join(host.path, 'proc/1/ns'), { recursive: true })
  await symlink(node.path, join(host.path, 'proc/1/ns/net'))
  const { identify, isHost } = hostView(host.path)
  const file = await identify(node.path)
  expect(file.kind === 'netns' && isHost(file.identity)).toBe(true)
})
