/** What rules are written with: each backend, and iptables in both of its variants. */
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pod } from '../lab/pod.ts'

export type Dataplane = 'nftables' | 'iptables-nft' | 'iptables-legacy'

export const DATAPLANES: readonly Dataplane[] = ['nftables', 'iptables-nft', 'iptables-legacy']

/** The daemon's flag, and a PATH on which iptables' plain names are the variant's, as alternatives make them. */
export class DataplaneChoice implements AsyncDisposable {
  readonly flag: string
  readonly env: Readonly<Record<string, string>>
  readonly #directory: string

  private constructor(dataplane: Dataplane, directory: string) {
    this.flag = `--backend=${dataplane === 'nftables' ? 'nftables' : 'iptables'}`
    this.env = { PATH: `${directory}:${process.env['PATH']}` }
    this.#directory = directory
  }

  static async of(dataplane: Dataplane): Promise<DataplaneChoice> {
    const directory = await mkdtemp(join(tmpdir(), 'mnpd-dataplane-'))
    if (dataplane !== 'nftables') {
      for (const command of ['iptables', 'ip6tables'])
        for (const what of ['', '-save', '-restore'])
          await symlink(
            `/usr/sbin/${dataplane.replace('iptables', command)}${what}`,
            join(directory, `${command}${what}`),
          )
    }
    return new DataplaneChoice(dataplane, directory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true })
  }
}

/** Those that hold rules of ours in the pod. */
export async function standing(pod: Pod): Promise<readonly Dataplane[]> {
  const held: Readonly<Record<Dataplane, string>> = {
    nftables: await pod.run(['nft', 'list', 'tables']),
    'iptables-nft': await pod.run(['iptables-nft-save', '-t', 'filter']),
    'iptables-legacy': await pod.run(['iptables-legacy-save', '-t', 'filter']),
  }
  return DATAPLANES.filter((each) => /inet multi_networkpolicy|MULTI-/.test(held[each]))
}
