/**
 * The nftables printer: a pod's ruleset as one transaction that replaces the table `inet multi_networkpolicy`.
 *
 *     table inet multi_networkpolicy {
 *       set policy-0-ingress-0-pods-v4 { type ipv4_addr; elements = { 10.1.0.2 } }
 *       chain policy-0-ingress {
 *         ip saddr @policy-0-ingress-0-pods-v4 tcp dport 80 counter accept comment "blue/web ingress[0]"
 *       }
 *       chain common {
 *         ct state related meta l4proto { icmp, 58 } accept comment "errors of a tracked connection"
 *         …
 *       }
 *       chain interface-net1-ingress {
 *         ct direction reply ct state established accept
 *         jump common comment "shop/blue"
 *         jump policy-0-ingress comment "blue/web"
 *         counter drop comment "no policy allows it"
 *       }
 *       chain input {
 *         type filter hook input priority 0; policy accept;
 *         iifname "net1" goto interface-net1-ingress
 *         meta sdifname "net1" goto interface-net1-ingress
 *       }
 *       …
 *     }
 *
 * Chains come before what refers to them. The original direction of a connection is judged on every packet and only
 * replies take a short way (D3), so a connection that is no longer allowed stops. Packets that the pod forwards are
 * judged like its own: they use the governed interface too. `lo` is no governed interface, so a pod reaches itself.
 */
import { createHash } from 'node:crypto'
import {
  accept,
  anonymousSet,
  counter,
  ct,
  type ListedTable,
  match,
  meta,
  payload,
  return_,
  type TableHandle,
  Transaction,
} from 'nftables-json'
import { recordTexts } from '../governed-record.ts'
import { DIRECTIONS, type Direction, type NamespacedName } from '../model.ts'
import type { Exemptions, GovernedInterface, PolicyRules, Ruleset } from '../ruleset.ts'
import { type Leg, printAllow, printRange } from './allow.ts'
import { fitComment, MAX_COMMENT } from './comment.ts'
import { printCustom } from './custom.ts'
import {
  COMMON,
  judgesReplies,
  type KernelAbilities,
  networksText,
  policyChain,
  printHooks,
  printInterface,
} from './interface.ts'

export const TABLE = { family: 'inet', name: 'multi_networkpolicy' } as const

/** The chain that no hook leads to, whose rules say whose ruleset stands, and which version of it. */
export const DIGEST_CHAIN = 'mnpd'

export interface Printed {
  readonly transaction: Transaction
  /** What the kernel lists once the transaction is done; undefined: no table of ours. */
  readonly table: ListedTable | undefined
  /** 32 hex digits of the SHA-256 of the transaction less the rule that carries them. */
  readonly digest: string
}

/** @param ruleset undefined for a pod that no policy governs, whose netns holds no table of ours. */
export function printNftables(
  ruleset: Ruleset | undefined,
  kernel: KernelAbilities = { slaves: true },
): Printed {
  const transaction = new Transaction()
  if (ruleset === undefined) {
    transaction.deleteTable(TABLE)
    return { transaction, table: undefined, digest: digestOf(transaction) }
  }
  const table = transaction.replaceTable(TABLE)
  const legs: readonly Leg[] = ruleset.interfaces.some(judgesReplies) ? ['original', 'reply'] : ['original']
  for (const [place, policy] of ruleset.policies.entries()) {
    for (const direction of DIRECTIONS) printPolicy(table, place, policy, direction, legs)
  }
  for (const leg of legs) printCommon(table, ruleset.exemptions, leg)
  printCustom(table, ruleset, legs)
  for (const governed of ruleset.interfaces) {
    for (const direction of DIRECTIONS) printInterface(table, ruleset, governed, direction, kernel)
  }
  printHooks(table, ruleset, kernel)
  const digest = digestOf(transaction)
  table.addChain({ name: DIGEST_CHAIN })
  table.addRule(DIGEST_CHAIN, [return_], ownerText(ruleset.pod))
  table.addRule(DIGEST_CHAIN, [return_], `mnpd ${digest}`)
  for (const text of ruleset.interfaces.filter(isTooLong).flatMap(recordTexts))
    table.addRule(DIGEST_CHAIN, [return_], text)
  return { transaction, table: table.contents, digest }
}

/** For the comment at the interface's rules. */
function isTooLong({ networks }: GovernedInterface): boolean {
  return networksText(networks).length > MAX_COMMENT
}

function printPolicy(
  table: TableHandle,
  place: number,
  { policy, allows }: PolicyRules,
  direction: Direction,
  legs: readonly Leg[],
): void {
  const printed = allows[direction]?.map((allow) => ({
    rules: printAllow(table, `policy-${place}-${direction}-${allow.rule}`, direction, allow),
    comment: fitComment(policy, ` ${direction}[${allow.rule}]`),
  }))
  if (printed === undefined) return
  for (const leg of legs) {
    const chain = policyChain(place, direction, leg)
    table.addChain({ name: chain })
    for (const { rules, comment } of printed) {
      for (const matches of rules[leg]) table.addRule(chain, [...matches, counter(), accept], comment)
    }
  }
}

/** What passes whatever the policies say (D4), and errors (D3). To replies only what is said of addresses matters. */
function printCommon(table: TableHandle, exemptions: Exemptions, leg: Leg): void {
  const chain = COMMON[leg]
  table.addChain({ name: chain })
  if (leg === 'original') printDiscovery(table, chain, exemptions)
  const [source, destination] =
    leg === 'original' ? (['saddr', 'daddr'] as const) : (['daddr', 'saddr'] as const)
  printPrefixes(table, chain, source, exemptions.ipv6Sources, '--allow-ipv6-src-prefix')
  printPrefixes(table, chain, destination, exemptions.ipv6Destinations, '--allow-ipv6-dst-prefix')
}

function printDiscovery(table: TableHandle, chain: string, exemptions: Exemptions): void {
  const icmpv6 = payload('icmpv6', 'type')
  table.addRule(
    chain,
    [
      match(ct('state'), 'related', 'in'),
      match(meta('l4proto'), anonymousSet(['icmp', 'ipv6-icmp'])),
      accept,
    ],
    'errors of a tracked connection',
  )
  table.addRule(
    chain,
    [match(icmpv6, anonymousSet([133, 134, 135, 136])), match(payload('ip6', 'hoplimit'), 255), accept],
    'neighbour and router discovery',
  )
  table.addRule(
    chain,
    [match(icmpv6, anonymousSet([130, 131, 132, 143])), match(payload('ip6', 'hoplimit'), 1), accept],
    'multicast listener reports',
  )
  if (exemptions.icmp) table.addRule(chain, [match(meta('l4proto'), 'icmp'), accept], '--accept-icmp')
  if (exemptions.icmpv6)
    table.addRule(chain, [match(meta('l4proto'), 'ipv6-icmp'), accept], '--accept-icmpv6')
}

function printPrefixes(
  table: TableHandle,
  chain: string,
  field: 'saddr' | 'daddr',
  ranges: Exemptions['ipv6Sources'],
  flag: string,
): void {
  for (const range of ranges)
    table.addRule(chain, [match(payload('ip6', field), printRange(range)), accept], flag)
}

/** The comment that says whose table it is. */
export function ownerText(pod: NamespacedName): string {
  return fitComment(`pod ${pod}`, '')
}

function digestOf(transaction: Transaction): string {
  return createHash('sha256').update(JSON.stringify(transaction)).digest('hex').slice(0, 32)
}
