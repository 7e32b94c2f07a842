/**
 * SCTP between the pods of a lab: an agent a pod, of Python, and who reaches whom as rows beside those of the lab's own
 * matrix.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type MatrixCell, matrixCells } from '../lab/matrix.ts'
import type { Family, Pod } from '../lab/pod.ts'
import type { Verdict } from '../lab/protocol.ts'
import type { Row } from '../lab/table.ts'

const AGENT = join(import.meta.dirname, 'sctp-agent.py')
/** For what must stay silent; what must answer and does not is asked again. */
const SECONDS = 1.5
/** For what must answer: the machine is emulated, and others may run beside it. A rule that drops, drops again. */
const PATIENT_SECONDS = 12

interface Reply {
  readonly id: number
  readonly answer?: unknown
  readonly refusal?: string
}

export type SctpCell = Omit<MatrixCell, 'protocol'> & { readonly port: number }

export interface SctpMatrix {
  readonly pods: readonly Pod[]
  readonly ports: readonly number[]
  readonly expect: (cell: SctpCell) => 'open' | 'blocked'
}

/** Asks a question over an association, and says whether the answer came in that time. */
export type Ask = (seconds?: number) => Promise<boolean>

/** The agents of some pods, which serve SCTP on all addresses that the pods have when they are asked to. */
export class SctpAgents implements AsyncDisposable {
  readonly #agents = new Map<Pod, SctpAgent>()

  /** @returns when all listen */
  static async serve(pods: readonly Pod[], ports: readonly number[]): Promise<SctpAgents> {
    const agents = new SctpAgents()
    await Promise.all(
      pods.map(async (pod) => {
        const agent = new SctpAgent(pod)
        agents.#agents.set(pod, agent)
        const addresses = pod.interfaces
          .flatMap((each) => each.addresses)
          .filter(({ scope }) => scope === 'global')
        await agent.ask('serve', { addresses: addresses.map(({ address }) => address), ports })
      }),
    )
    return agents
  }

  /** All ordered pairs on every segment and family that both ends have. */
  async matrix({ pods, ports, expect }: SctpMatrix): Promise<readonly Row[]> {
    const cells = matrixCells({ pods, ports, protocols: ['tcp'] }) as readonly SctpCell[]
    return await Promise.all(
      cells.map(async (cell) => {
        const { from, to, segment, family, port } = cell
        const expected = expect(cell)
        const first = await this.#probe(cell, SECONDS)
        const late = first === 'blocked' && expected === 'open'
        const seen = late ? await this.#probe(cell, PATIENT_SECONDS) : first
        return { from: from.name, to: to.name, segment, family, port, protocol: 'sctp', seen, expected }
      }),
    )
  }

  /** Opens an association that stays. */
  async associate(from: Pod, to: Pod, port: number, family: Family = 4): Promise<Ask> {
    const agent = this.#of(from)
    const name = `${to.name} ${port} ${family}`
    const [source, target] = [from.address(family), to.address(family)]
    await agent.ask('associate', { name, source, to: target, port, seconds: PATIENT_SECONDS })
    return async (seconds = PATIENT_SECONDS) => (await agent.ask('answered', { name, seconds })) === true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.stop()))
  }

  /** An association, and one question over it that has to come back. */
  async #probe({ from, to, port, family, segment }: SctpCell, seconds: number): Promise<Verdict> {
    const [source, target] = [from.address(family, segment), to.address(family, segment)]
    return (await this.#of(from).ask('probe', { source, to: target, port, seconds })) as Verdict
  }

  #of(pod: Pod): SctpAgent {
    const agent = this.#agents.get(pod)
    if (agent === undefined) throw new Error(`pod ${pod.name} serves no SCTP`)
    return agent
  }
}

class SctpAgent {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  readonly #ended: Promise<unknown>
  #lastId = 0
  #said = ''

  constructor(pod: Pod) {
    this.#child = spawn('nsenter', [`--net=${pod.netns}`, '/usr/bin/python3', AGENT])
    this.#ended = once(this.#child, 'exit').then(() => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`the SCTP agent of pod ${pod.name} ended: ${this.#said.trim()}`))
    })
    this.#child.stderr.on('data', (text: Buffer) => {
      this.#said += String(text)
    })
    createInterface(this.#child.stdout).on('line', (line) => this.#hear(JSON.parse(line) as Reply))
  }

  /** @throws what it could not do, or that it ended */
  async ask(ask: string, arguments_: Readonly<Record<string, unknown>>): Promise<unknown> {
    const id = ++this.#lastId
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(id, waiting)
    this.#child.stdin.write(`${JSON.stringify({ id, ask, with: arguments_ })}\n`)
    return await waiting.promise
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  #hear({ id, answer, refusal }: Reply): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (refusal === undefined) waiting?.resolve(answer)
    else waiting?.reject(new Error(refusal))
  }
}
