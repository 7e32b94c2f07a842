import { glob, readFile, readlink, stat } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { startContainerd } from './containerd.ts'

/** The processes in a namespace, by what `/proc` says of each. */
async function processesIn(kind: string, namespace: string): Promise<string[]> {
  const found: string[] = []
  for await (const path of glob('/proc/[0-9]*')) {
    if ((await readlink(`${path}/ns/${kind}`).catch(() => '')) === namespace) found.push(path)
  }
  return found
}

/** In every hierarchy, of version 1 or 2. */
async function cgroupsOf(parent: string): Promise<string[]> {
  const found: string[] = []
  for await (const path of glob(`/sys/fs/cgroup/{,*/}${parent}`)) found.push(path)
  return found
}

test('pods come and go on a node of which nothing is left', async () => {
  const mountsBefore = await readFile('/proc/self/mountinfo', 'utf8')
  const { node, cgroups, pid } = await (async () => {
    await using containerd = await startContainerd()
    const { node } = containerd
    const web = { namespace: 'default', name: 'web', uid: 'uid-web', networks: ['macvlan'] } as const
    const pod = await containerd.runPod(web)
    await containerd.runContainer(pod, 'main')
    await containerd.stopPod(await containerd.runPod({ ...web, name: 'db', uid: 'uid-db' }))
    const pid = await readlink(`/proc/${node.pid}/ns/pid`)
    expect((await processesIn('pid', pid)).length).toBeGreaterThan(3)
    const cgroups = await cgroupsOf(node.cgroupParent)
    expect(cgroups).not.toEqual([])
    // Not in this process' own view, even while it runs.
    await expect(stat(pod.netns)).rejects.toThrow('ENOENT')
    return { node, cgroups, pid }
  })()
  expect(await processesIn('pid', pid)).toEqual([])
  expect(await cgroupsOf(node.cgroupParent), `were ${cgroups}`).toEqual([])
  expect(await readFile('/proc/self/mountinfo', 'utf8')).toBe(mountsBefore)
})
