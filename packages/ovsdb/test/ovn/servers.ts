/** Real ovsdb-servers in a directory of their own, alone or as a raft cluster on sockets. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { systemClock } from '../../src/clock.ts'
import { connect } from '../../src/session.ts'

export const run: (file: string, args: readonly string[]) => Promise<{ stdout: string; stderr: string }> =
  promisify(execFile)

const SCHEMA = '/usr/share/ovn/ovn-nb.ovsschema'

export type Server = {
  /** `unix:…` */
  readonly endpoint: string
  /** The port that a remote `ptcp:0:ADDRESS` or `pssl:0:ADDRESS` was given. */
  readonly port: (address: string) => number
  readonly signal: (name: NodeJS.Signals) => void
  /** Ends it at once, and waits until it is gone. */
  readonly kill: () => Promise<void>
  /** The same database and sockets again. */
  readonly restart: () => Promise<Server>
}

/** A directory for sockets and databases; what it started is ended with it. */
export class Testbed implements AsyncDisposable {
  readonly directory: string
  readonly #children = new Set<ChildProcess>()

  constructor(directory: string) {
    this.directory = directory
  }

  static async make(): Promise<Testbed> {
    return new Testbed(await mkdtemp(join(tmpdir(), 'ovsdb-')))
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** A database by itself, from the schema of the installed OVN or another one. */
  async standalone(name: string, more: readonly string[] = [], schema: string = SCHEMA): Promise<Server> {
    await run('ovsdb-tool', ['create', this.path(`${name}.db`), schema])
    return this.start(name, more)
  }

  /** `size` servers of one raft cluster, a to z. */
  async cluster(size: number): Promise<readonly Server[]> {
    const names = Array.from({ length: size }, (_, n) => `server-${n}`)
    const [first = '', ...rest] = names
    const raft = (name: string): string => `unix:${this.path(`${name}.raft`)}`
    await run('ovsdb-tool', ['create-cluster', this.path(`${first}.db`), SCHEMA, raft(first)])
    const servers = [await this.start(first)]
    for (const name of rest) {
      const database = this.path(`${name}.db`)
      await run('ovsdb-tool', ['join-cluster', database, 'OVN_Northbound', raft(name), raft(first)])
      servers.push(await this.start(name))
    }
    return servers
  }

  async start(name: string, more: readonly string[] = []): Promise<Server> {
    const socket = this.path(`${name}.sock`)
    const child = spawn(
      'ovsdb-server',
      [
        `--remote=punix:${socket}`,
        ...more,
        `--unixctl=${this.path(`${name}.ctl`)}`,
        '-vconsole:info',
        this.path(`${name}.db`),
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    this.#children.add(child)
    const log: string[] = []
    child.stderr?.setEncoding('utf8').on('data', (text: string) => log.push(text))
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`ovsdb-server ended: ${log.join('')}`)
      return await answers(socket)
    })
    const kill = async (): Promise<void> => {
      child.kill('SIGKILL')
      await gone
    }
    return {
      endpoint: `unix:${socket}`,
      port: (address) => portOf(log.join(''), address),
      signal: (signal) => child.kill(signal),
      kill,
      restart: async () => {
        await kill()
        return await this.start(name, more)
      },
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    }
    await rm(this.directory, { recursive: true, force: true })
  }
}

/** Its log: `…|socket_util|INFO|0:127.0.0.1: listening on port 35511`. */
function portOf(log: string, address: string): number {
  const line = log.split('\n').find((text) => text.includes(`|0:${address}: listening on port `))
  return Number(line?.split(' ').at(-1))
}

/** Whether a server is there and speaks. */
async function answers(path: string): Promise<boolean> {
  const signal = AbortSignal.timeout(5_000)
  const connected = await connect({ kind: 'unix', path }, { signal, onNotification: () => {} })
  if (connected.kind === 'failed') return false
  const reply = await connected.session.request('list_dbs', [], signal, 5_000)
  connected.session.close('seen')
  return reply.kind === 'result'
}

/** Waits for a condition; fails after 20 s. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = systemClock.now() + 20_000
  while (!(await condition())) {
    if (systemClock.now() > end) throw new Error(`never: ${condition.toString()}`)
    await delay(5)
  }
}
