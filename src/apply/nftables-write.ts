/**
 * Writes a pod's table: changes what stands (`compile/nftables-change`), where that is known or can be listed. If the kernel
 * refuses, something else stood: it is listed, and changed from there; and if that is refused too, the table is replaced.
 */
import type { ListedTable, Transaction } from 'nftables-json'
import { type RunResult, run } from 'nftables-json/run'
import { changeTable } from '../compile/nftables/change.ts'
import type { Printed } from '../compile/nftables/printer.ts'
import type { Found, Known, WriteOutcome } from './backend.ts'
import type { OpenNetns } from './netns/open-netns.ts'

/** Where a transaction is run. */
export interface Place {
  readonly netns: OpenNetns
  readonly signal: AbortSignal
  /** See `Known`. */
  readonly alone: boolean
}

/** Commits one transaction, or nothing of it; see `RunResult`. */
export type RunTransaction = (transaction: Transaction, place: Place) => Promise<RunResult>

/** By a process of nft, which the pod's own objects in its namespace cannot harm us by. */
export const runByProcess: RunTransaction = (transaction, { netns, signal }) =>
  run(transaction, { netns: netns.path, signal })

export interface TableWrite {
  readonly printed: Printed
  readonly netns: OpenNetns
  readonly signal: AbortSignal
  readonly known: Known<ListedTable> | undefined
  /** Tried first; what it fails at is done by a process. */
  readonly run: RunTransaction
  readonly read: (netns: OpenNetns, signal: AbortSignal) => Promise<Found<ListedTable>>
}

export async function writeTable({
  printed,
  netns,
  signal,
  known,
  run,
  read,
}: TableWrite): Promise<WriteOutcome> {
  const whole = [printed.transaction]
  const place = { netns, signal, alone: known?.alone ?? false }
  const found = printed.table === undefined ? undefined : (known?.found ?? (await read(netns, signal)))
  const first = await runAll(changeFrom(found, printed), place, run)
  if (first.kind === 'done' || isOver(first, run, signal)) return outcomeOf(first)
  const listed = printed.table === undefined ? undefined : await read(netns, signal)
  const second = await runAll(changeFrom(listed, printed), place, runByProcess)
  if (second.kind === 'done') return withCommits(first, second)
  if (second.kind !== 'refused') return outcomeOf(second)
  return withCommits(first, second, await runAll(whole, place, runByProcess))
}

/** What cannot be listed, or is not known, is replaced. */
function changeFrom(found: Found<ListedTable> | undefined, printed: Printed): readonly Transaction[] {
  if (found === undefined || found.kind === 'failed') return [printed.transaction]
  return changeTable(found.kind === 'listed' ? found.listed : undefined, printed)
}

type Ran = RunResult & {
  /** Transactions that the kernel has committed; undefined where that is not known. */
  readonly commits: number | undefined
}

/** One after the other, up to the first that is not done. */
async function runAll(transactions: readonly Transaction[], place: Place, run: RunTransaction): Promise<Ran> {
  let commits = 0
  for (const transaction of transactions) {
    const result = await run(transaction, place)
    if (result.kind !== 'done') return { ...result, commits: result.kind === 'failed' ? undefined : commits }
    commits += 1
  }
  return { kind: 'done', commits }
}

/** Whether there is no use in trying otherwise. */
function isOver({ kind }: Ran, run: RunTransaction, signal: AbortSignal): boolean {
  return signal.aborted || kind === 'netns-gone' || (kind === 'failed' && run === runByProcess)
}

function outcomeOf(ran: Ran): WriteOutcome {
  return ran.kind === 'done' ? { kind: 'done', commits: ran.commits } : { kind: 'failed', reason: ran.reason }
}

/** The outcome of the last, with the commits of all. */
function withCommits(...all: readonly [Ran, ...Ran[]]): WriteOutcome {
  const commits = all.reduce<number | undefined>(
    (sum, ran) => (sum === undefined || ran.commits === undefined ? undefined : sum + ran.commits),
    0,
  )
  return outcomeOf({ ...(all.at(-1) ?? all[0]), commits })
}
