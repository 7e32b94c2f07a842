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
import { once } from '../once.ts'
import type { GovernedInterface, Ruleset } from '../ruleset.ts'
import type { Leg } from './allow.ts'
import { fitComment, MAX_COMMENT } from './comment.ts'
import { commonPart } from './common.ts'
import { customPart } from './custom.ts'
import { judgesReplies, type KernelAbilities, networksText, printHooks, printInterface } from './interface.ts'
import { keptPart, type PrintedPart } from './part.ts'
import { policyPart } from './policy.ts'
import { DIGEST_CHAIN, TABLE } from './table.ts'

/** Its properties are worked out when they are asked for: a change of what stands needs neither of the first two. */
export interface Printed {
  readonly transaction: Transaction
  /** What the kernel lists once the transaction is done; undefined: no table of ours. */
  readonly table: ListedTable | undefined
  /** 32 hex digits that tell the transaction, less the rules that carry them and the pod's name, from others. */
  readonly digest: string
  /** All of the table but the digest chain; for as long as it is kept, the same object for all pods that have the same. */
  readonly body: PrintedPart | undefined
  /** The comments of the rules of the digest chain. */
  readonly says: readonly string[]
}

/** Of a pod that is governed. */
export type PrintedTable = Printed & { readonly body: PrintedPart }

const ALL_ABILITIES: KernelAbilities = { slaves: true }

/** @param ruleset undefined for a pod that no policy governs, whose netns holds no table of ours. */
export function printNftables(
  ruleset: Ruleset | undefined,
  kernel: KernelAbilities = ALL_ABILITIES,
): Printed {
  if (ruleset === undefined) return new Print(undefined, [])
  const body = bodyOf(ruleset, kernel)
  const records = ruleset.interfaces.filter(isTooLong).flatMap(recordTexts)
  return new Print(body, [ownerText(ruleset.pod), `mnpd ${body.digest}`, ...records])
}

class Print implements Printed {
  readonly body: PrintedPart | undefined
  readonly says: readonly string[]
  #whole: Pick<Printed, 'transaction' | 'table'> | undefined

  constructor(body: PrintedPart | undefined, says: readonly string[]) {
    this.body = body
    this.says = says
  }

  get digest(): string {
    return this.body?.digest ?? digestOf('')
  }

  get transaction(): Transaction {
    this.#whole ??= this.#build()
    return this.#whole.transaction
  }

  get table(): ListedTable | undefined {
    this.#whole ??= this.#build()
    return this.#whole.table
  }

  #build(): Pick<Printed, 'transaction' | 'table'> {
    const transaction = new Transaction()
    if (this.body === undefined) {
      transaction.deleteTable(TABLE)
      return { transaction, table: undefined }
    }
    const table = transaction.replaceTable(TABLE)
    table.addPart(this.body.part)
    table.addChain({ name: DIGEST_CHAIN })
    for (const text of this.says) table.addRule(DIGEST_CHAIN, [return_], text)
    return { transaction, table: table.contents }
  }
}

/** What a body follows from, as a digest. Of that, and not of the body, there is one for each ruleset. */
const keys: (kernel: KernelAbilities) => WeakMap<Ruleset, string> = once(() => new WeakMap())

/** All but who has it; pods of a kind have the same. */
function bodyOf(ruleset: Ruleset, kernel: KernelAbilities): PrintedPart {
  let printed: readonly PrintedPart[] | undefined
  // What is large is not kept, and is not to be printed twice.
  const parts = (): readonly PrintedPart[] => {
    printed ??= partsIn(ruleset)
    return printed
  }
  const key = keys(kernel).get(ruleset) ?? keyOf(ruleset, kernel, parts())
  keys(kernel).set(ruleset, key)
  return keptPart(key, () => printBody(ruleset, kernel, parts()))
}

function keyOf(
  { policies, interfaces, ungoverned, logDrops }: Ruleset,
  kernel: KernelAbilities,
  parts: readonly PrintedPart[],
): string {
  const names = policies.map(({ policy }) => policy)
  const rest = JSON.stringify([names, interfaces, ungoverned, logDrops, kernel])
  return digestOf([...parts.map(({ digest }) => digest), rest].join('\n'))
}

function printBody(ruleset: Ruleset, kernel: KernelAbilities, parts: readonly PrintedPart[]): PrintedPart {
  const part = tablePart(TABLE, (table) => {
    for (const each of parts) table.addPart(each.part)
    for (const governed of ruleset.interfaces) {
      for (const direction of DIRECTIONS) printInterface(table, ruleset, governed, direction, kernel)
    }
    printHooks(table, ruleset, kernel)
  })
  const count = parts.reduce((sum, each) => sum + each.part.commands.length, 0)
  const rest = JSON.stringify(part.commands.slice(count))
  const size = parts.reduce((sum, each) => sum + each.size, rest.length)
  const digests = parts.map(({ digest }) => digest)
  return { part, digest: digestOf([...digests, rest].join('\n')), size }
}

function partsIn({ policies, interfaces, exemptions, custom }: Ruleset): readonly PrintedPart[] {
  const legs: readonly Leg[] = interfaces.some(judgesReplies) ? ['original', 'reply'] : ['original']
  return [
    ...policies.map((policy, place) => policyPart(policy, legs, place)),
    commonPart(exemptions, legs),
    customPart(custom, legs),
  ]
}

/** For the comment at the interface's rules. */
function isTooLong({ networks }: GovernedInterface): boolean {
  return networksText(networks).length > MAX_COMMENT
}

/** The comment that says whose table it is. */
export function ownerText(pod: NamespacedName): string {
  return fitComment(`pod ${pod}`, '')
}
