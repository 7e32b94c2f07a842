/** What the two processes say to each other: one job, then one answer, in order. */
import type { NetnsGone } from '../run.ts'
import type { Alike } from '../transaction.ts'
import type { Expected } from './expected.ts'
import type { Command } from './libnftables.ts'
import type { Learning, Unknown } from './replay.ts'

/** Without a netns it is done in the process's own. */
export type Job = { readonly netns?: string | undefined } & (Call | Again)

/** One call of libnftables. */
export type Call = Command & {
  /** What it sends is to be kept, for all that are like it. */
  readonly learn?: Alike | undefined
}

/** What it sent for one that was like it. */
export type Again = { readonly again: Alike; readonly expected: Expected }

export type Answer = Learning | Unknown | NetnsGone

/** The first thing that the worker says. */
export type Greeting = { readonly kind: 'ready' } | { readonly kind: 'unavailable'; readonly reason: string }
