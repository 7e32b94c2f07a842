/**
 * The nftables backend: a pod's ruleset in the pod's network namespace, written whole in one transaction.
 *
 * The kernel is the truth. What differs from what was written last is written at once; before anything is left alone as
 * being there already, the kernel is asked, since a namespace can be made anew under the same number, and rules can be
 * taken away. What an earlier process left stays, counters and all, if it is what should be there.
 */
import { type ListedTable, sameTable, type Transaction } from 'nftables-json'
import { listTable, run } from 'nftables-json/run'
import type { Compilation, PodTarget } from '../compile/compile.ts'
import { type NamespacedName, nameOf, type Pod } from '../compile/model.ts'
import {
  governedBy,
  isOwnedBy,
  type Printed,
  printNftables,
  type StandingNetworks,
  TABLE,
} from '../compile/nftables.ts'
import { mismatches, withdrawn } from './claims.ts'
import type { NetnsLocator } from './netns/locate.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import type { Outcome, Target } from './reconciler.ts'

export interface NftablesTargetOptions {
  readonly locator: NetnsLocator
  /** The pods of this node as last compiled, governed or not. */
  readonly compilation: () => Compilation
}

/** What we wrote last, and where. */
interface Written {
  readonly netns: string
  readonly digest: string
  readonly governed: ReadonlyMap<string, StandingNetworks>
  /** What the pod's annotation told when it was last held against the netns, and what was wrong with that. */
  readonly attachments: Pod['attachments'] | undefined
  readonly mismatch: string | undefined
}

const DONE: Outcome = { kind: 'done' }

export function nftablesTarget(options: NftablesTargetOptions): Target<PodTarget> {
  const written = new Map<string, Written>()

  async function update(key: string, { pod }: PodTarget, signal: AbortSignal): Promise<Outcome> {
    const located = await options.locator.locate(pod, signal)
    if (located.kind !== 'found') return failed(`no network namespace found: ${located.reason}`)
    await using netns = located.netns
    const known = written.get(key)?.netns === netns.id ? written.get(key) : undefined
    const found = known === undefined ? await readTable(netns, signal) : undefined
    const owner = otherOwner(found, nameOf(pod))
    if (owner !== undefined) return failed(owner)
    const lost = await withdrawn(known?.governed ?? governedBy(found?.table), pod, netns, signal)
    const printed = print(
      lost === undefined ? pod : { ...pod, attachments: [...pod.attachments, ...lost.attachments] },
    )
    const stood = found ?? (known?.digest === printed.digest ? await readTable(netns, signal) : undefined)
    if (!isThere(stood, printed)) {
      // From here on it is not known what stands, until nft says that all of it does.
      written.delete(key)
      const outcome = await write(netns, printed.transaction, signal)
      if (outcome.kind !== 'done') return outcome
    }
    const mismatch = await lookAt(pod, netns, known, printed.digest, signal)
    const { digest, table } = printed
    written.set(key, {
      netns: netns.id,
      digest,
      governed: governedBy(table),
      attachments: known?.digest === digest ? pod.attachments : undefined,
      mismatch,
    })
    const remark = [lost?.remark, mismatch].filter((each) => each !== undefined).join('; ')
    return remark === '' ? DONE : { kind: 'done', remark }
  }

  /**
   * What the annotation tells and the netns does not have. It costs a process, and rules go first: it is looked at when
   * the rules were there already, and again only when the annotation changed or was found wrong.
   */
  async function lookAt(
    pod: Pod,
    netns: OpenNetns,
    known: Written | undefined,
    digest: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const asBefore = known?.attachments === pod.attachments && known.mismatch === undefined
    if (known?.digest !== digest || asBefore) return known?.mismatch
    return await mismatches(options.compilation().rulesetOf(pod), pod, netns, signal)
  }

  /** A pod that is gone takes its rules with it; while its netns still lives, they stay. */
  async function remove(key: string, signal: AbortSignal): Promise<Outcome> {
    written.delete(key)
    const pod = options.compilation().targets.get(key as NamespacedName)?.pod
    if (pod === undefined) return DONE
    const located = await options.locator.locate(pod, signal)
    if (located.kind === 'unknown') return failed(`no network namespace found: ${located.reason}`)
    if (located.kind === 'absent') return DONE
    await using netns = located.netns
    const found = await readTable(netns, signal)
    if (found.kind === 'absent' || otherOwner(found, nameOf(pod)) !== undefined) return DONE
    if (found.kind === 'failed') return failed(found.reason)
    const lost = await withdrawn(governedBy(found.table), pod, netns, signal)
    const attachments = [...pod.attachments, ...(lost?.attachments ?? [])]
    const printed = print({ ...pod, attachments })
    if (isThere(found, printed)) return lost === undefined ? DONE : failed(lost.remark)
    // Awaited here: the namespace is held only until the function is left.
    const outcome = await write(netns, printed.transaction, signal)
    return outcome.kind === 'done' && lost !== undefined && printed.table !== undefined
      ? failed(lost.remark)
      : outcome
  }

  /** Any pod of the node may hold a table that an earlier process left. */
  async function prune(desired: ReadonlySet<string>): Promise<readonly string[]> {
    return [...options.compilation().targets.keys()].filter((key) => !desired.has(key))
  }

  /** By the policies of the moment, which may be newer than the wish that led here. */
  function print(pod: Pod): Printed {
    return printNftables(options.compilation().rulesetOf(pod))
  }

  /** Why the table is another pod's that is here still: whoever claims its namespace changes nothing for it. */
  function otherOwner(found: Found | undefined, pod: NamespacedName): string | undefined {
    const table = found?.table
    if (table === undefined || isOwnedBy(table, pod) !== false) return undefined
    const owner = [...options.compilation().targets.keys()].find((each) => isOwnedBy(table, each))
    return owner === undefined
      ? undefined
      : `its network namespace is that of pod ${owner}, whose rules stand there`
  }

  return { update, delete: remove, prune }
}

interface Found {
  readonly kind: 'listed' | 'absent' | 'failed'
  readonly table?: ListedTable | undefined
  /** Where it failed. */
  readonly reason: string
}

async function readTable(netns: OpenNetns, signal: AbortSignal): Promise<Found> {
  const listed = await listTable(TABLE, { netns: netns.path, signal })
  if (listed.kind === 'listed') return { kind: 'listed', table: listed.listing.tables[0], reason: '' }
  return listed.kind === 'absent' ? { ...listed, reason: '' } : { kind: 'failed', reason: listed.reason }
}

/** What cannot be listed is not there. */
function isThere(found: Found | undefined, { table }: Printed): boolean {
  if (table === undefined) return found?.kind === 'absent'
  return found?.table !== undefined && sameTable(found.table, table)
}

async function write(netns: OpenNetns, transaction: Transaction, signal: AbortSignal): Promise<Outcome> {
  const result = await run(transaction, { netns: netns.path, signal })
  return result.kind === 'done' ? DONE : failed(result.reason)
}

function failed(reason: string): Outcome {
  return { kind: 'failed', reason }
}
