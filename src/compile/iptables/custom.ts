/**
 * The operator's own rules as iptables': a chain for each direction that has any, between what always passes and what the
 * policies say; and, for replies that are judged, the same rules with the ends exchanged, see nftables/custom.ts.
 *
 *     -A MULTI-INGRESS-CUSTOM -p tcp --dport 22 -m comment --comment "custom-v4-ingress.txt:3" -j RETURN
 *     -A MULTI-INGRESS-CUSTOM -s 10.9.0.0/16 -m comment --comment "custom-v4-ingress.txt:4" -g MULTI-INGRESS-NEXT
 *
 * What such a rule accepts goes on to the application's own rules; what it returns goes on to the policies.
 */
import { toIptables } from '../custom/iptables.ts'
import { mirrored } from '../custom/mirror.ts'
import { customRuleComment } from '../custom/print.ts'
import type { CustomRule, IptablesRule } from '../custom/rules.ts'
import type { Direction } from '../model.ts'
import type { Leg } from '../nftables/allow.ts'
import type { Ruleset } from '../ruleset.ts'
import { RETURN } from './common.ts'
import { customChain, nextChain } from './names.ts'
import { comment, type Words } from './rule.ts'
import type { FamilyTable } from './table.ts'

/** Whether packets of that leg in that direction meet custom rules: replies those of the other direction. */
export function hasCustom(
  { custom }: Ruleset,
  { family }: FamilyTable,
  direction: Direction,
  leg: Leg,
): boolean {
  return custom[askedOf(direction, leg)].some((rule) => rule.family === family)
}

/** Adds the chain, which ends where the policies' chains are found. */
export function printCustom(table: FamilyTable, ruleset: Ruleset, direction: Direction, leg: Leg): void {
  const chain = customChain(direction, leg)
  const goOn: Words = ['-g', nextChain(direction, leg)]
  table.addChain(chain)
  for (const rule of ruleset.custom[askedOf(direction, leg)]) {
    if (rule.family !== table.family) continue
    for (const { matches, target } of leg === 'original' ? formOf(rule) : repliesOf(rule)) {
      const verdict = target[1] === 'ACCEPT' ? RETURN : target[1] === 'RETURN' ? goOn : target
      table.addRule(chain, withoutComments(matches), comment(customRuleComment(rule)), verdict)
    }
  }
  table.addRule(chain, goOn)
}

function askedOf(direction: Direction, leg: Leg): Direction {
  if (leg === 'original') return direction
  return direction === 'ingress' ? 'egress' : 'ingress'
}

/** Where a line cannot be said, an Issue has told so, and it is none. */
function formOf({ iptables }: CustomRule): readonly IptablesRule[] {
  return iptables.kind === 'rules' ? iptables.rules : []
}

/** A rule whose replies cannot be told must not break them: where it accepts, all replies pass from there on. */
function repliesOf(rule: CustomRule): readonly IptablesRule[] {
  if (rule.iptables.kind === 'unsayable') return []
  const accepts = rule.statements.some((statement) => 'accept' in statement)
  const turned = mirrored(rule)
  if (turned?.states !== undefined && !accepts && !turned.states.includes('established')) return []
  const form = turned && toIptables(turned.statements, rule.family)
  if (form?.kind === 'rules') return form.rules
  return accepts ? [{ matches: [], target: ['-j', 'ACCEPT'] }] : []
}

/** A rule has one comment: where it is from. */
function withoutComments(matches: Words): Words {
  const at = matches.indexOf('--comment')
  if (at < 0) return matches
  const rest = [...matches.slice(0, at), ...matches.slice(at + 2)]
  return withoutComments(
    rest.filter(
      (word, index) =>
        !(word === 'comment' && rest[index - 1] === '-m') &&
        !(word === '-m' && rest[index + 1] === 'comment'),
    ),
  )
}
