/**
 * A rule of nft as rules of iptables, for lines in nft syntax where the iptables backend is in use. iptables has one
 * value where nft has a set, so a rule may become several, which say the same together; what it cannot say at all is
 * said to be so, never said otherwise.
 *
 *     icmpv6 type { 133, 134 } accept
 *     -p ipv6-icmp -m icmp6 --icmpv6-type 133 -j ACCEPT
 *     -p ipv6-icmp -m icmp6 --icmpv6-type 134 -j ACCEPT
 */
import type { Statement } from 'nftables-json'
import type { Family } from '../address.ts'
import { type Alternatives, iptablesMatch } from './iptables-match.ts'
import { iptablesProtocols } from './iptables-protocol.ts'
import { iptablesTargets } from './iptables-target.ts'
import type { IptablesForm, IptablesRule } from './rules.ts'

/** So many rules a line, and no more. */
const MOST_RULES = 64

/** @param statements as `checkStatements` gives them. */
export function toIptables(statements: readonly Statement[], family: Family): IptablesForm {
  const targets = iptablesTargets(statements, family)
  if (targets.kind === 'refused') return unsayable(targets.reason)
  const protocols = iptablesProtocols(statements)
  if (protocols.kind === 'refused') return unsayable(protocols.reason)
  const rules: IptablesRule[] = []
  for (const protocol of protocols.value.protocols) {
    const matches = matchesOf(protocols.value.rest, family, protocol)
    if (matches.kind === 'unsayable') return matches
    const first = protocol === undefined ? protocols.value.negated : ['-p', protocol]
    for (const words of matches.alternatives)
      for (const target of targets.value) rules.push({ matches: [...first, ...words], target })
    if (rules.length > MOST_RULES) return unsayable(`takes more than ${MOST_RULES} rules of iptables`)
  }
  if (rules.length > 1 && statements.some((statement) => 'limit' in statement))
    return unsayable('takes several rules of iptables, which would each have a limit of their own')
  return rules.length === 0 ? unsayable('matches nothing') : { kind: 'rules', rules }
}

/** Arguments as one line of `iptables-restore` after `-A CHAIN `. */
export function restoreText({ matches, target }: IptablesRule): string {
  return [...matches, ...target].map(restoreWord).join(' ')
}

function restoreWord(word: string): string {
  return /^[A-Za-z0-9_.,:/!+-]+$/.test(word) ? word : `"${word.replaceAll(/["\\]/g, '\\$&')}"`
}

const unsayable = (reason: string): { readonly kind: 'unsayable'; readonly reason: string } => ({
  kind: 'unsayable',
  reason,
})

type Matches =
  | { readonly kind: 'alternatives'; readonly alternatives: Alternatives }
  | { readonly kind: 'unsayable'; readonly reason: string }

/** Every combination of what each statement may become. */
function matchesOf(statements: readonly Statement[], family: Family, protocol: string | undefined): Matches {
  let alternatives: Alternatives = [[]]
  const used = new Set<string>()
  for (const statement of statements) {
    const next = iptablesMatch(statement, { family, protocol, used })
    if (next.kind === 'refused') return unsayable(next.reason)
    alternatives = alternatives.flatMap((words) => next.value.map((more) => [...words, ...more]))
    if (alternatives.length > MOST_RULES) return unsayable(`takes more than ${MOST_RULES} rules of iptables`)
  }
  return { kind: 'alternatives', alternatives }
}
