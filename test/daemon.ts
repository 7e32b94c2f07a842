/**
 * `mnpd run` as a process of its own, as users start it: for the tests, the demo and the benchmark.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'

export const MNPD: string = join(import.meta.dirname, '../node_modules/.bin/mnpd')

/** One line of the daemon's log. */
export interface LogLine {
  readonly level: string
  readonly msg: string
  readonly object?: string
  readonly field?: string
  readonly reason?: string
}

export class DaemonProcess implements AsyncDisposable {
  readonly url: string
  readonly log: LogLine[] = []
  /** What it wrote that is no log line, such as the one line of a wrong call. */
  readonly noise: string[] = []
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
    if (child.stderr !== null) createInterface(child.stderr).on('line', (line) => this.#hear(line))
  }

  /**
   * Starts `mnpd run` with the flags, and with a free port of loopback as `--bind-address`.
   * @param command what to start it with, such as `unshare` with its arguments; it must exec
   */
  static async start(
    flags: readonly string[],
    env: Readonly<Record<string, string>> = {},
    command: readonly string[] = [],
  ): Promise<DaemonProcess> {
    const port = await freePort()
    const [program, ...args] = [...command, MNPD, 'run', `--bind-address=127.0.0.1:${port}`, ...flags] as [
      string,
      ...string[],
    ]
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    })
    await once(child, 'spawn')
    return new DaemonProcess(child, `http://127.0.0.1:${port}`)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get exitCode(): number | null {
    return this.#child.exitCode
  }

  /** Waits for `/readyz` to answer 200. @throws with the log's end where the daemon ends, or after `timeoutMs`. */
  async ready(timeoutMs = 20_000): Promise<void> {
    await this.until('it is ready', async () => (await this.status('/readyz')) === 200, timeoutMs)
  }

  /** The HTTP status of a path; undefined where nothing answers. */
  async status(path: string): Promise<number | undefined> {
    try {
      return (await fetch(`${this.url}${path}`)).status
    } catch {
      return undefined
    }
  }

  /** The values of all series of `/metrics`, by name and labels; histograms by their count. @throws while nothing answers */
  async metrics(): Promise<Readonly<Record<string, number>>> {
    const text = await (await fetch(`${this.url}/metrics`)).text()
    const lines = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#') && !line.includes('_bucket'))
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
    )
  }

  /** Waits for a line of the log that matches. */
  async logged(pattern: RegExp, timeoutMs = 20_000): Promise<LogLine> {
    const find = (): LogLine | undefined => this.log.find(({ msg }) => pattern.test(msg))
    await this.until(`it logs ${pattern}`, async () => find() !== undefined, timeoutMs)
    return find() as LogLine
  }

  /** Waits until a change made since the log had `from` lines is compiled and dealt with; needs `--log-level=debug`. */
  async settled(from: number, timeoutMs = 10_000): Promise<void> {
    const dealtWith = (): boolean => {
      const compiled = this.log.findIndex(({ msg }, index) => index >= from && msg === 'compiled')
      return compiled >= 0 && this.log.slice(compiled).some(({ msg }) => msg === 'settled')
    }
    await this.until('the change is dealt with', async () => dealtWith(), timeoutMs)
  }

  /** Asks every few ms until the condition holds. */
  async until(what: string, condition: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const end = performance.now() + timeoutMs
    while (!(await condition())) {
      if (this.exitCode !== null)
        throw new Error(`mnpd ended with ${this.exitCode} before ${what}:\n${this.#tail()}`)
      if (performance.now() > end)
        throw new Error(`mnpd: not within ${timeoutMs} ms: ${what}\n${this.#tail()}`)
      await setTimeout(5)
    }
  }

  /** Ends the daemon and waits for it. @returns its exit code, null where the signal ended it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.exitCode === null && this.#child.signalCode === null) {
      const exit = once(this.#child, 'exit')
      this.#child.kill(signal)
      await exit
    }
    return this.exitCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL')
  }

  #hear(line: string): void {
    try {
      this.log.push(JSON.parse(line) as LogLine)
    } catch {
      this.noise.push(line)
    }
  }

  #tail(): string {
    return [...this.log.map(({ level, msg }) => `${level} ${msg}`), ...this.noise].slice(-15).join('\n')
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
