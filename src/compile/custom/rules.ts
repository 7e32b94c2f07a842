/**
 * The operator's own rules, from the files that `--custom-v4-ingress-rule-file` and its three siblings name: what
 * they are once read, translated and checked. How that is done is in `watch/rule-files`; the files beside this one,
 * `custom-*.ts`, hold what is pure of it.
 */
import type { Statement } from 'nftables-json'
import type { Family } from '../address.ts'
import type { Direction } from '../model.ts'

export interface CustomRules {
  /** In the files' order, those of the v4 file before those of the v6 file. */
  readonly ingress: readonly CustomRule[]
  readonly egress: readonly CustomRule[]
}

export const NO_CUSTOM_RULES: CustomRules = { ingress: [], egress: [] }

/** One line of a rule file. */
export interface CustomRule {
  /** Packets of the other family never match. */
  readonly family: Family
  /** The file's path, as the flag gave it. */
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** As written, without blanks around it: printable ASCII, not too long. */
  readonly text: string
  /** Matches, limit, log, and a verdict or none; the family's match is among them, and no counter. */
  readonly statements: readonly Statement[]
  readonly iptables: IptablesForm
}

export type IptablesForm =
  /** Several where iptables has no one rule for it, such as for `tcp dport 22 log accept`; never none. */
  | { readonly kind: 'rules'; readonly rules: readonly IptablesRule[] }
  | { readonly kind: 'unsayable'; readonly reason: string }

/** Arguments of iptables or ip6tables, unquoted: `-A CHAIN`, the matches and the target make up the rule. */
export interface IptablesRule {
  readonly matches: readonly string[]
  /** `-j`, the target and its options; empty where the rule only counts. */
  readonly target: readonly string[]
}

/** What a flag names. */
export interface RuleFile {
  readonly direction: Direction
  readonly family: Family
  readonly path: string
}

/** The name of the flag that names such a file. */
export function ruleFileFlag({ direction, family }: Omit<RuleFile, 'path'>): string {
  return `--custom-v${family}-${direction}-rule-file`
}

/** What came of looking at a part of a line. The reason follows the part in a sentence: `is no port`. */
export type Judged<T> =
  | { readonly kind: 'taken'; readonly value: T }
  | { readonly kind: 'refused'; readonly reason: string }

export const taken = <T>(value: T): Judged<T> => ({ kind: 'taken', value })
export const refused = (reason: string): { readonly kind: 'refused'; readonly reason: string } => ({
  kind: 'refused',
  reason,
})

/** A part of a line in a reason: printable and short. */
export function quoted(part: string): string {
  const printable = part
    .slice(0, 60)
    .replaceAll(/[^\x20-\x7e]/g, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
  return `'${printable.length > 40 ? `${printable.slice(0, 37)}...` : printable}'`
}
