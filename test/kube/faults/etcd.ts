/**
 * The etcd of a test's control plane, taken down and brought back with the data that it had earlier, as after a disaster.
 * The control plane keeps no handle to it, so it is found by its data directory, which is in a folder of that control
 * plane's own.
 */
import { cp, glob, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Component, isUp } from '../component.ts'
import type { ControlPlane } from '../control-plane.ts'

export class Etcd implements AsyncDisposable {
  readonly #plane: ControlPlane
  readonly #args: readonly string[]
  readonly #pid: number
  #own: Component | undefined

  private constructor(plane: ControlPlane, pid: number, args: readonly string[]) {
    this.#plane = plane
    this.#pid = pid
    this.#args = args
  }

  static async of(plane: ControlPlane): Promise<Etcd> {
    for await (const path of glob('/proc/[0-9]*/cmdline')) {
      const [program = '', ...args] = (await readFile(path, 'utf8').catch(() => '')).split('\0').slice(0, -1)
      if (!program.endsWith('etcd') || !args.includes(`--data-dir=${join(plane.directory, 'etcd')}`)) continue
      return new Etcd(plane, Number(dirname(path).slice('/proc/'.length)), args)
    }
    throw new Error(`no etcd has its data in ${plane.directory}`)
  }

  /** Keeps a copy of all that is stored now. The API server is down meanwhile. */
  async save(): Promise<void> {
    await this.#whileDown((data, copy) => cp(data, copy, { recursive: true }))
  }

  /** Brings back what was saved: versions go backwards. */
  async restore(): Promise<void> {
    await this.#whileDown(async (data, copy) => {
      await rm(data, { recursive: true })
      await cp(copy, data, { recursive: true })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#own?.stop('SIGKILL')
  }

  async #whileDown(act: (data: string, copy: string) => Promise<void>): Promise<void> {
    const { directory } = this.#plane
    await this.#plane.stopApiServer()
    await this.#stop()
    await act(join(directory, 'etcd'), join(directory, 'etcd-copy'))
    const url = this.#args.find((arg) => arg.startsWith('--listen-client-urls='))?.split('=')[1]
    this.#own = await Component.start(directory, 'etcd', this.#args, () => isUp(() => fetch(`${url}/health`)))
    await this.#plane.startApiServer()
  }

  async #stop(): Promise<void> {
    if (this.#own !== undefined) return await this.#own.stop('SIGTERM')
    process.kill(this.#pid, 'SIGTERM')
    // A child of this very process: it is gone from the list once its end was noticed.
    while (await readFile(`/proc/${this.#pid}/stat`).catch(() => undefined)) await sleep(10)
  }
}
