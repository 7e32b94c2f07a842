/**
 * The nftables backend: a pod's ruleset in the pod's network namespace, written whole in one transaction.
 *
 * What was written is remembered by namespace and digest, so that nothing is written twice; what an earlier process
 * left is read back first and stays, counters and all, if it is what should be there.
 */
import { type ListedTable, sameTable, type Transaction } from 'nftables-json'
import { listTable, run } from 'nftables-json/run'
import type { PodTarget } from '../compile/compile.ts'
import { printNftables, TABLE } from '../compile/nftables.ts'
import type { NetnsLocator } from './netns/locate.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import type { Outcome, Target } from './reconciler.ts'

export interface NftablesTargetOptions {
  readonly locator: NetnsLocator
  /** The pods of this node as they are now, governed or not. */
  readonly localPods: () => ReadonlyMap<string, PodTarget>
}

/** What we know to stand in a pod's netns: the table of that digest, or with none no table. */
interface Standing {
  readonly netns: string
  readonly digest: string | undefined
}

const DONE: Outcome = { kind: 'done' }

export function nftablesTarget({ locator, localPods }: NftablesTargetOptions): Target<PodTarget> {
  const standing = new Map<string, Standing>()

  async function update(key: string, { pod, ruleset }: PodTarget, signal: AbortSignal): Promise<Outcome> {
    const located = await locator.locate(pod, signal)
    if (located.kind !== 'found') return failed(`no network namespace found: ${located.reason}`)
    await using netns = located.netns
    const { transaction, table, digest } = printNftables(ruleset)
    const known = standing.get(key)
    if (known?.netns === netns.id && known.digest === digest) return DONE
    if (known?.netns === netns.id || !(await stands(netns, table, signal))) {
      const outcome = await write(netns, transaction, signal)
      if (outcome.kind !== 'done') return outcome
    }
    standing.set(key, { netns: netns.id, digest })
    return DONE
  }

  /** A pod that is gone takes its rules with it; while its netns still lives, they stay. */
  async function remove(key: string, signal: AbortSignal): Promise<Outcome> {
    standing.delete(key)
    const pod = localPods().get(key)?.pod
    if (pod === undefined) return DONE
    const located = await locator.locate(pod, signal)
    if (located.kind === 'unknown') return failed(`no network namespace found: ${located.reason}`)
    if (located.kind === 'absent') return DONE
    await using netns = located.netns
    const listed = await listTable(TABLE, { netns: netns.path, signal })
    switch (listed.kind) {
      case 'listed':
        // Awaited here: the namespace is held only until the function is left.
        return await write(netns, printNftables(undefined).transaction, signal)
      case 'absent':
        return DONE
      case 'netns-gone':
      case 'failed':
        return failed(listed.reason)
      default:
        return listed satisfies never
    }
  }

  /** Any pod of the node may hold a table that an earlier process left. */
  async function prune(desired: ReadonlySet<string>): Promise<readonly string[]> {
    return [...localPods().keys()].filter((key) => !desired.has(key))
  }

  return { update, delete: remove, prune }
}

async function stands(
  netns: OpenNetns,
  table: ListedTable | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const listed = await listTable(TABLE, { netns: netns.path, signal })
  if (listed.kind === 'absent') return table === undefined
  if (listed.kind !== 'listed' || table === undefined) return false
  return listed.listing.tables.some((each) => sameTable(each, table))
}

async function write(netns: OpenNetns, transaction: Transaction, signal: AbortSignal): Promise<Outcome> {
  const result = await run(transaction, { netns: netns.path, signal })
  return result.kind === 'done' ? DONE : failed(result.reason)
}

function failed(reason: string): Outcome {
  return { kind: 'failed', reason }
}
