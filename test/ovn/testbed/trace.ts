/**
 * Verdicts of ovn-trace: what the logical flows make of the first packet of a connection. A snapshot is one `ovn-trace
 * --detach`, which reads the Southbound database once and then answers within a millisecond or so on its control socket:
 * thousands of questions about one moment cost what a handful of calls of the program would.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, isIPv6 } from 'node:net'
import { until } from '../../lab/clock.ts'
import type { Central } from './central.ts'
import { macOf } from './names.ts'
import { gatewayOf } from './network.ts'
import type { OvnPort } from './pods.ts'
import { listens } from './process.ts'

export interface Question {
  readonly from: OvnPort
  readonly to: OvnPort
  readonly family: 4 | 6
  /** `tcp/80`, `udp/53`, `sctp/80` or `icmp`. */
  readonly service: string
}

/**
 * What each lookup in the connection table finds, one option each. They are given at the start and not used again, so that a
 * snapshot has answers for about ten thousand questions; without one the packet would count as established.
 */
const LOOKUPS = 30_000
const NO_LOOKUP_LEFT = '/* default (use --ct to customize) */'

let snapshots = 0

export class TraceSnapshot implements AsyncDisposable {
  readonly #control: string
  readonly #pid: number

  /** The flows as they stand in the Southbound database; see {@link OvnTestbed.sync}. */
  static async take(central: Central): Promise<TraceSnapshot> {
    const lookups = Array.from({ length: LOOKUPS }, () => '--ct=new')
    const { control, pidFile } = await central.traceServer(`trace-${++snapshots}`, lookups)
    return new TraceSnapshot(control, Number(await readFile(pidFile, 'utf8')))
  }

  private constructor(control: string, pid: number) {
    this.#control = control
    this.#pid = pid
  }

  /** Whether the packet comes out at the port asked for. @throws with ovn-trace's words when it cannot tell */
  async passes(question: Question): Promise<boolean> {
    return (await this.explain(question)).includes(`output to "${question.to.name}"`)
  }

  /** All that ovn-trace says of the packet's way. */
  async explain(question: Question): Promise<string> {
    const told = await ask(this.#control, 'trace', [question.from.switchName, microflow(question)])
    if (told.includes(NO_LOOKUP_LEFT)) throw new Error('too many questions: take another snapshot')
    return told
  }

  /** Its end is seen by its socket: the process itself stays in the table until init looks after it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await ask(this.#control, 'exit', []).catch(() => process.kill(this.#pid, 'SIGKILL'))
    await until('ovn-trace ends', 10_000, async () => !(await listens(this.#control)) || undefined)
  }
}

/** @throws when the ports have no such address, or no subnets, so that no address of theirs is known to OVN */
export function microflow({ from, to, family, service }: Question): string {
  const [source, destination] = [addressOf(from, family), addressOf(to, family)]
  const ip = family === 6 ? 'ip6' : 'ip4'
  return [
    `inport == "${from.name}"`,
    `eth.src == ${from.wire.mac}`,
    `eth.dst == ${nextHop(from, to)}`,
    `${ip}.src == ${source}`,
    `${ip}.dst == ${destination}`,
    'ip.ttl == 64',
    ...(service === 'icmp' ? echoRequest(family) : transport(service)),
  ].join(' && ')
}

function echoRequest(family: 4 | 6): readonly string[] {
  return family === 6 ? ['icmp6.type == 128', 'icmp6.code == 0'] : ['icmp4.type == 8', 'icmp4.code == 0']
}

function transport(service: string): readonly string[] {
  const [protocol, port] = service.split('/')
  return [`${protocol}.src == 40000`, `${protocol}.dst == ${port}`]
}

function addressOf({ name, wire }: OvnPort, family: 4 | 6): string {
  const found = wire.addresses
    .map((address) => address.replace(/\/[0-9]+$/, ''))
    .find((address) => isIPv6(address) === (family === 6))
  if (found === undefined) throw new Error(`${name} has no IPv${family} address`)
  return found
}

/** Between the switches of a layer3 network, the router. */
function nextHop(from: OvnPort, to: OvnPort): string {
  if (from.switchName === to.switchName) return to.wire.mac
  const [share = ''] = from.network.nodes?.[from.node] ?? []
  return macOf(gatewayOf(share))
}

/** One command on a control socket, which speaks JSON-RPC. */
async function ask(path: string, method: string, params: readonly string[]): Promise<string> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    socket.setEncoding('utf8').write(JSON.stringify({ id: 1, method, params }))
    let text = ''
    for await (const part of socket as AsyncIterable<string>) {
      text += part
      const reply = parse(text)
      if (reply === undefined) continue
      if (reply.error !== null) throw new Error(`ovn-trace ${params.join(' ')}: ${reply.error}`)
      return reply.result ?? ''
    }
    throw new Error(`ovn-trace ended before it answered ${method}`)
  } finally {
    socket.destroy()
  }
}

interface Reply {
  readonly result: string | null
  readonly error: string | null
}

/** Undefined until the whole of it is there. */
function parse(text: string): Reply | undefined {
  try {
    return JSON.parse(text) as Reply
  } catch {
    return undefined
  }
}
