/**
 * The nftables backend: a pod's ruleset in the pod's network namespace, written whole in one transaction.
 *
 * What was written is remembered by namespace and digest, so that nothing is written twice; what an earlier process
 * left is read back first and stays, counters and all, if it is what should be there.
 */
import { type ListedTable, sameTable, type Transaction } from 'nftables-json'
import { listTable, run } from 'nftables-json/run'
import type { PodTarget } from '../compile/compile.ts'
import type { Pod } from '../compile/model.ts'
import { governedBy, printNftables, TABLE } from '../compile/nftables.ts'
import { mismatches, withdrawn } from './claims.ts'
import type { NetnsLocator } from './netns/locate.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import type { Outcome, Target } from './reconciler.ts'

export interface NftablesTargetOptions {
  readonly locator: NetnsLocator
  /** The pods of this node as they are now, governed or not. */
  readonly localPods: () => ReadonlyMap<string, PodTarget>
}

/** What we know to stand in a pod's netns. */
interface Standing {
  readonly netns: string
  readonly digest: string
  /** See `governedBy`. */
  readonly governed: ReadonlyMap<string, string>
  /** What the pod's annotation told when it was last held against the netns, and what was wrong with that. */
  readonly attachments: Pod['attachments']
  readonly remark: string | undefined
}

const DONE: Outcome = { kind: 'done' }

export function nftablesTarget({ locator, localPods }: NftablesTargetOptions): Target<PodTarget> {
  const known = new Map<string, Standing>()

  async function update(key: string, { pod, ruleset }: PodTarget, signal: AbortSignal): Promise<Outcome> {
    const located = await locator.locate(pod, signal)
    if (located.kind !== 'found') return failed(`no network namespace found: ${located.reason}`)
    await using netns = located.netns
    const { transaction, table, digest } = printNftables(ruleset)
    const before = known.get(key)?.netns === netns.id ? known.get(key) : undefined
    const same = before?.digest === digest
    const told = before?.attachments === pod.attachments && before.remark === undefined
    if (same && told) return DONE
    // What cannot be listed is written over.
    const found = before === undefined ? await readTable(netns, signal) : undefined
    const standing = found?.kind === 'listed' ? found.table : undefined
    const kept = await withdrawn(before?.governed ?? governedBy(standing), pod, netns, signal)
    if (kept !== undefined) return failed(kept)
    const stands = same || (standing !== undefined && table !== undefined && sameTable(standing, table))
    const outcome = stands ? DONE : await write(netns, transaction, signal)
    if (outcome.kind !== 'done') return outcome
    const remark = told ? undefined : await mismatches(ruleset, pod, netns, signal)
    known.set(key, {
      netns: netns.id,
      digest,
      governed: governedBy(table),
      attachments: pod.attachments,
      remark,
    })
    return remark === undefined ? DONE : { kind: 'done', remark }
  }

  /** A pod that is gone takes its rules with it; while its netns still lives, they stay. */
  async function remove(key: string, signal: AbortSignal): Promise<Outcome> {
    known.delete(key)
    const pod = localPods().get(key)?.pod
    if (pod === undefined) return DONE
    const located = await locator.locate(pod, signal)
    if (located.kind === 'unknown') return failed(`no network namespace found: ${located.reason}`)
    if (located.kind === 'absent') return DONE
    await using netns = located.netns
    const found = await readTable(netns, signal)
    if (found.kind === 'absent') return DONE
    if (found.kind === 'failed') return failed(found.reason)
    const kept = await withdrawn(governedBy(found.table), pod, netns, signal)
    if (kept !== undefined) return failed(kept)
    // Awaited here: the namespace is held only until the function is left.
    return await write(netns, printNftables(undefined).transaction, signal)
  }

  /** Any pod of the node may hold a table that an earlier process left. */
  async function prune(desired: ReadonlySet<string>): Promise<readonly string[]> {
    return [...localPods().keys()].filter((key) => !desired.has(key))
  }

  return { update, delete: remove, prune }
}

type Found =
  | { readonly kind: 'listed'; readonly table: ListedTable | undefined }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly reason: string }

async function readTable(netns: OpenNetns, signal: AbortSignal): Promise<Found> {
  const listed = await listTable(TABLE, { netns: netns.path, signal })
  if (listed.kind === 'listed') return { kind: 'listed', table: listed.listing.tables[0] }
  return listed.kind === 'absent' ? listed : { kind: 'failed', reason: listed.reason }
}

async function write(netns: OpenNetns, transaction: Transaction, signal: AbortSignal): Promise<Outcome> {
  const result = await run(transaction, { netns: netns.path, signal })
  return result.kind === 'done' ? DONE : failed(result.reason)
}

function failed(reason: string): Outcome {
  return { kind: 'failed', reason }
}
