/**
 * The node's file system as the daemon sees it, from its own root or under `--host-prefix`, and what
 * of it is a network namespace.
 *
 * Two traps of a DaemonSet are met here. The node's `/var/run` is mostly a symbolic link to `/run`,
 * which under `/host` would lead into the daemon's own file system. And a runtime's
 * `/run/netns/cni-…` is a mount: without mount propagation the daemon sees an empty file instead.
 */
import { type BigIntStats, close, closeSync, fstat, fstatSync, open, openSync, statSync } from 'node:fs'
import { readlink } from 'node:fs/promises'
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
  /** Opens what stands at a path that {@link resolve} gave, if it is a network namespace. Never rejects. */
  open(path: string): Promise<OpenedFile>
  /** What stands there. Never rejects. */
  identify(path: string): Promise<NetnsFile>
  /** Is this the network namespace of the node, or of this process? */
  isHost(identity: NetnsIdentity): boolean
}

/** @param hostPrefix where the node's root is mounted; empty when this process has it as its own. */
export function hostView(hostPrefix: string): HostView {
  const prefix = hostPrefix.replace(/\/+$/, '')
  const hosts = [OWN, `${prefix}/proc/1/ns/net`].map(remembered)
  const openFile = (path: string): Promise<OpenedFile> =>
    openNetnsFile(path, path.startsWith(prefix) && QUICK.test(path.slice(prefix.length)))
  return {
    resolve: (path) => (prefix === '' ? Promise.resolve(path) : resolveUnder(prefix, path)),
    open: openFile,
    async identify(path) {
      const file = await openFile(path)
      if (file.kind === 'other') return file
      closeSync(file.fd)
      return { kind: 'netns', identity: file.identity }
    },
    isHost: (identity) => hosts.some((host) => same(host(), identity)),
  }
}

/** Of a namespace that stays the same for as long as this process lives; undefined while it cannot be read. */
function remembered(path: string): () => NetnsIdentity | undefined {
  let known: NetnsIdentity | undefined
  let triedAt = Number.NEGATIVE_INFINITY
  return () => {
    const now = performance.now()
    if (known !== undefined || now - triedAt < AGAIN_MS) return known
    triedAt = now
    known = identityAt(path)
    return known
  }
}

/** Mostly it is not allowed, then and later; ms. */
const AGAIN_MS = 100

function identityAt(path: string): NetnsIdentity | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return { device: dev, inode: ino }
  } catch {
    return undefined
  }
}

function same(a: NetnsIdentity | undefined, b: NetnsIdentity): boolean {
  return a?.device === b.device && a.inode === b.inode
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

const OWN = '/proc/self/ns/net'

/** The one file system of namespaces. */
const nsfs = remembered(OWN)

/** O_PATH of asm-generic/fcntl.h: opens the way to a file, and does nothing to the file. */
const O_PATH = 0o10000000

export type OpenedFile =
  | { readonly kind: 'netns'; readonly identity: NetnsIdentity; readonly fd: number }
  | Extract<NetnsFile, { kind: 'other' }>

/**
 * Opens what stands at a path, whatever it is: a pipe or a device does nothing then, and is not waited for. Which kind of
 * namespace it is cannot be asked without an ioctl; `setns` with `CLONE_NEWNET` refuses the others.
 *
 * @param isQuick whether nobody's file system is on the way who might not answer: at once it takes a tenth of the time
 */
async function openNetnsFile(path: string, isQuick: boolean): Promise<OpenedFile> {
  const fd = isQuick
    ? attempt(() => openSync(path, O_PATH))
    : await called<number>((done) => open(path, O_PATH, done))
  if (fd instanceof Error) return { kind: 'other', is: unreadable(fd) }
  const stats = isQuick
    ? attempt(() => fstatSync(fd, { bigint: true }))
    : await called<BigIntStats>((done) => fstat(fd, { bigint: true }, done))
  if (!(stats instanceof Error) && stats.dev === nsfs()?.device)
    return { kind: 'netns', identity: { device: stats.dev, inode: stats.ino }, fd }
  if (isQuick) closeSync(fd)
  else close(fd)
  return { kind: 'other', is: 'is no namespace (a mount that did not propagate here?)' }
}

/** Where the kernel and the runtimes have namespaces, which no tenant can put anything in. */
const QUICK = /^(?:(?:\/var)?\/run\/(?:docker\/)?netns\/[^/]+|\/proc\/\d+\/ns\/net)$/

function attempt<T>(work: () => T): T | Error {
  try {
    return work()
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function called<T>(work: (done: (error: Error | null, value: T) => void) => void): Promise<T | Error> {
  const { promise, resolve } = Promise.withResolvers<T | Error>()
  work((error, value) => resolve(error ?? value))
  return promise
}

function unreadable(error: Error): string {
  const code = 'code' in error ? String(error.code) : String(error)
  return code === 'ENOENT' || code === 'ENOTDIR' ? 'is absent' : `cannot be opened (${code})`
}
