/** What somebody may have put into a directory of dumps: it is not waited for, not followed, not replaced, not removed. */
import {
  lstat,
  mkdir,
  mkdtempDisposable,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Dump, endDump, pruneHistory, readDump, writeDump } from '../../../src/apply/dump-files.ts'

let directory: Awaited<ReturnType<typeof mkdtempDisposable>>
let pod: string
let elsewhere: string

beforeEach(async () => {
  directory = await mkdtempDisposable(join(tmpdir(), 'mnpd-dumps-'))
  pod = join(directory.path, 'dumps', 'uid')
  elsewhere = join(directory.path, 'elsewhere')
  await mkdir(elsewhere)
})
afterEach(async () => await directory[Symbol.asyncDispose]())

const dump = (text = 'table inet x'): Dump => ({
  header: { pod: 'x/a' },
  current: new Map([['nft', text]]),
  written: new Map([['nft', text]]),
  state: 'abc',
  time: new Date('2026-11-23T12:00:00Z'),
})
const KEEP = { count: 0, ageMs: 0 }

/** Each puts something in the way under a name. */
const obstacles = {
  'a pipe': (path: string) => execa('mkfifo', [path]),
  'a link to a file of ours': async (path: string) => {
    await writeDump(join(elsewhere, 'uid'), dump('another'))
    await symlink(join(elsewhere, 'uid', 'current.nft'), path)
  },
  'a link to nowhere': (path: string) => symlink(join(elsewhere, 'absent'), path),
  'a link to itself': (path: string) => symlink(path, path),
  'a device that never ends': (path: string) => symlink('/dev/zero', path),
}

describe.each(Object.entries(obstacles))('%s', (_, put) => {
  test('in place of the last dump is neither read, replaced nor removed', async () => {
    await writeDump(pod, dump())
    const path = join(pod, 'current.nft')
    await rm(path)
    await put(path)
    expect(await readDump(pod)).toEqual(new Map())
    await expect(writeDump(pod, dump('new'))).rejects.toThrow(`${path} is there already, and is not ours`)
    await endDump(pod)
    expect((await lstat(path)).isFile()).toBe(false)
  })

  test('in the history is not removed', async () => {
    await writeDump(pod, dump())
    await put(join(pod, 'history', '20200101T000000.000Z-x.nft'))
    await pruneHistory(pod, KEEP, new Date('2026-11-24T12:00:00Z'))
    expect(await readdir(join(pod, 'history'))).toEqual(['20200101T000000.000Z-x.nft'])
  })

  test('in place of a file that is being written goes, and what it leads to stays as it is', async () => {
    await mkdir(pod, { recursive: true })
    await put(join(pod, 'current.nft.new'))
    const before = await readFile(join(elsewhere, 'uid', 'current.nft'), 'utf8').catch(() => '')
    await writeDump(pod, dump())
    expect([...(await readDump(pod)).keys()]).toEqual(['nft'])
    expect(await readFile(join(elsewhere, 'uid', 'current.nft'), 'utf8').catch(() => '')).toBe(before)
  })
})

test.each(['the pod’s directory', 'its history'])('a link in place of %s is not followed', async (what) => {
  const link = what === 'its history' ? join(pod, 'history') : pod
  await mkdir(join(link, '..'), { recursive: true })
  await writeDump(join(elsewhere, 'uid'), dump('another'))
  const target = what === 'its history' ? join(elsewhere, 'uid', 'history') : join(elsewhere, 'uid')
  await symlink(target, link)
  const before = await readdir(target)
  await expect(writeDump(pod, dump())).rejects.toThrow(`${link} is a link, which is not followed`)
  expect(await readDump(pod)).toEqual(new Map())
  await endDump(pod)
  await pruneHistory(pod, KEEP, new Date('2026-11-24T12:00:00Z'))
  expect(await readdir(target)).toEqual(before)
  expect(await readlink(link)).toBe(target)
})

test('a file of somebody else’s under a name of ours stays', async () => {
  await mkdir(pod, { recursive: true })
  await writeFile(join(pod, 'current.nft'), 'mine')
  await expect(writeDump(pod, dump())).rejects.toThrow('current.nft is there already, and is not ours')
  expect(await readFile(join(pod, 'current.nft'), 'utf8')).toBe('mine')
})
