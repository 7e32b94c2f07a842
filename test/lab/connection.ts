/**
 * The test's end of a TCP connection that an agent keeps open and talking: for what must survive a change
 * of policy, and for what a revocation must cut although it was established.
 */
import type { AgentProcess } from './agent-process.ts'
import { MS, now, type UntilOptions, until } from './clock.ts'
import type { ConnectionState } from './protocol.ts'

export class Connection {
  readonly #agent: AgentProcess
  readonly #id: number
  readonly #label: string

  /** Made by a pod only. */
  constructor(agent: AgentProcess, id: number, label: string) {
    this.#agent = agent
    this.#id = id
    this.#label = label
  }

  async state(): Promise<ConnectionState> {
    return await this.#agent.ask('connection', { connection: this.#id })
  }

  /**
   * Waits until a question put after the instant is answered. @returns when the answer came
   * @throws at once when the connection ended
   */
  async answered({ after = now(), timeoutMs = 5000 }: UntilOptions = {}): Promise<number> {
    return await until(`an answer on ${this.#label}`, timeoutMs, async () => {
      const { answers, closed } = await this.state()
      // The first answer after the instant may be to a question from before it.
      const [, second] = answers.filter((at) => at >= after)
      if (second === undefined && closed !== undefined) throw this.#ended(closed.reason)
      return second
    })
  }

  /**
   * Waits until a question has stayed without answer for that long. The connection is then still open.
   * @returns when the last answer came, or -Infinity
   */
  async silent(quietMs = 200, { timeoutMs = 5000 }: Pick<UntilOptions, 'timeoutMs'> = {}): Promise<number> {
    return await until(`silence on ${this.#label}`, timeoutMs, async () => {
      const { asked, answers, closed } = await this.state()
      if (closed !== undefined) throw this.#ended(closed.reason)
      const last = answers.at(-1) ?? Number.NEGATIVE_INFINITY
      return asked > answers.length && now() - last > quietMs * MS ? last : undefined
    })
  }

  /** Waits for the end, from whichever side. @returns when it came, and `end` or the errno */
  async closed({ timeoutMs = 5000 }: Pick<UntilOptions, 'timeoutMs'> = {}): Promise<{
    readonly at: number
    readonly reason: string
  }> {
    return await until(`the end of ${this.#label}`, timeoutMs, async () => (await this.state()).closed)
  }

  /** Ends it from this side. */
  async close(): Promise<void> {
    await this.#agent.ask('close', { connection: this.#id })
  }

  #ended(reason: string): Error {
    return new Error(`the connection from ${this.#label} ended: ${reason}`)
  }
}
