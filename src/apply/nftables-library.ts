/**
 * Transactions by libnftables within this process, some tenth of the time that a process of nft takes, and without its CPU.
 *
 * What ends libnftables would end this process, and it reads something before it writes: all tables, chains, sets, objects
 * and flow tables of the namespace, by their definitions, and the elements of sets that it changes; never rules. Whoever
 * is root in the pod can put there what no nft has ever written, or a million of it. So it is used only where nobody else has
 * ever written, as the generation tells; elsewhere, and wherever it fails, a process does it.
 */
import { InProcessNft } from 'nftables-json/in-process'
import { type RunTransaction, runByProcess } from './nftables-write.ts'

/** What takes longer hangs: a transaction takes milliseconds, and there is one thread for all pods. */
const TIMEOUT_MS = 5_000

export type OpenedLibrary =
  | { readonly kind: 'opened'; readonly library: Library }
  | { readonly kind: 'unavailable'; readonly reason: string }

export interface Library extends AsyncDisposable {
  readonly run: RunTransaction
}

/** @param gaveUp told once, when the library hangs and is not used again */
export async function openLibrary(
  gaveUp: (reason: string) => void,
  timeoutMs: number = TIMEOUT_MS,
): Promise<OpenedLibrary> {
  const opened = await InProcessNft.open()
  return opened.kind === 'opened'
    ? { kind: 'opened', library: libraryOf(opened.nft, gaveUp, timeoutMs) }
    : opened
}

function libraryOf(nft: InProcessNft, gaveUp: (reason: string) => void, timeoutMs: number): Library {
  let isUsable = true
  return {
    async run(transaction, place) {
      if (!isUsable || !place.alone) return await runByProcess(transaction, place)
      const { netns, signal } = place
      const result = await nft.run(transaction, { netns: netns.path, signal, timeoutMs })
      if (isUsable && nft.hanging > 0) {
        isUsable = false
        gaveUp(result.kind === 'done' ? 'it hangs' : result.reason)
      }
      return result
    },
    [Symbol.asyncDispose]: () => nft[Symbol.asyncDispose](),
  }
}
