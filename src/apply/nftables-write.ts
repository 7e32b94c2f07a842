/**
 * Writes a pod's table: changes what stands (`compile/nftables-change`), where that is known or can be listed. If the kernel
 * refuses, something else stood: it is listed, and changed from there; and if that is refused too, the table is replaced.
 */
import type { ListedTable, Transaction } from 'nftables-json'
import { FIRST_GENERATION } from 'nftables-json/netns'
import { run } from 'nftables-json/run'
import type { WorkerResult } from 'nftables-json/worker'
import { changeTable } from '../compile/nftables/change.ts'
import type { Printed } from '../compile/nftables/printer.ts'
import type { Expected, Found, WriteOutcome } from './backend.ts'
import type { OpenNetns } from './netns/open-netns.ts'

/** Where a transaction is run. */
export interface Place {
  readonly netns: OpenNetns
  readonly signal: AbortSignal
  /** See `Known`. */
  readonly alone: boolean
  readonly expected?: Expected | undefined
}

/** Commits one transaction, or nothing of it; see `WorkerResult`. */
export type RunTransaction = (transaction: Transaction, place: Place) => Promise<WorkerResult>

/** By a process of nft, which the pod's own objects in its namespace cannot harm us by. */
export const runByProcess: RunTransaction = async (transaction, { netns, signal, expected }) =>
  isAssumed(expected)
    ? { kind: 'moved', reason: 'nobody has looked' }
    : await run(transaction, { netns: netns.path, signal })

export interface TableWrite {
  readonly printed: Printed
  readonly netns: OpenNetns
  readonly signal: AbortSignal
  /** What is known to stand. */
  readonly stands?: Found<ListedTable> | Printed | undefined
  /** See `Known`. */
  readonly alone?: boolean | undefined
  readonly expected?: Expected | undefined
  /** Tried first; what it fails at is done by a process. */
  readonly run: RunTransaction
  readonly read: (netns: OpenNetns, signal: AbortSignal) => Promise<Found<ListedTable>>
}

export async function writeTable({
  printed,
  netns,
  signal,
  stands,
  alone = false,
  expected,
  run,
  read,
}: TableWrite): Promise<WriteOutcome> {
  const isTable = printed.body !== undefined
  const before = isTable ? (stands ?? (await read(netns, signal))) : undefined
  const first = await runAll(changeFrom(before, printed), { netns, signal, alone, expected }, run)
  if (['done', 'moved'].includes(first.kind) || isOver(first, run, signal)) return outcomeOf(first)
  // Whether it is the namespace that was meant nobody may have looked.
  if (isAssumed(expected)) return { kind: 'moved', commits: first.commits }
  const place = { netns, signal, alone }
  const listed = isTable ? await read(netns, signal) : undefined
  const second = await runAll(changeFrom(listed, printed), place, runByProcess)
  if (second.kind === 'done') return withCommits(first, second)
  if (second.kind !== 'refused') return outcomeOf(second)
  return withCommits(first, second, await runAll([printed.transaction], place, runByProcess))
}

/** What cannot be listed, or is not known, is replaced. */
function changeFrom(
  stands: Found<ListedTable> | Printed | undefined,
  printed: Printed,
): readonly Transaction[] {
  if (stands === undefined) return [printed.transaction]
  if (!('kind' in stands)) return changeTable(stands, printed)
  if (stands.kind === 'failed') return [printed.transaction]
  return changeTable(stands.kind === 'listed' ? stands.listed : undefined, printed)
}

type Ran = WorkerResult & {
  /** Transactions that the kernel has committed; undefined where that is not known. */
  readonly commits: number | undefined
}

/** One after the other, up to the first that is not done. */
async function runAll(transactions: readonly Transaction[], place: Place, run: RunTransaction): Promise<Ran> {
  let last: WorkerResult = { kind: 'done' }
  let commits = 0
  let { expected } = place
  for (const transaction of transactions) {
    last = await run(transaction, { ...place, expected })
    if (last.kind !== 'done') return { ...last, commits: last.kind === 'failed' ? undefined : commits }
    commits += 1
    if (expected === undefined) continue
    expected = expectedAfter(expected, last)
    if (expected === undefined) return { kind: 'moved', reason: 'it is not known where that was', commits }
  }
  return { ...last, commits }
}

/** If nobody else has changed anything meanwhile; undefined where it is not known. */
function expectedAfter(
  expected: Expected,
  { at }: Extract<WorkerResult, { kind: 'done' }>,
): Expected | undefined {
  if (typeof expected === 'object') return { ...expected, generation: expected.generation + 1 }
  return at && { cookie: at.cookie, generation: FIRST_GENERATION + 1, isAssumed: true }
}

function isAssumed(expected: Expected | undefined): boolean {
  return expected === 'untouched' || expected?.isAssumed === true
}

/** Whether there is no use in trying otherwise. */
function isOver({ kind }: Ran, run: RunTransaction, signal: AbortSignal): boolean {
  return signal.aborted || kind === 'netns-gone' || (kind === 'failed' && run === runByProcess)
}

function outcomeOf(ran: Ran): WriteOutcome {
  switch (ran.kind) {
    case 'done':
      return { kind: 'done', commits: ran.commits, at: ran.at }
    case 'moved':
      return { kind: 'moved', commits: ran.commits }
    default:
      return { kind: 'failed', reason: ran.reason }
  }
}

/** The outcome of the last, with the commits of all. */
function withCommits(...all: readonly [Ran, ...Ran[]]): WriteOutcome {
  const commits = all.reduce<number | undefined>(
    (sum, ran) => (sum === undefined || ran.commits === undefined ? undefined : sum + ran.commits),
    0,
  )
  return outcomeOf({ ...(all.at(-1) ?? all[0]), commits })
}
