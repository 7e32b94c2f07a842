/**
 * The yardstick: one bare `nsenter … nft -f -` of a pod's ruleset into the pod's netns, the least that any daemon which
 * starts nft can take. Taken between the samples of what it is held against, so that both see the same machine.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { MNPD } from '../test/daemon.ts'
import type { Pod } from '../test/lab/pod.ts'

export class BareNft {
  readonly #pod: Pod
  readonly #script: string
  readonly samples: number[] = []

  /** @param name `namespace/name` of the pod in the manifests */
  constructor(pod: Pod, manifests: string, name: string) {
    this.#pod = pod
    const compiled = spawnSync(MNPD, ['compile', `--manifests=${manifests}`, `--pod=${name}`], {
      encoding: 'utf8',
    })
    if (compiled.status !== 0) throw new Error(compiled.stderr)
    this.#script = compiled.stdout
  }

  /** Loads the ruleset once. */
  take(): void {
    const began = performance.now()
    const { status, stderr } = spawnSync('nsenter', [`--net=${this.#pod.netns}`, 'nft', '-f', '-'], {
      input: this.#script,
    })
    if (status !== 0) throw new Error(`nft: ${stderr}`)
    this.samples.push(performance.now() - began)
  }
}

/** Resident memory of a process, MiB. */
export function residentMemory(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kib === undefined) throw new Error(`process ${pid} has no memory`)
  return Number(kib) / 1024
}
