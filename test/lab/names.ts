/**
 * Names of the lab's namespaces. Each says whose it is: `mnpd-<lab>-<pid>x<random>-<pod>`, so that labs
 * side by side never meet, and a lab of a process that died can be told from a living one and removed.
 */
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { ip } from './ip.ts'

/** Where iproute2 keeps named network namespaces. */
export const NETNS_DIR = '/run/netns'

/** The beginning of every namespace of one lab. @throws when the name could not be part of a file name */
export function labPrefix(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,39}$/.test(name))
    throw new Error(`a lab is named with [a-z0-9-], at most 40 characters: ${JSON.stringify(name)}`)
  return `mnpd-${name}-${process.pid}x${randomBytes(3).toString('hex')}-`
}

/** @throws when a namespace could not bear the pod's name */
export function checkPodName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name))
    throw new Error(`a pod is named with [A-Za-z0-9._-], at most 100 characters: ${JSON.stringify(name)}`)
}

/** The named namespaces that begin so. */
export async function namespaces(prefix = 'mnpd-'): Promise<string[]> {
  const names = await readdir(NETNS_DIR).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names.filter((name) => name.startsWith(prefix))
}

/** Deletes those that (still) exist, and with them every link in them. */
export async function deleteNamespaces(names: readonly string[]): Promise<void> {
  const there = new Set(await namespaces())
  const doomed = names.filter((name) => there.has(name))
  await ip(
    'here',
    doomed.map((name) => ['netns', 'delete', name]),
  )
}

/** Removes what labs of dead processes left. Another lab may be doing the same just now, which is well. */
export async function deleteLeftovers(): Promise<void> {
  for (const name of await namespaces()) {
    const pid = /^mnpd-[a-z0-9-]+-(\d+)x[0-9a-f]{6}-/.exec(name)?.[1]
    if (pid === undefined || alive(Number(pid))) continue
    await deleteNamespaces([name]).catch(async (error: unknown) => {
      if ((await namespaces(name)).includes(name)) throw error
    })
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
