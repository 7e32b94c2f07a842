/** When the runtime is asked, and when what it has said before counts. */
import { mkdtempDisposable, open, rename, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { ContainerRuntime } from '../../../../src/apply/netns/cri.ts'
import { hostView, type NetnsIdentity } from '../../../../src/apply/netns/cri-host.ts'
import { netnsSearch } from '../../../../src/apply/netns/search.ts'
import { type SearchingLocator, searchingLocator } from '../../../../src/apply/netns/search-locator.ts'
import { nameOf, type Pod } from '../../../../src/compile/model.ts'
import { isUnreadable } from '../../../../src/watch/parse/metadata.ts'
import { parsePod } from '../../../../src/watch/parse/pod.ts'
import { type SomeNetns, someNetns } from './some-netns.ts'

const view = hostView('')
const { signal } = new AbortController()

function pod(): Pod {
  const parsed = parsePod({ metadata: { name: 'a', namespace: 'x', uid: 'uid-a' } })
  if (isUnreadable(parsed)) throw new Error(parsed.issue.reason)
  return parsed
}

/** Held open as by a runtime's mount, so that without a cookie, too, it can be told from a later one. */
async function heldNetns(): Promise<SomeNetns> {
  const netns = await someNetns()
  const file = await open(netns.path)
  return {
    ...netns,
    async [Symbol.asyncDispose]() {
      await file.close()
      await netns[Symbol.asyncDispose]()
    },
  }
}

async function identityAt(path: string): Promise<NetnsIdentity> {
  const file = await view.identify(path)
  if (file.kind !== 'netns') throw new Error(`${path} ${file.is}`)
  return file.identity
}

/** A runtime that has the pod's namespace at a path, and how often it was asked. */
function runtimeWith(
  path: string,
  until: Promise<void> = Promise.resolve(),
): { readonly locator: SearchingLocator; readonly asked: () => number } {
  let asked = 0
  const runtime: ContainerRuntime = {
    async sandboxOf() {
      asked += 1
      await until
      return { kind: 'found', path, netns: await identityAt(path), sandboxId: 'a1' }
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
  const ownerOf = async () => 'none' as const
  const search = netnsSearch({ view, localPods: () => [], ownerOf, directories: [] })
  return { locator: searchingLocator({ runtime, view, search }), asked: () => asked }
}

async function idOf(locator: SearchingLocator, about: Pod): Promise<string> {
  const located = await locator.locate(about, signal)
  if (located.kind !== 'found') return located.reason
  await using netns = located.netns
  return netns.id
}

test('an answer counts for as long as nothing is told of the pod', async () => {
  await using netns = await heldNetns()
  const { locator, asked } = runtimeWith(netns.path)
  const about = pod()
  const id = await idOf(locator, about)
  expect([await idOf(locator, about), asked()]).toEqual([id, 1])
  expect([await idOf(locator, { ...about }), asked()]).toEqual([id, 2])
})

test('it is asked again when all are to be looked at, and when a plugin tells of the sandbox', async () => {
  await using netns = await heldNetns()
  const { locator, asked } = runtimeWith(netns.path)
  const about = pod()
  await idOf(locator, about)
  locator.doubt()
  await idOf(locator, about)
  expect(asked()).toBe(2)
  await locator.announced(nameOf(about), about.runtimeUid, netns.path)
  await idOf(locator, about)
  expect(asked()).toBe(3)
})

test('it is asked again where the path leads to another namespace by now', async () => {
  await using before = await heldNetns()
  await using after = await heldNetns()
  await using folder = await mkdtempDisposable(join(tmpdir(), 'mnpd-path-'))
  const path = join(folder.path, 'netns')
  await symlink(before.path, path)
  const { locator, asked } = runtimeWith(path)
  const about = pod()
  const id = await idOf(locator, about)
  await symlink(after.path, `${path}.new`)
  await rename(`${path}.new`, path)
  const now = await idOf(locator, about)
  expect(asked()).toBe(2)
  expect(now).not.toBe(id)
})

test('an answer to a question of before the plugin told is not remembered', async () => {
  await using netns = await heldNetns()
  const answers = Promise.withResolvers<void>()
  const { locator, asked } = runtimeWith(netns.path, answers.promise)
  const about = pod()
  const located = idOf(locator, about)
  await vi.waitFor(() => expect(asked()).toBe(1))
  await locator.announced(nameOf(about), about.runtimeUid, netns.path)
  answers.resolve()
  await located
  await idOf(locator, about)
  expect(asked()).toBe(2)
})
