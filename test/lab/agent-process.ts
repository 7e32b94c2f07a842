/**
 * The lab's end of an agent: starts it in a namespace, asks it, and ends it. A question whose agent dies
 * is answered with an error that carries the agent's last words, never left hanging.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { CommandName, Commands, Question, Reply } from './protocol.ts'

const ROOT = join(import.meta.dirname, '../..')
/** The node that strips types, whichever started the tests. */
const NODE = join(ROOT, 'node_modules/node/bin/node')
const AGENT = join(import.meta.dirname, 'agent.ts')
/** Agents are many and short-lived: they share what the first one compiled, and keep their heaps small. */
const NODE_FLAGS = ['--max-semi-space-size=1', '--no-warnings']
const COMPILE_CACHE = join(ROOT, '.cache/lab-agent')

interface Pending {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: Error) => void
}

export class AgentProcess {
  readonly #label: string
  readonly #child: ChildProcess
  readonly #pending = new Map<number, Pending>()
  readonly #ready = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<void>()
  #end: string | undefined
  #stderr = ''
  #lastId = 0

  /** @returns when the agent listens. @throws when it ends before that */
  static async start(netns: string, label: string): Promise<AgentProcess> {
    const agent = new AgentProcess(netns, label)
    await agent.#ready.promise
    return agent
  }

  private constructor(netns: string, label: string) {
    const { PATH } = process.env
    this.#label = label
    this.#child = spawn('nsenter', [`--net=${netns}`, NODE, ...NODE_FLAGS, AGENT], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Nothing of the test runner's own environment: its options would apply to the agent.
      env: { PATH, NODE_COMPILE_CACHE: COMPILE_CACHE },
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4096)
    })
    this.#child.on('message', (reply: Reply) => this.#hear(reply))
    this.#child.on('error', (error) => this.#over(error.message))
    this.#child.on('close', (code, signal) => this.#over(signal ?? `exit code ${code}`))
  }

  /** @throws when the agent could not do it, or ends before it answers */
  async ask<Name extends CommandName>(
    name: Name,
    ask: Commands[Name]['ask'],
  ): Promise<Commands[Name]['answer']> {
    if (this.#end !== undefined) throw this.#gone()
    const id = ++this.#lastId
    const question: Question = { id, name, ask }
    return (await new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#child.send(question, (error) => error && this.#take(id)?.reject(error))
    })) as Commands[Name]['answer']
  }

  /** Kills the process and waits for its end: until then it would hold its namespace. */
  async stop(): Promise<void> {
    if (this.#end === undefined) this.#child.kill('SIGKILL')
    await this.#ended.promise
  }

  #hear(reply: Reply): void {
    switch (reply.kind) {
      case 'ready':
        this.#ready.resolve()
        break
      case 'answer':
        this.#take(reply.id)?.resolve(reply.answer)
        break
      case 'refusal':
        this.#take(reply.id)?.reject(new Error(`agent of ${this.#label}: ${reply.message}`))
        break
      default:
        reply satisfies never
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }

  #over(end: string): void {
    this.#end ??= end
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(this.#gone())
    this.#ready.reject(this.#gone())
    this.#ended.resolve()
  }

  #gone(): Error {
    return new Error(
      `agent of ${this.#label} ended (${this.#end})${this.#stderr && `: ${this.#stderr.trim()}`}`,
    )
  }
}
