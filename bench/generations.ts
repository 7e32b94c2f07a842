/**
 * When rules have changed, as seen by sockets that were opened before: to look costs 0.01 ms, so that who is measured has the
 * machine to itself.
 */
import { setTimeout } from 'node:timers/promises'
import { readGenerationBy } from '../packages/nftables-json/src/in-process/generation.ts'
import { type Libc, loadLibc } from '../packages/nftables-json/src/in-process/libc.ts'
import { loadKoffi } from '../packages/nftables-json/src/in-process/load-koffi.ts'
import { openNetfilterSocket } from '../packages/nftables-json/src/in-process/netfilter-socket.ts'
import { openNetnsAccess } from '../packages/nftables-json/src/in-process/netns-access.ts'
import type { Pod } from '../test/lab/pod.ts'

const PATIENCE_MS = 120_000

export class Generations implements Disposable {
  readonly #libc: Libc
  readonly #sockets: ReadonlyMap<Pod, number>

  private constructor(libc: Libc, sockets: ReadonlyMap<Pod, number>) {
    this.#libc = libc
    this.#sockets = sockets
  }

  static async open(pods: readonly Pod[]): Promise<Generations> {
    const [libc, access] = [loadLibc(await loadKoffi()), await openNetnsAccess()]
    const open = (pod: Pod): number => access?.within(pod.netns, () => openNetfilterSocket(libc)) ?? -1
    const sockets = new Map(pods.map((pod) => [pod, open(pod)]))
    if ([...sockets.values()].includes(-1)) throw new Error('a pod has no netlink socket')
    return new Generations(libc, sockets)
  }

  of(pods: readonly Pod[]): ReadonlyMap<Pod, number> {
    return new Map(pods.map((pod) => [pod, this.#read(pod)]))
  }

  /** Waits until the rules of all those have been written to since. */
  async changed(since: ReadonlyMap<Pod, number>): Promise<void> {
    const end = performance.now() + PATIENCE_MS
    const left = new Map(since)
    while (left.size > 0) {
      for (const [pod, before] of left) {
        if (this.#read(pod) === before) break
        left.delete(pod)
      }
      if (performance.now() > end) throw new Error(`${left.size} pods have not changed`)
      if (left.size > 0) await setTimeout(1)
    }
  }

  [Symbol.dispose](): void {
    for (const fd of this.#sockets.values()) this.#libc.close(fd)
  }

  #read(pod: Pod): number {
    const generation = readGenerationBy(this.#libc, this.#sockets.get(pod) ?? -1)
    if (generation === undefined) throw new Error(`${pod.name}: its generation cannot be told`)
    return generation
  }
}
