/**
 * Governed interfaces in iptables' rules: how their packets are found, and what happens to them on the way.
 *
 *     -A INPUT -j MULTI-INGRESS
 *     -A MULTI-INGRESS -i net1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j RETURN
 *     -A MULTI-INGRESS -i net1 -g MULTI-INGRESS-COMMON
 *     -A MULTI-INGRESS-COMMON …                                        what passes whatever the policies say
 *     -A MULTI-INGRESS-COMMON -i net1 -g MULTI-IF0-INGRESS
 *     -A MULTI-IF0-INGRESS -s 10.1.0.2/32 -m comment --comment "blue/web ingress[0]" -g MULTI-0-INGRESS
 *     -A MULTI-IF0-INGRESS -m comment --comment "no policy allows it" -j DROP
 *     -A MULTI-0-INGRESS -m comment --comment "blue/web" -j RETURN
 *
 * A packet that is allowed goes on to the application's own rules; an ACCEPT would pass them by. RETURN leaves one chain
 * only, so there is just one jump, that from the hook: all other ways are gotos, and RETURN leads back to the hook from
 * anywhere. That is also why policies do not stand one after the other in chains of their own: each would be one goto
 * deeper than the one before, and nf_tables ends that at 16. So an interface's chain has the rules of all policies that
 * isolate it, and what one allows leads to the policy's chain and is counted there.
 *
 * Which replies pass is said in nftables/interface.ts. Those of doubly isolated interfaces go another way:
 *
 *     -A MULTI-INGRESS -i net1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -g MULTI-INGRESS-REPLIES
 *     -A MULTI-INGRESS-REPLIES -m addrtype ! --dst-type LOCAL --limit-iface-in -j RETURN
 *     -A MULTI-INGRESS-REPLIES -i net1 -g MULTI-IF0-INGRESS-REPLIES
 *     -A MULTI-IF0-INGRESS-REPLIES -s 10.1.0.2/32 -m comment --comment "blue/web egress[0]" -j RETURN
 *     -A MULTI-IF0-INGRESS-REPLIES -g MULTI-INGRESS-COMMON
 */
import { DROP_LOG_GROUP, DROP_LOG_RATE, dropLogPrefix } from '../drop-log.ts'
import type { Direction } from '../model.ts'
import type { Leg } from '../nftables/allow.ts'
import { fitComment } from '../nftables/comment.ts'
import { judgesReplies } from '../nftables/interface.ts'
import type { GovernedInterface, PolicyRules, Ruleset } from '../ruleset.ts'
import { printAllow } from './allow.ts'
import { printCommon, RETURN } from './common.ts'
import { hasCustom, printCustom } from './custom.ts'
import { matchesOf, type NamedInterface } from './match-interface.ts'
import { commonChain, customChain, hookedChain, interfaceChain, nextChain, policyChain } from './names.ts'
import { comment, type Words } from './rule.ts'
import type { FamilyTable } from './table.ts'

const IS_REPLY: Words = ['-m', 'conntrack', '--ctstate', 'ESTABLISHED', '--ctdir', 'REPLY']

/** The connection's end in the pod is no address of the interface that the reply comes in or goes out by. */
const NOT_OWN: Readonly<Record<Direction, Words>> = {
  ingress: ['-m', 'addrtype', '!', '--dst-type', 'LOCAL', '--limit-iface-in'],
  egress: ['-m', 'addrtype', '!', '--src-type', 'LOCAL', '--limit-iface-out'],
}

/** Adds all chains of one direction, which some interface is isolated in. */
export function printDirection(table: FamilyTable, ruleset: Ruleset, direction: Direction): void {
  const { matches, others } = matchesOf(ruleset, direction)
  const judged = matches.filter(({ governed }) => judgesReplies(governed))
  printHooked(table, direction, matches, others)
  for (const leg of legsOf(judged)) {
    printCommonChain(table, ruleset, direction, leg)
    const chain = printWayToPolicies(table, ruleset, direction, leg)
    for (const { place, match } of leg === 'original' ? matches : judged)
      table.addRule(chain, match, goTo(interfaceChain(place, direction, leg)))
  }
  for (const each of matches) {
    if (judgesReplies(each.governed)) printReplies(table, ruleset, each, direction)
    printOriginal(table, ruleset, each, direction)
  }
  for (const [place, { policy, allows }] of ruleset.policies.entries()) {
    if (allows[direction] === undefined) continue
    table.addChain(policyChain(place, direction))
    table.addRule(policyChain(place, direction), comment(fitComment(policy, '')), RETURN)
  }
}

