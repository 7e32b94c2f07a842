/** Processes of pods in a proc that the test makes, whose namespaces are real. */
import { mkdir, mkdtempDisposable, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type HostView, hostView } from '../../../../src/apply/netns/cri-host.ts'
import { openNetnsOfProcesses } from '../../../../src/apply/netns/search-processes.ts'
import { type SomeNetns, someNetns } from './some-netns.ts'

const OWN = '8b3c9a52-0b1e-4c6f-9d5e-1f2a3b4c5d6e'
const OTHER = '11111111-2222-4333-8444-555555555555'

/** A node whose proc has what is written there. */
class Proc implements AsyncDisposable {
  readonly #directory: Awaited<ReturnType<typeof mkdtempDisposable>>

  private constructor(directory: Awaited<ReturnType<typeof mkdtempDisposable>>) {
    this.#directory = directory
  }

  static async create(): Promise<Proc> {
    return new Proc(await mkdtempDisposable(join(tmpdir(), 'mnpd-proc-')))
  }

  get view(): HostView {
    return hostView(this.#directory.path)
  }

  async add(pid: number, uid: string, start: number, { path }: SomeNetns): Promise<void> {
    await mkdir(join(this.#directory.path, `proc/${pid}/ns`), { recursive: true })
    await symlink(path, join(this.#directory.path, `proc/${pid}/ns/net`))
    await this.become(pid, uid, start)
  }

  /** The number is given to a process of that pod, started then. */
  async become(pid: number, uid: string, start: number): Promise<void> {
    const at = (name: string): string => join(this.#directory.path, `proc/${pid}/${name}`)
    await writeFile(at('cgroup'), `0::/kubepods/burstable/pod${uid}/3f0a\n`)
    await writeFile(
      at('stat'),
      `${pid} (a (b) c) S ${Array.from({ length: 18 }, () => 0).join(' ')} ${start} 0\n`,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#directory[Symbol.asyncDispose]()
  }
}

/** The view, and what happens once, just before the namespace is looked at. */
function meanwhile(view: HostView, happens: () => Promise<void>): HostView {
  let once: (() => Promise<void>) | undefined = happens
  return {
    ...view,
    async open(path) {
      const now = path.endsWith('/ns/net') ? once : undefined
      if (now !== undefined) once = undefined
      await now?.()
      return await view.open(path)
    },
  }
}

const idOf = async (view: HostView, { path }: SomeNetns): Promise<string | undefined> => {
  const found = await view.identify(path)
  return found.kind === 'netns' ? `${found.identity.device}:${found.identity.inode}` : undefined
}

test('the eldest process of the pod counts, whatever its number', async () => {
  await using pod = await someNetns()
  await using other = await someNetns()
  await using proc = await Proc.create()
  await proc.add(30, OWN, 500, pod)
  await proc.add(20, OWN, 900, other)
  await proc.add(10, OTHER, 100, other)
  await using netns = await openNetnsOfProcesses(OWN, proc.view)
  expect(netns?.id).toBe(await idOf(proc.view, pod))
})

test.each([
  ['another pod’s process', OTHER],
  ['a process of the pod that is in another namespace', OWN],
])('a number that is given to %s meanwhile leads nowhere', async (_, uid) => {
  await using pod = await someNetns()
  await using other = await someNetns()
  await using proc = await Proc.create()
  await proc.add(30, OWN, 500, other)
  await proc.add(31, OWN, 600, pod)
  const view = meanwhile(proc.view, () => proc.become(30, uid, 700))
  await using netns = await openNetnsOfProcesses(OWN, view)
  expect(netns?.id).toBe(await idOf(view, pod))
})

test('where no process is left there is none', async () => {
  await using pod = await someNetns()
  await using proc = await Proc.create()
  await proc.add(30, OWN, 500, pod)
  const view = meanwhile(proc.view, () => proc.become(30, OTHER, 700))
  expect(await openNetnsOfProcesses(OWN, view)).toBeUndefined()
})
