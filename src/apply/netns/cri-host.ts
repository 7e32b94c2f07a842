/**
 * The node's file system as the daemon sees it, from its own root or under `--host-prefix`, and what
 * of it is a network namespace.
 *
 * Two traps of a DaemonSet are met here. The node's `/var/run` is mostly a symbolic link to `/run`,
 * which under `/host` would lead into the daemon's own file system. And a runtime's
 * `/run/netns/cni-…` is a mount: without mount propagation the daemon sees an empty file instead.
 */
import { readlink, stat, statfs } from 'node:fs/promises'
import { posix } from 'node:path'

/** What tells one network namespace from another while both exist; the kernel gives numbers out again. */
export interface NetnsIdentity {
  readonly device: bigint
  readonly inode: bigint
}

export type NetnsFile =
  | { readonly kind: 'netns'; readonly identity: NetnsIdentity }
  | {
      readonly kind: 'other'
      /** Stands behind the path in a sentence: `is absent`. */
      readonly is: string
    }

export interface HostView {
  /**
   * A node's path as this process can open it, symbolic links followed within the prefix. Never
   * rejects: what cannot be followed stays as it is, and opening it then says why.
   */
  resolve(path: string): Promise<string>
  /** What stands at a path that {@link resolve} gave. Never rejects. */
  identify(path: string): Promise<NetnsFile>
  /** Is this the network namespace of the node, or of this process? */
  isHost(identity: NetnsIdentity): Promise<boolean>
}

/** @param hostPrefix where the node's root is mounted; empty when this process has it as its own. */
export function hostView(hostPrefix: string): HostView {
  const prefix = hostPrefix.replace(/\/+$/, '')
  return {
    resolve: (path) => (prefix === '' ? Promise.resolve(path) : resolveUnder(prefix, path)),
    identify,
    async isHost(identity) {
      const hosts = await Promise.all(['/proc/self/ns/net', `${prefix}/proc/1/ns/net`].map(identify))
      return hosts.some((host) => host.kind === 'netns' && same(host.identity, identity))
    },
  }
}

function same(a: NetnsIdentity, b: NetnsIdentity): boolean {
  return a.device === b.device && a.inode === b.inode
}

/** Linux's own limit on symbolic links in one path. */
const mostLinks = 40

async function resolveUnder(prefix: string, path: string): Promise<string> {
  let done = '/'
  let left = names(path)
  let links = 0
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    const next = posix.join(done, name)
    const target = await linkTarget(prefix + next)
    if (target === undefined) {
      done = next
      continue
    }
    if (++links > mostLinks) return prefix + path
    if (target.startsWith('/')) done = '/'
    left = [...names(target), ...left]
  }
  return prefix + done
}

function names(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

/** Undefined for what is no link, or one like `/proc/7/ns/net`, whose text `net:[4026531840]` is no path. */
async function linkTarget(path: string): Promise<string | undefined> {
  const target = await readlink(path).catch(() => undefined)
  return target !== undefined && /^[a-z_]+:\[\d+\]$/.test(target) ? undefined : target
}

/** `NSFS_MAGIC` of linux/magic.h: the file system of namespaces, and of nothing else. */
const nsfsMagic = 0x6e736673

/** Which kind of namespace it is cannot be asked without an ioctl; `setns` with `CLONE_NEWNET` refuses the others. */
async function identify(path: string): Promise<NetnsFile> {
  try {
    const { type } = await statfs(path)
    if (type !== nsfsMagic) {
      return { kind: 'other', is: 'is no namespace (a mount that did not propagate here?)' }
    }
    const { dev, ino } = await stat(path, { bigint: true })
    return { kind: 'netns', identity: { device: dev, inode: ino } }
  } catch (error) {
    return { kind: 'other', is: unreadable(error) }
  }
}

function unreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  return code === 'ENOENT' || code === 'ENOTDIR' ? 'is absent' : `cannot be opened (${code})`
}
