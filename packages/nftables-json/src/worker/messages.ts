/** What the two processes say to each other: one job, then one answer, in order. */
import type { Failed, NetnsGone } from '../run.ts'
import type { Command, Moved, Ran } from './libnftables.ts'

/** One call of libnftables; without a netns in the process's own. */
export type Job = { readonly netns?: string | undefined } & Command

export type Answer = Ran | Moved | NetnsGone | Failed

/** The first thing that the worker says. */
export type Greeting = { readonly kind: 'ready' } | { readonly kind: 'unavailable'; readonly reason: string }
