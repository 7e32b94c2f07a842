/** What the two processes say to each other: one job, then one answer, in order. */
import type { Failed, NetnsGone } from '../run.ts'
import type { Command, Ran } from './libnftables.ts'

export type Job =
  /** One call of libnftables; without a netns in the process's own. */
  | ({ readonly kind: 'command'; readonly netns?: string | undefined } & Command)
  | { readonly kind: 'generations'; readonly netns: readonly (string | undefined)[] }

export type Answer =
  | Ran
  | { readonly kind: 'generations'; readonly results: readonly GenerationResult[] }
  | NetnsGone
  | Failed

/** The first thing that the worker says. */
export type Greeting = { readonly kind: 'ready' } | { readonly kind: 'unavailable'; readonly reason: string }

export type GenerationResult =
  /** Changes with each commit in that netns, whoever makes it; 32 bits, and starts over. */
  { readonly kind: 'generation'; readonly id: number } | NetnsGone | Failed
