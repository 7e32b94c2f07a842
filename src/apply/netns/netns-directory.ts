/**
 * The network namespaces of the pods, as the container runtimes keep them on the node: a bind mount each, made before
 * the first interface and gone with the sandbox. Nothing here says which pod one belongs to.
 */
import { readdir } from 'node:fs/promises'
import type { HostView, NetnsIdentity } from './cri-host.ts'
import { identityText } from './open-netns.ts'

/** containerd and CRI-O use `netns` of their state directory; cri-dockerd leads to Docker's own. */
export const NETNS_DIRECTORIES: readonly string[] = ['/run/netns', '/var/run/netns', '/run/docker/netns']

export interface NamedNetns {
  /** Can be opened by this process, the host prefix included. */
  readonly path: string
  readonly identity: NetnsIdentity
}

/**
 * What the directories hold now, the node's own namespace left out, each namespace once. A directory that is not there
 * holds nothing. Costs some system calls for each entry, and no process. Never rejects.
 */
export async function listNamespaces(
  view: HostView,
  directories: readonly string[] = NETNS_DIRECTORIES,
): Promise<readonly NamedNetns[]> {
  const places = new Set(await Promise.all(directories.map((each) => view.resolve(each))))
  const found = await Promise.all([...places].map((each) => listDirectory(view, each)))
  return [...new Map(found.flat().map((each) => [identityText(each.identity), each])).values()]
}

async function listDirectory(view: HostView, directory: string): Promise<readonly NamedNetns[]> {
  const names = await readdir(directory).catch(() => [])
  const found = await Promise.all(
    names.map(async (name): Promise<readonly NamedNetns[]> => {
      const path = `${directory}/${name}`
      const file = await view.identify(path)
      if (file.kind !== 'netns' || view.isHost(file.identity)) return []
      return [{ path, identity: file.identity }]
    }),
  )
  return found.flat()
}
