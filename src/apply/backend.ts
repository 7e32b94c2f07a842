/**
 * How one kind of rules stands in a network namespace: what `netns-target` needs of nftables and of iptables, and all that
 * differs between them.
 */
import type { At } from 'nftables-json/worker'
import type { StandingNetworks } from '../compile/governed-record.ts'
import type { NamespacedName } from '../compile/model.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import type { Outcome } from './reconciler.ts'

/** @typeParam Listed the rules of ours as the kernel lists them. */
export interface Backend<Listed> {
  readonly name: 'nftables' | 'iptables'
  /** @param ruleset undefined for a pod that no policy governs, in which nothing of ours should stand */
  print(ruleset: Ruleset | undefined): Printed<Listed>
  /** What stands of ours, or of the existing daemons under the same names. */
  read(netns: OpenNetns, signal: AbortSignal): Promise<Found<Listed>>
  /** Whether what stands says that it is the pod's; undefined where it says nothing of that. */
  isOwnedBy(listed: Listed, pod: NamespacedName): boolean | undefined
  governedBy(listed: Listed): Governed
  /** Rules in one spelling, a line each: the same where `isThere` says so. */
  lines(listed: Listed): readonly string[]
  /** How often each rule that counts has met a packet. */
  counters(listed: Listed): readonly RuleCounter[]
  /** What stands, as files by their ending: as the kernel's own tool prints it, and what `parseDump` needs. */
  dump(netns: OpenNetns, signal: AbortSignal): Promise<Dumped>
  /** The rules in the files of a dump; undefined where there are none. @throws Error where they cannot be read */
  parseDump(files: ReadonlyMap<string, string>): Listed | undefined
  /** Whether `write` itself can hold what is expected against the kernel. */
  readonly checks?: boolean
  /** Whether no table of others is there; only where rules of every kind that counts would be seen. */
  isAlone?(netns: OpenNetns, signal: AbortSignal): Promise<boolean>
  /** Takes away all that is ours or of the existing daemon of this kind. */
  clear(netns: OpenNetns, signal: AbortSignal): Promise<Cleared>
}

export type Dumped =
  | { readonly kind: 'dumped'; readonly files: ReadonlyMap<string, string> }
  | { readonly kind: 'failed'; readonly reason: string }

export interface RuleCounter {
  /** What the rule's comment says: `ns/policy ingress[0]`, or that no policy allows it. */
  readonly rule: string
  /** The chain that it is in. */
  readonly chain: string
  readonly packets: number
  readonly bytes: number
}

export type Cleared =
  /** What was there, in words; empty where there was nothing. */
  | { readonly kind: 'cleared'; readonly what: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: string }

/** A ruleset as one backend has it. */
export interface Printed<Listed> {
  /** Differs where what is to stand differs. */
  readonly digest: string
  readonly governed: Governed
  /** See `Backend.lines`. */
  lines(): readonly string[]
  /** What `write` gives to the kernel's tool, by the ending of the file that it would be. */
  texts(): ReadonlyMap<string, string>
  /** Whether the kernel lists just that. What could not be listed is not there. */
  isThere(found: Found<Listed>): boolean
  /** From what stands, whatever it is, to this, with no moment in between. */
  write(netns: OpenNetns, signal: AbortSignal, known?: Known<Listed>): Promise<WriteOutcome>
}

/** What may be told to `write`. */
export interface Known<Listed> {
  /** What stands, where it was read, or was printed by this backend: one of the two. */
  readonly found?: Found<Listed> | undefined
  readonly stands?: Printed<Listed> | undefined
  /** Whether nothing of others is to be met there: nobody else has ever changed rules, or it was looked since. */
  readonly alone?: boolean
  /** Where that is so. Whoever can tell, right before it writes, writes nothing elsewhere. */
  readonly expected?: Expected | undefined
}

export type Expected =
  /** A namespace as it was known. */
  | (At & {
      /** Nobody has looked by now: who cannot tell writes nothing either. */
      readonly isAssumed: boolean
    })
  /** Nobody has ever filtered packets there, nor are there connections; nobody has looked. */
  | 'untouched'

export type WriteOutcome =
  | {
      readonly kind: 'done'
      /** By how much the generation has grown, where that is certain. */
      readonly commits?: number | undefined
      /** Where it was, by now, where that is known without another look. */
      readonly at?: At | undefined
    }
  /** It was not as expected: nothing was written, but for `commits` transactions of several, where that is certain. */
  | { readonly kind: 'moved'; readonly commits: number | undefined }
  | Extract<Outcome, { kind: 'failed' }>

export type Found<Listed> =
  | { readonly kind: 'listed'; readonly listed: Listed }
  | { readonly kind: 'absent' }
  /** `tooLarge`: somebody else has made it larger than our rules can be. */
  | { readonly kind: 'failed'; readonly reason: string; readonly tooLarge?: boolean }

/** The interfaces that rules govern, and the networks that each was told to be on. */
export type Governed = ReadonlyMap<string, StandingNetworks>
