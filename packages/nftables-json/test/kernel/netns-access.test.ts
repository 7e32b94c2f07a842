/** Quick looks into network namespaces that are made and gone, in the real kernel. */
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

test('what is no network namespace has none', () => {
  expect(access.cookie('/run/netns/njson-absent')).toBeUndefined()
  expect(access.cookie('/proc/self/ns/uts')).toBeUndefined()
})
