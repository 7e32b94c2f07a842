/**
 * The yardstick Y: one bare `nsenter … nft -f -` of a pod's ruleset into the pod's netns, the least that any daemon which
 * starts nft can take. It is taken between rounds of what is held against it, while no daemon runs, since it is somebody
 * else's change to the daemon. Beside it is the floor: libnftables held open by a process of its own.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { NftWorker } from 'nftables-json/worker'
import { MNPD } from '../test/daemon.ts'
import type { Pod } from '../test/lab/pod.ts'

export class BareNft {
  readonly #pod: Pod
  readonly #script: string
  /** ms each */
  readonly samples: number[] = []
  readonly floor: number[] = []

  /** @param name `namespace/name` of the pod in the manifests */
  constructor(pod: Pod, manifests: string, name: string) {
    this.#pod = pod
    const compiled = spawnSync(MNPD, ['compile', `--manifests=${manifests}`, `--pod=${name}`], {
      encoding: 'utf8',
    })
    if (compiled.status !== 0) throw new Error(compiled.stderr)
    this.#script = compiled.stdout
  }

  /** Loads the ruleset so many times. */
  take(times: number): void {
    for (let time = 0; time < times; time += 1) {
      const began = performance.now()
      const { status, stderr } = spawnSync('nsenter', [`--net=${this.#pod.netns}`, 'nft', '-f', '-'], {
        input: this.#script,
      })
      if (status !== 0) throw new Error(`nft: ${stderr}`)
      this.samples.push(performance.now() - began)
    }
  }

  /** The same by libnftables. */
  async takeFloor(times: number): Promise<void> {
    const opened = await NftWorker.open()
    if (opened.kind !== 'opened') throw new Error(opened.reason)
    await using nft = opened.nft
    for (let time = 0; time < times; time += 1) {
      const began = performance.now()
      const result = await nft.run(this.#script, { netns: this.#pod.netns })
      if (result.kind !== 'done') throw new Error(result.reason)
      this.floor.push(performance.now() - began)
    }
  }
}

/** Resident memory of a process, MiB. */
export function residentMemory(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kib === undefined) throw new Error(`process ${pid} has no memory`)
  return Number(kib) / 1024
}
