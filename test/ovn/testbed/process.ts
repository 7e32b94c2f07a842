/**
 * One long-running program of the testbed, such as ovn-northd: started in the foreground, so that its process id is known
 * and nobody else's program is ever meant, with its output in a file. It can be killed, ended and started again.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { now, until } from '../../lab/clock.ts'

export interface Program {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  /** The file that its output is appended to. */
  readonly log: string
  /** Whether it does its work, as the process of that id. */
  readonly up: (pid: number) => Promise<boolean>
}

/** On a busy machine; an idle one needs a tenth of a second. */
const UP_MS = 60_000
/** One that was asked to end is killed after this long. */
const END_MS = 10_000

export class RunningProgram {
  readonly #program: Program
  #child: ChildProcess
  /** Its end was asked for. */
  #dismissed = false

  private constructor(program: Program, child: ChildProcess) {
    this.#program = program
    this.#child = child
  }

  /** @returns when it is up. @throws with the end of its log when it ends before, or is not up in time */
  static async start(program: Program): Promise<RunningProgram> {
    const running = new RunningProgram(program, await launch(program))
    await running.#whenUp()
    return running
  }

  get pid(): number | undefined {
    return this.#ended ? undefined : this.#child.pid
  }

  /** Ends it. @returns when it is gone */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#dismissed = true
    if (this.#ended) return
    const gone = once(this.#child, 'exit')
    this.#child.kill(signal)
    const insist = setTimeout(() => this.#child.kill('SIGKILL'), END_MS)
    await gone
    clearTimeout(insist)
  }

  /** Starts it again after its end. @returns when it is up */
  async startAgain(): Promise<void> {
    if (!this.#ended) throw new Error(`${this.#program.name} runs already`)
    this.#child = await launch(this.#program)
    this.#dismissed = false
    await this.#whenUp()
  }

  /** @throws with the end of its log when it ended by itself */
  async checkUnharmed(): Promise<void> {
    if (!this.#ended || this.#dismissed) return
    throw new Error(`${this.#program.name} ended by itself; its log ends with:\n${await this.#lastWords()}`)
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  async #whenUp(): Promise<void> {
    const { name, up } = this.#program
    try {
      await until(`${name} is up`, UP_MS, async () => {
        if (this.#ended) throw new Error(`${name} ended with ${this.#child.exitCode}`)
        return (await up(this.#child.pid ?? 0)) || undefined
      })
    } catch (error) {
      await this.end('SIGKILL')
      throw new Error(`${name} did not start; its log ends with:\n${await this.#lastWords()}`, {
        cause: error,
      })
    }
  }

  async #lastWords(): Promise<string> {
    return (await readFile(this.#program.log, 'utf8')).trimEnd().split('\n').slice(-15).join('\n')
  }
}

/** Whether something accepts connections at a unix socket. */
export async function listens(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** @returns its result, and the milliseconds that it took */
export async function timed<T>(task: () => Promise<T>): Promise<readonly [T, number]> {
  const begin = now()
  const result = await task()
  return [result, (now() - begin) / 1e6]
}

async function launch({ command: [program, ...args], env, log }: Program): Promise<ChildProcess> {
  const file = await open(log, 'a')
  try {
    const child = spawn(program, args, {
      stdio: ['ignore', file.fd, file.fd],
      env: { PATH: process.env['PATH'], ...env },
    })
    await once(child, 'spawn')
    return child
  } finally {
    await file.close()
  }
}
