/**
 * Writing without a look: what most likely stands is assumed, and the one who writes holds it against the kernel in the same
 * step. Of a pod that was written to it is what was written last; of any other, that nobody has ever filtered packets in its
 * namespace. Where that is not so nothing is written, and the target looks.
 */
import { FIRST_GENERATION } from 'nftables-json/netns'
import type { Pod } from '../compile/model.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import type { Backend, Known } from './backend.ts'
import { withdrawn } from './claims.ts'
import type { DropLog } from './drop-log.ts'
import { cookieOf, instanceBy } from './netns/instance.ts'
import type { KernelView } from './netns/kernel.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import type { Outcome } from './reconciler.ts'
import { stoodAfter, type Written, type WrittenByPod } from './written.ts'

export interface AssumedWriteOptions<Listed> {
  readonly backend: Backend<Listed>
  readonly written: WrittenByPod
  readonly kernel?: KernelView | undefined
  readonly dropLog?: DropLog | undefined
  /** Told of each pod in which other rules stand now than before, or may. */
  readonly changed?: (key: string) => void
  /** See `Written`; of what is written now. */
  readonly listBy: () => number
}

/** What is assumed, in the words of `Printed.write`, and the generation that goes with it. */
interface Assumed<Listed> {
  readonly known: Known<Listed>
  readonly generation: number
}

type Done = Extract<Outcome, { kind: 'done' }>
type Failure = Extract<Outcome, { kind: 'failed' }>

/** @returns undefined where nothing can be assumed, or it was not so */
export async function writeAssumed<Listed>(
  options: AssumedWriteOptions<Listed>,
  key: string,
  pod: Pod,
  ruleset: Ruleset | undefined,
  netns: OpenNetns,
  signal: AbortSignal,
): Promise<Done | Failure | undefined> {
  const { backend, written, kernel, dropLog } = options
  const before = written.get(key)
  if (backend.checks !== true || ruleset === before?.ruleset) return undefined
  const assumed = before === undefined ? UNTOUCHED : await asWritten(before, options, { pod, netns, signal })
  if (assumed === undefined) return undefined
  const printed = backend.print(ruleset)
  if (printed.digest === before?.digest) return undefined
  // From here on it is not known what stands, until the backend says that all of it does, or nothing.
  written.delete(key)
  const outcome = await printed.write(netns, signal, { ...assumed.known, alone: true })
  if (outcome.kind === 'failed') return outcome
  if (outcome.kind === 'moved') {
    if (before !== undefined && outcome.commits === 0) written.set(key, before)
    return undefined
  }
  options.changed?.(key)
  dropLog?.set(key, ruleset?.logDrops === true ? { netns, ruleset } : undefined)
  const instance = before?.instance ?? (outcome.at && instanceBy(outcome.at.cookie, netns))
  const stood = stoodAfter(netns, assumed.generation, outcome, kernel)
  const { digest, governed } = printed
  const mismatch = before?.mismatch
  if (instance !== undefined)
    written.set(key, {
      ...{ instance, digest, governed, ruleset, generation: stood, stood, mismatch },
      ...{ alone: true, crowded: undefined, attachments: undefined },
      // What others changed before is not seen by this.
      listBy: before?.listBy ?? options.listBy(),
    })
  return mismatch === undefined ? { kind: 'done' } : { kind: 'done', remark: mismatch }
}

const UNTOUCHED: Assumed<never> = {
  known: { found: { kind: 'absent' }, expected: 'untouched' },
  generation: FIRST_GENERATION,
}

async function asWritten<Listed>(
  before: Written,
  { backend }: AssumedWriteOptions<Listed>,
  { pod, netns, signal }: { readonly pod: Pod; readonly netns: OpenNetns; readonly signal: AbortSignal },
): Promise<Assumed<Listed> | undefined> {
  const { stood: generation } = before
  const cookie = cookieOf(before.instance)
  if (!before.alone || generation === undefined || cookie === undefined) return undefined
  if ((await withdrawn(before.governed, pod, netns, signal)) !== undefined) return undefined
  const stands = backend.print(before.ruleset)
  return { known: { stands, expected: { cookie, generation, isAssumed: true } }, generation }
}
