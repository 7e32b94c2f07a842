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
import { type ListedTable, return_, Transaction, tablePart } from 'nftables-json'
import { digestOf } from '../digest.ts'
import { recordTexts } from '../governed-record.ts'
import { DIRECTIONS, type NamespacedName } from '../model.ts'
import type { GovernedInterface, Ruleset } from '../ruleset.ts'
import type { Leg } from './allow.ts'
import { fitComment, MAX_COMMENT } from './comment.ts'
import { commonPart } from './common.ts'
import { customPart } from './custom.ts'
import { judgesReplies, type KernelAbilities, networksText, printHooks, printInterface } from './interface.ts'
import { keptPart, type PrintedPart } from './part.ts'
import { policyPart } from './policy.ts'
import { DIGEST_CHAIN, TABLE } from './table.ts'

export interface Printed {
  readonly transaction: Transaction
  /** What the kernel lists once the transaction is done; undefined: no table of ours. */
  readonly table: ListedTable | undefined
  /** 32 hex digits that tell the transaction, less the rules that carry them and the pod's name, from others. */
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
    return { transaction, table: undefined, digest: digestOf('') }
  }
  const { part, digest } = bodyOf(ruleset, kernel)
  const table = transaction.replaceTable(TABLE)
  table.addPart(part)
  table.addChain({ name: DIGEST_CHAIN })
  table.addRule(DIGEST_CHAIN, [return_], ownerText(ruleset.pod))
  table.addRule(DIGEST_CHAIN, [return_], `mnpd ${digest}`)
  for (const text of ruleset.interfaces.filter(isTooLong).flatMap(recordTexts))
    table.addRule(DIGEST_CHAIN, [return_], text)
  return { transaction, table: table.contents, digest }
}

/** All but who has it; pods of a kind have the same. */
function bodyOf(ruleset: Ruleset, kernel: KernelAbilities): PrintedPart {
  const { interfaces, ungoverned, logDrops } = ruleset
  const legs: readonly Leg[] = interfaces.some(judgesReplies) ? ['original', 'reply'] : ['original']
  const parts = [
    ...ruleset.policies.map((policy, place) => policyPart(policy, legs, place)),
    commonPart(ruleset.exemptions, legs),
    customPart(ruleset.custom, legs),
  ]
  const digests = parts.map((part) => part.digest)
  const names = ruleset.policies.map(({ policy }) => policy)
  const asked = [...digests, JSON.stringify([names, interfaces, ungoverned, logDrops, kernel])]
  return keptPart(digestOf(asked.join('\n')), () => {
    const part = tablePart(TABLE, (table) => {
      for (const each of parts) table.addPart(each.part)
      for (const governed of interfaces) {
        for (const direction of DIRECTIONS) printInterface(table, ruleset, governed, direction, kernel)
      }
      printHooks(table, ruleset, kernel)
    })
    const count = parts.reduce((sum, each) => sum + each.part.commands.length, 0)
    const rest = JSON.stringify(part.commands.slice(count))
    const size = parts.reduce((sum, each) => sum + each.size, rest.length)
    return { part, digest: digestOf([...digests, rest].join('\n')), size }
  })
}

/** For the comment at the interface's rules. */
function isTooLong({ networks }: GovernedInterface): boolean {
  return networksText(networks).length > MAX_COMMENT
}

/** The comment that says whose table it is. */
export function ownerText(pod: NamespacedName): string {
  return fitComment(`pod ${pod}`, '')
}
