/**
 * A network namespace under the number (inode) of one that is gone. The kernel gives out the lowest free number, so what is
 * free below has to be taken first; and others on the machine make namespaces too, so it may be gone.
 */
import { stat } from 'node:fs/promises'
import { ip } from './ip.ts'
import { deleteNamespaces, NETNS_DIR } from './names.ts'

const MOST_TRIES = 60

/** @returns the number of a named namespace */
export async function netnsNumber(name: string): Promise<bigint> {
  return (await stat(`${NETNS_DIR}/${name}`, { bigint: true })).ino
}

/** Makes a namespace of that name, which there is none of. @returns whether it has the number; if not, it is not there */
export async function makeUnderNumber(name: string, number: bigint): Promise<boolean> {
  const others: string[] = []
  try {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      await ip('here', [['netns', 'add', name]])
      if ((await netnsNumber(name)) === number) return true
      await deleteNamespaces([name])
      const other = `${name}-other${tries}`
      await ip('here', [['netns', 'add', other]])
      others.push(other)
      // The number came up: it is free again for the next try.
      if ((await netnsNumber(other)) === number) await deleteNamespaces([others.pop() ?? other])
    }
    return false
  } finally {
    await deleteNamespaces(others)
  }
}
