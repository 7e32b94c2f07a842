/** A control group whose processes together get no more memory than that: of cgroup v1 or v2, whichever is there. */
import { randomBytes } from 'node:crypto'
import { access, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '../../lab/clock.ts'

const ROOT = '/sys/fs/cgroup'

interface Version {
  readonly parent: string
  readonly limit: string
  readonly peak: string
}

const v1: Version = {
  parent: join(ROOT, 'memory'),
  limit: 'memory.limit_in_bytes',
  peak: 'memory.max_usage_in_bytes',
}
const v2: Version = { parent: ROOT, limit: 'memory.max', peak: 'memory.peak' }

export class MemoryLimit implements AsyncDisposable {
  /** Put before a command, has that command run within the limit, and it alone. */
  readonly command: readonly string[]
  readonly #directory: string
  readonly #version: Version

  private constructor(directory: string, version: Version) {
    this.#directory = directory
    this.#version = version
    const join = 'echo $$ > "$0" && exec "$@"'
    this.command = ['sh', '-c', join, `${directory}/cgroup.procs`]
  }

  static async create(mebibytes: number): Promise<MemoryLimit> {
    const version = await access(join(v1.parent, v1.limit)).then(
      () => v1,
      () => v2,
    )
    if (version === v2) await writeFile(join(ROOT, 'cgroup.subtree_control'), '+memory')
    const directory = join(version.parent, `mnpd-faults-${process.pid}x${randomBytes(3).toString('hex')}`)
    await mkdir(directory)
    await writeFile(join(directory, version.limit), String(mebibytes * 1024 * 1024))
    return new MemoryLimit(directory, version)
  }

  /** The most that was ever in use, files that were read included, in MiB. */
  async peak(): Promise<number> {
    return Number(await readFile(join(this.#directory, this.#version.peak), 'utf8')) / 1024 / 1024
  }

  /** To be called once the command has ended; what that has started ends a moment later. */
  async [Symbol.asyncDispose](): Promise<void> {
    const members = join(this.#directory, 'cgroup.procs')
    await until('its processes have ended', 10_000, async () => {
      if ((await readFile(members, 'utf8')) !== '') return undefined
      return await rmdir(this.#directory).then(
        () => true,
        () => undefined,
      )
    })
  }
}
