/**
 * A northbound database, its southbound one and ovn-northd, all real, and ovn-trace as a server, which says what the
 * logical flows make of a packet.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { connect } from 'node:net'
import { JsonStream } from '../../packages/ovsdb/src/json-stream.ts'
import { run, type Server, Testbed } from '../../packages/ovsdb/test/ovn/servers.ts'
import { type NorthboundClient, openNorthbound } from '../../src/apply/ovn/northbound.ts'

export { eventually } from '../../packages/ovsdb/test/ovn/servers.ts'

const SOUTHBOUND = '/usr/share/ovn/ovn-sb.ovsschema'

export class TraceWorld implements AsyncDisposable {
  readonly testbed: Testbed
  readonly nb: Server
  /** For what ovn-kubernetes and others write. */
  readonly client: NorthboundClient
  readonly northd: ChildProcess
  readonly #sb: Server
  #snapshots = 0

  private constructor(testbed: Testbed, nb: Server, sb: Server, northd: ChildProcess) {
    this.testbed = testbed
    this.nb = nb
    this.#sb = sb
    this.northd = northd
    this.client = openNorthbound({ endpoints: nb.endpoint, tls: undefined })
  }

  static async make(): Promise<TraceWorld> {
    const testbed = await Testbed.make()
    const nb = await testbed.standalone('nb')
    const sb = await testbed.standalone('sb', [], SOUTHBOUND)
    const start = (file: string, args: readonly string[]): ChildProcess =>
      spawn(file, [...args, '-vconsole:off', '-vsyslog:off'], { stdio: 'ignore' })
    const northd = start('ovn-northd', [
      `--ovnnb-db=${nb.endpoint}`,
      `--ovnsb-db=${sb.endpoint}`,
      `--unixctl=${testbed.path('northd.ctl')}`,
    ])
    await run('ovn-nbctl', ['--no-leader-only', `--db=${nb.endpoint}`, 'init'])
    const world = new TraceWorld(testbed, nb, sb, northd)
    await world.client.ready()
    return world
  }

  get southbound(): string {
    return this.#sb.endpoint
  }

  async nbctl(...args: readonly string[]): Promise<string> {
    const { stdout } = await run('ovn-nbctl', ['--no-leader-only', `--db=${this.nb.endpoint}`, ...args])
    return stdout
  }

  /** Waits until ovn-northd has made flows of all that is in the northbound database. */
  async synced(): Promise<void> {
    await this.nbctl('--wait=sb', '--timeout=60', 'sync')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]()
    this.northd.kill('SIGKILL')
    await this.testbed[Symbol.asyncDispose]()
  }

  /** ovn-trace(8) of one packet in one switch, as it prints it; `ct` is what each lookup of connections finds. */
  async trace(
    datapath: string,
    flow: string,
    ct: readonly string[] = ['new', 'new', 'new'],
  ): Promise<string> {
    const states = ct.flatMap((state) => ['--ct', state])
    const { stdout } = await run('ovn-trace', [
      '--no-leader-only',
      `--db=${this.#sb.endpoint}`,
      ...states,
      datapath,
      flow,
    ])
    return stdout
  }

  /** The flows as they are now, for many questions about connections that are new. */
  async snapshot(): Promise<Snapshot> {
    this.#snapshots += 1
    const name = `trace-${this.#snapshots}`
    const control = this.testbed.path(`${name}.ctl`)
    await run('ovn-trace', [
      '--no-leader-only',
      `--db=${this.#sb.endpoint}`,
      `--unixctl=${control}`,
      '--detach',
      '--no-chdir',
      `--pidfile=${this.testbed.path(`${name}.pid`)}`,
      '-vconsole:off',
      ...Array.from({ length: LOOKUPS }, () => '--ct=new'),
    ])
    return {
      trace: async (datapath, flow) => {
        const told = await appctl(control, 'trace', [datapath, flow])
        if (told.includes('use --ct to customize')) throw new Error('too many questions for one snapshot')
        return told
      },
      outputs: async (questions) => {
        const told = await appctlAll(
          control,
          'trace',
          questions.map(({ datapath, flow }) => ['--minimal', datapath, flow]),
        )
        if (told.some((text) => text.includes('use --ct to customize')))
          throw new Error('too many questions for one snapshot')
        return told.map((text) =>
          [...text.matchAll(/^ *output\("(.*)"\);$/gm)].flatMap(([, port]) => port ?? []),
        )
      },
      [Symbol.asyncDispose]: async () => void (await appctl(control, 'exit', []).catch(() => undefined)),
    }
  }
}

export interface Snapshot extends AsyncDisposable {
  readonly trace: (datapath: string, flow: string) => Promise<string>
  /** The ports at which each packet comes out, asked for all at once: a tenth of a millisecond a packet. */
  readonly outputs: (questions: readonly TraceQuestion[]) => Promise<readonly (readonly string[])[]>
}

export interface TraceQuestion {
  readonly datapath: string
  readonly flow: string
}

/** They are used up: each lookup in the connection table takes one. */
const LOOKUPS = 30_000

/** One request to the control socket of a program of Open vSwitch (ovs-appctl(8)). */
async function appctl(path: string, method: string, params: readonly string[]): Promise<string> {
  const socket = connect({ path })
  const chunks: string[] = []
  socket.setEncoding('utf8').write(JSON.stringify({ id: 0, method, params }))
  for await (const chunk of socket) {
    chunks.push(String(chunk))
    try {
      const { result, error } = JSON.parse(chunks.join('')) as {
        result?: string | null
        error: string | null
      }
      socket.destroy()
      if (error !== null) throw new TypeError(error)
      return result ?? ''
    } catch (problem) {
      if (!(problem instanceof SyntaxError)) throw problem
    }
  }
  throw new Error(`${method}: no answer`)
}

/** Many requests of one kind on one connection, which are answered in turn. */
async function appctlAll(
  path: string,
  method: string,
  requests: readonly (readonly string[])[],
): Promise<readonly string[]> {
  if (requests.length === 0) return []
  const socket = connect({ path })
  for (const [id, params] of requests.entries()) socket.write(JSON.stringify({ id, method, params }))
  const stream = new JsonStream()
  const told: string[] = []
  for await (const chunk of socket as AsyncIterable<Uint8Array>) {
    for (const message of stream.messages(chunk)) {
      const { result, error } = message as { readonly result: string | null; readonly error: string | null }
      if (error !== null) throw new Error(`${method} ${requests[told.length]?.join(' ')}: ${error}`)
      told.push(result ?? '')
    }
    if (told.length === requests.length) {
      socket.destroy()
      return told
    }
  }
  throw new Error(`${method}: ${told.length} answers to ${requests.length} requests`)
}
