/** What was written into a pod's namespace last, as it is remembered until the next look there. */
import type { Pod } from '../compile/model.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import type { Governed, WriteOutcome } from './backend.ts'
import type { KernelView } from './netns/kernel.ts'
import type { OpenNetns } from './netns/open-netns.ts'

export interface Written {
  /** See `instanceOf`. */
  readonly instance: string
  readonly digest: string
  readonly governed: Governed
  /** The generation in which all that stood, as the kernel listed it, or we changed it and nobody else did. */
  readonly generation: number | undefined
  /** Until when that need not be listed again, in ms of the target's clock. */
  readonly listBy: number
  /** What was written, or listed as being there, and the generation in which it surely stood. */
  readonly ruleset: Ruleset | undefined
  readonly stood: number | undefined
  /** Whether nothing of others was there by then. */
  readonly alone: boolean
  /** The generation in which something of others was seen there. */
  readonly crowded: number | undefined
  /** What the pod's annotation told when it was last held against the netns, and what was wrong with that. */
  readonly attachments: Pod['attachments'] | undefined
  readonly mismatch: string | undefined
}

/** By the pod's key. */
export type WrittenByPod = Map<string, Written>

/**
 * Whether the kernel was seen to list what is known in just that generation, and not too long ago.
 * @param now ms of the target's clock
 */
export function isAsSeen(
  known: Written | undefined,
  generation: number | undefined,
  now: number,
): known is Written {
  return generation !== undefined && known?.generation === generation && now < known.listBy
}

/**
 * The generation is a number of 32 bits: root in the pod can have it come round, with some 100,000 commits a second, in half a
 * day, and rules that were changed meanwhile would be taken for ours. So long before, all is listed again.
 */
const LISTED_MS = 3_600_000

/**
 * For what was listed or written whole just now. Pods that were written together are not to be listed together.
 * @param random at least 0, below 1
 */
export function listByOf(now: number, random: number): number {
  return now + LISTED_MS * (1 - random / 2)
}

/** Whether nobody has changed anything since. */
export function isAsLeft({ stood }: Written, generation: number | undefined): boolean {
  return stood !== undefined && stood === generation
}

/** The generation by now, if nobody else has changed anything since the one of before. */
export function stoodAfter(
  netns: OpenNetns,
  before: number | undefined,
  { commits, at }: Extract<WriteOutcome, { kind: 'done' }>,
  kernel: KernelView | undefined,
): number | undefined {
  if (before === undefined || commits === undefined) return undefined
  const now = at?.generation ?? kernel?.generation(netns)
  return now === before + commits ? now : undefined
}
