/**
 * A node for a container runtime to run on: a process tree, a network and a mount table of their own,
 * `/run` and `/var/lib` empty. Everything that happens on it ends with its first process: the kernel
 * then kills the others, and mounts, namespaces and devices go with the last of them. That process
 * ends with the test's own, being at the end of a pipe, so a killed test run leaves nothing but empty
 * control groups, which the next one removes.
 */
import { once } from 'node:events'
import { readdir, readFile, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'

export interface Node extends AsyncDisposable {
  /** The node's root directory as the tests can open it: what `--host-prefix` is to the daemon. */
  readonly root: string
  /**
   * The same, but mounts made on the node from now on are not seen, as in a DaemonSet whose hostPath
   * has no mount propagation.
   */
  readonly rootWithoutPropagation: string
  /** For whatever makes control groups; what is below it is removed at the end. */
  readonly cgroupParent: string
  /** The first process, as numbered outside. */
  readonly pid: number
  /**
   * Runs a command on the node and resolves to what it prints.
   * @throws ExecaError when it fails.
   */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<string>
  /** Starts a command that goes on. */
  start(command: string, args: readonly string[]): Running
}

export interface Running {
  /** Never rejects. */
  readonly ended: Promise<void>
  /** With SIGKILL; resolves once it has ended. What the command itself has started lives on. */
  kill(): Promise<void>
}

export interface RunOptions {
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
}

const namespaces = ['--mount', '--net', '--pid']

export async function startNode(): Promise<Node> {
  await using started = new AsyncDisposableStack()
  await removeStaleCgroups()
  const prepare =
    'mount -t tmpfs node /run && mount -t tmpfs node /var/lib && ip link set lo up && echo ready && exec cat'
  const isolate = [...namespaces, '--fork', '--kill-child', '--mount-proc', 'sh', '-c', prepare]
  const first = started.use(await keep('unshare', isolate))
  const cgroupParent = `/${cgroupName}${first.pid}`
  const enter = ['--target', String(first.pid), ...namespaces]
  // Ends with the node: it is one of its processes.
  const viewer = started.use(
    await keep('nsenter', [...enter, 'unshare', '--mount', 'sh', '-c', 'echo ready; exec cat']),
  )
  const all = started.move()
  return {
    root: `/proc/${first.pid}/root`,
    rootWithoutPropagation: `/proc/${viewer.pid}/root`,
    cgroupParent,
    pid: first.pid,
    async run(command, args, options = {}) {
      const { stdout } = await execa('nsenter', [...enter, command, ...args], options)
      return stdout
    },
    start: (command, args) => run([...enter, command, ...args]),
    async [Symbol.asyncDispose]() {
      await all.disposeAsync()
      await removeCgroups(cgroupParent)
    },
  }
}

function run(args: readonly string[]): Running {
  const nsenter = execa('nsenter', args, { reject: false })
  const ended = nsenter.then(() => undefined)
  return {
    ended,
    async kill() {
      process.kill(await childOf(nsenter.pid), 'SIGKILL')
      await ended
    },
  }
}

interface Kept extends AsyncDisposable {
  readonly pid: number
}

/** A process that says `ready`, then reads until its input ends; the pid is the one it says that with. */
async function keep(command: string, args: readonly string[]): Promise<Kept> {
  const parent = execa(command, args, { reject: false, buffer: { stdout: false } })
  const failed = parent.then(({ shortMessage, stderr }) => {
    throw new Error(`${shortMessage ?? command}\n${stderr}`)
  })
  await Promise.race([once(parent.stdout, 'data'), failed])
  failed.catch(() => undefined)
  return {
    pid: await childOf(parent.pid),
    async [Symbol.asyncDispose]() {
      parent.stdin.end()
      await parent
    },
  }
}

/** The process that `nsenter` or `unshare` started within another pid namespace, as numbered out here. */
async function childOf(pid: number | undefined): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  const child = Number.parseInt(children, 10)
  if (Number.isNaN(child)) throw new Error(`process ${pid} has no child`)
  return child
}

const cgroupRoot = '/sys/fs/cgroup'
const cgroupName = 'mnpd-test-'

/** Version 2 has one hierarchy, at the root; version 1 has one below it for each controller. */
async function removeCgroups(parent: string): Promise<void> {
  for (const directory of await hierarchies()) await removeTree(join(directory, parent))
}

/** Those of nodes that ended without the test's help. */
async function removeStaleCgroups(): Promise<void> {
  for (const directory of await hierarchies()) {
    for (const name of await readdir(directory).catch(() => [])) {
      if (!name.startsWith(cgroupName)) continue
      const alive = await stat(`/proc/${name.slice(cgroupName.length)}`).catch(() => undefined)
      if (alive === undefined) await removeTree(join(directory, name))
    }
  }
}

async function hierarchies(): Promise<string[]> {
  return ['.', ...(await readdir(cgroupRoot))].map((name) => join(cgroupRoot, name))
}

async function removeTree(directory: string): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(directory, entry.name))
  await rmdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error
  })
}