function legsOf(judged: readonly NamedInterface[]): readonly Leg[] {
  return judged.length > 0 ? ['reply', 'original'] : ['original']
}

/** Interfaces that are not isolated go back to the application's rules at the chain's end. */
function printHooked(
  table: FamilyTable,
  direction: Direction,
  matches: readonly NamedInterface[],
  others: readonly Words[],
): void {
  const chain = hookedChain(direction)
  table.addChain(chain)
  const print = ({ match, governed }: NamedInterface): void => {
    const reply = judgesReplies(governed) ? goTo(commonChain(direction, 'reply')) : RETURN
    table.addRule(chain, match, IS_REPLY, reply)
    table.addRule(chain, match, goTo(commonChain(direction, 'original')))
  }
  for (const each of matches.filter(({ kind }) => kind === 'named')) print(each)
  for (const match of others) table.addRule(chain, match, RETURN)
  for (const each of matches.filter(({ kind }) => kind === 'begins-as')) print(each)
}

function printCommonChain(table: FamilyTable, ruleset: Ruleset, direction: Direction, leg: Leg): void {
  const chain = commonChain(direction, leg)
  table.addChain(chain)
  if (leg === 'reply')
    table.addRule(chain, NOT_OWN[direction], comment('opened on another interface'), RETURN)
  printCommon(table, ruleset.exemptions, direction, leg)
}

/** @returns the chain that finds the interface's: the common one, unless the operator's own rules come in between */
function printWayToPolicies(table: FamilyTable, ruleset: Ruleset, direction: Direction, leg: Leg): string {
  if (!hasCustom(ruleset, table, direction, leg)) return commonChain(direction, leg)
  table.addRule(commonChain(direction, leg), goTo(customChain(direction, leg)))
  printCustom(table, ruleset, direction, leg)
  table.addChain(nextChain(direction, leg))
  return nextChain(direction, leg)
}

function printOriginal(
  table: FamilyTable,
  ruleset: Ruleset,
  { place, governed, shared }: NamedInterface,
  direction: Direction,
): void {
  const chain = interfaceChain(place, direction, 'original')
  table.addChain(chain)
  if (!shared) printPolicies(table, ruleset, place, direction, chain, 'original')
  if (ruleset.logDrops) table.addRule(chain, ...logDrops(direction, governed.name))
  table.addRule(chain, comment('no policy allows it'), ['-j', 'DROP'])
}

/** A burst of 5 is what iptables takes where none is given, and what iptables-save leaves out. */
function logDrops(direction: Direction, name: string): readonly Words[] {
  const limit = ['-m', 'limit', '--limit', `${DROP_LOG_RATE.rate}/min`]
  const prefix = ['--nflog-prefix', dropLogPrefix(direction, name)]
  return [limit, comment('log of drops'), ['-j', 'NFLOG', ...prefix, '--nflog-group', String(DROP_LOG_GROUP)]]
}

/** By what the other direction's policies allow; a reply that is none of theirs is judged as any packet. */
function printReplies(
  table: FamilyTable,
  ruleset: Ruleset,
  { place, shared }: NamedInterface,
  direction: Direction,
): void {
  const chain = interfaceChain(place, direction, 'reply')
  table.addChain(chain)
  if (!shared)
    printPolicies(table, ruleset, place, direction === 'ingress' ? 'egress' : 'ingress', chain, 'reply')
  table.addRule(chain, goTo(commonChain(direction, 'original')))
}

function printPolicies(
  table: FamilyTable,
  ruleset: Ruleset,
  place: number,
  direction: Direction,
  chain: string,
  leg: Leg,
): void {
  const { allowedBy } = ruleset.interfaces[place] as GovernedInterface
  for (const policyPlace of allowedBy[direction]) {
    const { policy, allows } = ruleset.policies[policyPlace] as PolicyRules
    const verdict = leg === 'original' ? goTo(policyChain(policyPlace, direction)) : RETURN
    for (const allow of allows[direction] ?? []) {
      const text = comment(fitComment(policy, ` ${direction}[${allow.rule}]`))
      for (const matches of printAllow(table, direction, allow, leg))
        table.addRule(chain, matches, text, verdict)
    }
  }
}

function goTo(chain: string): Words {
  return ['-g', chain]
}
