/** The processes that a control plane consists of: found, started, waited for, stopped. */
import { access, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'

interface Running extends Promise<unknown> {
  kill(signal: NodeJS.Signals): boolean
}

/** A server process with its output in a file, started when it is up. */
export class Component {
  readonly #process: Running

  private constructor(process: Running) {
    this.#process = process
  }

  static async start(
    directory: string,
    name: string,
    args: readonly string[],
    up: () => Promise<boolean>,
  ): Promise<Component> {
    const log = join(directory, `${name}.log`)
    const process = Component.spawn(await binary(name), args, log)
    const component = new Component(process)
    let ended = false
    void process.finally(() => {
      ended = true
    })
    for (const until = Date.now() + 120_000; ended || !(await up()); await sleep(50)) {
      if (!ended && Date.now() < until) continue
      await component.stop('SIGKILL')
      const last = (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-20).join('\n')
      throw new Error(
        `${name} ${ended ? 'ended' : 'is not up after two minutes'}; its log ends with:\n${last}`,
      )
    }
    return component
  }

  static spawn(path: string, args: readonly string[], log: string): Running {
    return execa(path, args, {
      all: true,
      stdout: { file: log, append: true },
      stderr: { file: log, append: true },
      buffer: false,
      reject: false,
    })
  }

  /** Asks, and after ten seconds insists. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const insist = setTimeout(() => this.#process.kill('SIGKILL'), 10_000)
    this.#process.kill(signal)
    await this.#process
    clearTimeout(insist)
  }
}

async function binary(name: string): Promise<string> {
  const assets = process.env['KUBEBUILDER_ASSETS']
  const ours = name === 'etcd' ? '/usr/bin' : resolve(import.meta.dirname, '../../.cache/bin')
  const path = join(assets ?? ours, name)
  await access(path).catch(() => {
    throw new Error(
      `${path} is missing: set KUBEBUILDER_ASSETS to a directory with ${name} in it, or put it there`,
    )
  })
  return path
}

/** Whether something answers, and with 200. */
export async function isUp(ask: () => Promise<{ status: number }>): Promise<boolean> {
  return await ask().then(
    ({ status }) => status === 200,
    () => false,
  )
}
