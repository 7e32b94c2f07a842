/**
 * Transactions by libnftables, in a process of ours that stays: some tenth of the time and of the CPU that a process of nft
 * takes for each. What ends it or makes it hang costs one try, which a process of nft makes good.
 *
 * It is one for all pods, and reads something before it writes: all tables, chains, sets, objects and flow tables of the
 * namespace, by their definitions, and the elements of sets that it changes; never rules. Whoever is root in the pod can
 * put there what no nft has ever written, or a million of it. So it is used only where nobody else's is to be met.
 */
import { NftWorker } from 'nftables-json/worker'
import { type RunTransaction, runByProcess } from './nftables-write.ts'

/** What takes longer hangs: a transaction takes milliseconds, and all other pods wait for it. */
const TIMEOUT_MS = 5_000

/** Of namespaces in which it failed that many are remembered: their numbers are given out again. */
const MOST_SHUNNED = 1_000

export interface Library extends AsyncDisposable {
  readonly run: RunTransaction
}

/**
 * Starts the process, and does not wait for it: what is written meanwhile does.
 * @param failed told when it cannot be had, and each time that it crashed or hung
 */
export function openLibrary(failed: (reason: string) => void, timeoutMs: number = TIMEOUT_MS): Library {
  const opening = NftWorker.open().then((opened) => {
    if (opened.kind === 'opened') return opened.nft
    failed(`it cannot be used: ${opened.reason}`)
    return undefined
  })
  const shunned = new Set<string>()
  return {
    async run(transaction, place) {
      const { netns, signal, alone, expected } = place
      const nft = alone && !shunned.has(netns.id) ? await opening : undefined
      if (nft === undefined) return await runByProcess(transaction, place)
      const known =
        typeof expected === 'object' ? { cookie: expected.cookie, generation: expected.generation } : expected
      const result = await nft.run(transaction, { netns: netns.path, signal, timeoutMs, expected: known })
      if (result.kind === 'failed' && !signal.aborted) {
        if (shunned.size >= MOST_SHUNNED) shunned.clear()
        shunned.add(netns.id)
        failed(result.reason)
      }
      return result
    },
    async [Symbol.asyncDispose]() {
      const nft = await opening
      await nft?.[Symbol.asyncDispose]()
    },
  }
}
