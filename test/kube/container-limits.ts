/** The limits of a container, memory and CPU, in control groups of our own: of cgroup v1 or v2, whichever is there. */
import { randomBytes } from 'node:crypto'
import { access, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const ROOT = '/sys/fs/cgroup'
const MIB = 1024 * 1024
/** The kernel's own, and Kubernetes'. */
const PERIOD_US = 100_000

export interface Limits {
  readonly memoryMiB: number
  readonly milliCpu: number
}

export class ContainerLimits implements AsyncDisposable {
  /** Put before a command, has that command run within the limits, with all that it starts. */
  readonly command: readonly string[]
  readonly #memory: string
  readonly #cpu: string
  readonly #isV2: boolean

  private constructor(memory: string, cpu: string, isV2: boolean) {
    this.#memory = memory
    this.#cpu = cpu
    this.#isV2 = isV2
    const script = 'echo $$ > "$0/cgroup.procs" && echo $$ > "$1/cgroup.procs" && shift && exec "$@"'
    this.command = ['sh', '-c', script, memory, cpu]
  }

  static async create({ memoryMiB, milliCpu }: Limits): Promise<ContainerLimits> {
    const name = `mnpd-limits-${process.pid}x${randomBytes(3).toString('hex')}`
    const isV2 = await access(join(ROOT, 'memory')).then(
      () => false,
      () => true,
    )
    const [memory, cpu] = isV2
      ? [join(ROOT, name), join(ROOT, name)]
      : [join(ROOT, 'memory', name), join(ROOT, 'cpu', name)]
    if (isV2) await writeFile(join(ROOT, 'cgroup.subtree_control'), '+memory +cpu')
    for (const directory of new Set([memory, cpu])) await mkdir(directory)
    const bytes = String(memoryMiB * MIB)
    const quota = (milliCpu * PERIOD_US) / 1000
    await writeFile(join(memory, isV2 ? 'memory.max' : 'memory.limit_in_bytes'), bytes)
    if (isV2) await writeFile(join(cpu, 'cpu.max'), `${quota} ${PERIOD_US}`)
    else await writeFile(join(cpu, 'cpu.cfs_quota_us'), String(quota))
    return new ContainerLimits(memory, cpu, isV2)
  }

  /** The most that was ever in use, files that were read included, in MiB. */
  async peakMiB(): Promise<number> {
    const file = this.#isV2 ? 'memory.peak' : 'memory.max_usage_in_bytes'
    return Number(await readFile(join(this.#memory, file), 'utf8')) / MIB
  }

  /** What is in use and cannot be given back by dropping files from memory, in MiB. */
  async anonymousMiB(): Promise<number> {
    const stat = await readFile(join(this.#memory, 'memory.stat'), 'utf8')
    return Number(/^(?:anon|total_rss) (\d+)$/m.exec(stat)?.[1]) / MIB
  }

  /** How many processes were killed for want of memory. */
  async kills(): Promise<number> {
    const file = this.#isV2 ? 'memory.events' : 'memory.oom_control'
    return Number(/^oom_kill (\d+)$/m.exec(await readFile(join(this.#memory, file), 'utf8'))?.[1])
  }

  /** To be called once its processes have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const directory of new Set([this.#memory, this.#cpu])) await rmdir(directory)
  }
}
