/**
 * Programs of the backends that do as a test says: the daemon finds them on a PATH that has everything else as it is. What
 * becomes of the input and the network namespace is as with the real ones, which they become when all is well.
 */
import { mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** `some`: of all calls some fail, some are killed, and the others are well. `stalls`: goes on when it is well again. */
export type Fault =
  | 'none'
  | 'fails'
  | 'is killed'
  | 'is killed after its commit'
  | 'hangs'
  | 'stalls'
  | 'some'
  | 'missing'

export class FaultyPrograms implements AsyncDisposable {
  readonly #directory: string
  readonly #names: readonly string[]

  private constructor(directory: string, names: readonly string[]) {
    this.#directory = directory
    this.#names = names
  }

  /** @param oneIn with the fault `some` one of so many calls fails, and one is killed */
  static async create(names: readonly string[], oneIn: number): Promise<FaultyPrograms> {
    const programs = new FaultyPrograms(await mkdtemp(join(tmpdir(), 'mnpd-faulty-')), names)
    const { PATH = '' } = process.env
    for (const path of PATH.split(':')) await programs.#link(path)
    for (const name of names) {
      const real = await findProgram(name, PATH)
      const program = join(programs.#directory, name)
      await rm(program)
      await writeFile(program, script({ name, real, fault: programs.#faultOf(name), oneIn }), { mode: 0o755 })
    }
    await programs.set('none')
    return programs
  }

  /** The environment for the daemon. */
  get env(): Readonly<Record<string, string>> {
    return { PATH: this.#directory }
  }

  /** For the calls from now on. @param names which have it, all others being well; default: all */
  async set(fault: Fault, names: readonly string[] = this.#names): Promise<void> {
    for (const name of this.#names) await this.#set(name, names.includes(name) ? fault : 'none')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #set(name: string, fault: Fault): Promise<void> {
    const [program, away] = [join(this.#directory, name), join(this.#directory, `.${name}-away`)]
    if (fault === 'missing') {
      await rename(program, away)
      return
    }
    await rename(away, program).catch(() => undefined)
    await writeFile(`${this.#faultOf(name)}.part`, `${fault}\n`)
    await rename(`${this.#faultOf(name)}.part`, this.#faultOf(name))
  }

  #faultOf(name: string): string {
    return join(this.#directory, `.${name}-fault`)
  }

  /** What stands first on the PATH wins. */
  async #link(path: string): Promise<void> {
    const names = await readdir(path).catch(() => [])
    await Promise.all(
      names.map((name) => symlink(join(path, name), join(this.#directory, name)).catch(() => undefined)),
    )
  }
}

async function findProgram(name: string, path: string): Promise<string> {
  for (const directory of path.split(':')) {
    if ((await readdir(directory).catch(() => [] as string[])).includes(name)) return join(directory, name)
  }
  throw new Error(`no ${name} on the PATH`)
}

interface Script {
  readonly name: string
  readonly real: string
  /** The file that says which fault it has. */
  readonly fault: string
  readonly oneIn: number
}

/** Where it stalls it waits for the file to say otherwise, and ends if the daemon's world is gone. */
function script({ name, real, fault, oneIn }: Script): string {
  return `#!/bin/sh
read -r fault <'${fault}'
[ "$fault" = some ] && case $(($$ % ${oneIn})) in 0) fault=fails ;; 1) fault='is killed' ;; esac
while [ "$fault" = stalls ]; do sleep 0.05; read -r fault <'${fault}' || exit 1; done
case $fault in
fails) echo '${name}: made to fail' >&2; exit 1 ;;
'is killed') kill -KILL $$ ;;
'is killed after its commit') '${real}' "$@"; kill -KILL $$ ;;
hangs) exec sleep 1000 ;;
esac
exec '${real}' "$@"
`
}
