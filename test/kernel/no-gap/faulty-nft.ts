/**
 * An `nft` that does as a test says: the daemon finds it on a PATH that has everything else as it is. What becomes of the
 * input and the network namespace is as with the real one, which it becomes when all is well.
 */
import { mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** `some`: of three calls about one fails, one is killed, and one is well. */
export type NftFault =
  | 'none'
  | 'fails'
  | 'is killed'
  | 'is killed after its commit'
  | 'hangs'
  | 'some'
  | 'missing'

export class FaultyNft implements AsyncDisposable {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async create(): Promise<FaultyNft> {
    const nft = new FaultyNft(await mkdtemp(join(tmpdir(), 'mnpd-nft-')))
    const { PATH = '' } = process.env
    await writeFile(join(nft.#directory, 'fault'), 'none\n')
    for (const path of PATH.split(':')) await nft.#link(path)
    const real = await findProgram('nft', PATH)
    await rm(join(nft.#directory, 'nft'))
    await writeFile(join(nft.#directory, 'nft'), script(nft.#directory, real), { mode: 0o755 })
    return nft
  }

  /** The environment for the daemon. */
  get env(): Readonly<Record<string, string>> {
    return { PATH: this.#directory }
  }

  /** For the calls from now on. */
  async set(fault: NftFault): Promise<void> {
    const [program, away] = ['nft', '.nft-away'].map((name) => join(this.#directory, name)) as [
      string,
      string,
    ]
    if (fault === 'missing') {
      await rename(program, away)
      return
    }
    await rename(away, program).catch(() => undefined)
    await writeFile(join(this.#directory, 'fault.part'), `${fault}\n`)
    await rename(join(this.#directory, 'fault.part'), join(this.#directory, 'fault'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
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

function script(directory: string, real: string): string {
  return `#!/bin/sh
read -r fault <'${directory}/fault'
[ "$fault" = some ] && case $(($$ % 3)) in 0) fault=fails ;; 1) fault='is killed' ;; esac
case $fault in
fails) echo 'nft: made to fail' >&2; exit 1 ;;
'is killed') kill -KILL $$ ;;
'is killed after its commit') '${real}' "$@"; kill -KILL $$ ;;
hangs) exec sleep 1000 ;;
esac
exec '${real}' "$@"
`
}
