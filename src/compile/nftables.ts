/**
 * The nftables printer: a pod's ruleset as one transaction that replaces the table `inet multi_networkpolicy`.
 *
 *     table inet multi_networkpolicy {
 *       set policy-0-ingress-0-pods-v4 { type ipv4_addr; elements = { 10.1.0.2 } }
 *       chain policy-0-ingress {
 *         ip saddr @policy-0-ingress-0-pods-v4 tcp dport 80 counter accept comment "blue/web ingress[0]"
 *       }
 *       chain common {
 *         ct direction reply ct state established accept
 *         …
 *       }
 *       chain interface-net1-ingress {
 *         jump common comment "shop/blue"
 *         jump policy-0-ingress comment "blue/web"
 *         counter drop comment "no policy allows it"
 *       }
 *       chain input {
 *         type filter hook input priority 0; policy accept;
 *         iifname vmap { "net1" : goto interface-net1-ingress }
 *       }
 *       …
 *     }
 *
 * Chains come before what refers to them. The original direction of a connection is judged on every packet and only
 * replies take the short way (D3), so a connection that is no longer allowed stops. Packets that the pod forwards
 * are judged like its own: they use the governed interface too. `lo` is no governed interface, so a pod reaches itself.
 */
import { createHash } from 'node:crypto'
import {
  accept,
  anonymousSet,
  counter,
  ct,
  drop,
  goto_,
  jump,
  type ListedTable,
  match,
  meta,
  payload,
  return_,
  type Statement,
  type TableHandle,
  Transaction,
  vmap,
} from 'nftables-json'
import { DIRECTIONS, type Direction, type NamespacedName } from './model.ts'
import { printAllow, printRange } from './nftables-allow.ts'
import type { Exemptions, GovernedInterface, PolicyRules, Ruleset } from './ruleset.ts'

export const TABLE = { family: 'inet', name: 'multi_networkpolicy' } as const

/** The chain that no hook leads to, whose rules say whose ruleset stands, and which version of it. */
const DIGEST_CHAIN = 'mnpd'

/** nft keeps at most 127 bytes of a comment. */
const MAX_COMMENT = 127

export interface Printed {
  readonly transaction: Transaction
  /** What the kernel lists once the transaction is done; undefined: no table of ours. */
  readonly table: ListedTable | undefined
  /** 32 hex digits of the SHA-256 of the transaction less the rule that carries them. */
  readonly digest: string
}

/** @param ruleset undefined for a pod that no policy governs, whose netns holds no table of ours. */
export function printNftables(ruleset: Ruleset | undefined): Printed {
  const transaction = new Transaction()
  if (ruleset === undefined) {
    transaction.deleteTable(TABLE)
    return { transaction, table: undefined, digest: digestOf(transaction) }
  }
  const table = transaction.replaceTable(TABLE)
  for (const [place, policy] of ruleset.policies.entries()) {
    for (const direction of DIRECTIONS) printPolicy(table, place, policy, direction)
  }
  printCommon(table, ruleset.exemptions)
  for (const governed of ruleset.interfaces) {
    for (const direction of DIRECTIONS) printInterface(table, ruleset, governed, direction)
  }
  printHooks(table, ruleset)
  const digest = digestOf(transaction)
  table.addChain({ name: DIGEST_CHAIN })
  table.addRule(DIGEST_CHAIN, [return_], ownerText(ruleset.pod))
  table.addRule(DIGEST_CHAIN, [return_], `mnpd ${digest}`)
  return { transaction, table: table.contents, digest }
}

function printPolicy(
  table: TableHandle,
  place: number,
  { policy, allows }: PolicyRules,
  direction: Direction,
): void {
  const rules = allows[direction]?.map((allow) =>
    printAllow(table, `policy-${place}-${direction}-${allow.rule}`, direction, allow).map((matches) => ({
      matches,
      comment: fitComment(policy, ` ${direction}[${allow.rule}]`),
    })),
  )
  if (rules === undefined) return
  const chain = policyChain(place, direction)
  table.addChain({ name: chain })
  for (const { matches, comment } of rules.flat())
    table.addRule(chain, [...matches, counter(), accept], comment)
}

/** What passes whatever the policies say (D3, D4). */
function printCommon(table: TableHandle, exemptions: Exemptions): void {
  const chain = 'common'
  const icmpv6 = payload('icmpv6', 'type')
  table.addChain({ name: chain })
  table.addRule(chain, [match(ct('direction'), 'reply'), match(ct('state'), 'established', 'in'), accept])
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
  printPrefixes(table, 'saddr', exemptions.ipv6Sources, '--allow-ipv6-src-prefix')
  printPrefixes(table, 'daddr', exemptions.ipv6Destinations, '--allow-ipv6-dst-prefix')
}

function printPrefixes(
  table: TableHandle,
  field: 'saddr' | 'daddr',
  ranges: Exemptions['ipv6Sources'],
  flag: string,
): void {
  for (const range of ranges)
    table.addRule('common', [match(payload('ip6', field), printRange(range)), accept], flag)
}

function printInterface(
  table: TableHandle,
  ruleset: Ruleset,
  governed: GovernedInterface,
  direction: Direction,
): void {
  const isolatedBy = governed.isolatedBy[direction]
  if (isolatedBy.length === 0) return
  const chain = interfaceChain(governed, direction)
  table.addChain({ name: chain })
  table.addRule(chain, [jump('common')], fitComment(networksText(governed.networks), ''))
  for (const place of isolatedBy) {
    const { policy } = ruleset.policies[place] as PolicyRules
    table.addRule(chain, [jump(policyChain(place, direction))], fitComment(policy, ''))
  }
  table.addRule(chain, [counter(), drop], 'no policy allows it')
}

/** Forwarded packets meet both directions, each in a hook of its own: an accept ends the hook it is given in. */
function printHooks(table: TableHandle, ruleset: Ruleset): void {
  const hooks = [
    { name: 'input', hook: 'input', prio: 0, direction: 'ingress' },
    { name: 'forward-ingress', hook: 'forward', prio: 0, direction: 'ingress' },
    { name: 'forward-egress', hook: 'forward', prio: 1, direction: 'egress' },
    { name: 'output', hook: 'output', prio: 0, direction: 'egress' },
  ] as const
  for (const { name, hook, prio, direction } of hooks) {
    const dispatch = printDispatch(ruleset, direction)
    if (dispatch === undefined) continue
    table.addChain({ name, hook: { type: 'filter', hook, prio, policy: 'accept' } })
    table.addRule(name, [dispatch])
  }
}

function printDispatch(ruleset: Ruleset, direction: Direction): Statement | undefined {
  const isolated = ruleset.interfaces.filter((governed) => governed.isolatedBy[direction].length > 0)
  if (isolated.length === 0) return undefined
  return vmap(
    meta(direction === 'ingress' ? 'iifname' : 'oifname'),
    isolated.map((governed) => [governed.name, goto_(interfaceChain(governed, direction))]),
  )
}

function policyChain(place: number, direction: Direction): string {
  return `policy-${place}-${direction}`
}

/**
 * A name that nft's lexer would not take as an identifier is spelled in hexadecimal, after a slash, which no
 * interface's own name can hold.
 */
function interfaceChain({ name }: GovernedInterface, direction: Direction): string {
  const word = /^[A-Za-z0-9._-]+$/.test(name) ? name : `/${Buffer.from(name).toString('hex')}`
  return `interface-${word}-${direction}`
}

/** A name with what follows it, shortened to what a comment holds so that two names never look alike. */
function fitComment(name: string, rest: string): string {
  const room = MAX_COMMENT - rest.length
  if (name.length <= room) return `${name}${rest}`
  const mark = `~${createHash('sha256').update(name).digest('hex').slice(0, 12)}`
  return `${name.slice(0, room - mark.length)}${mark}${rest}`
}

/** The interfaces that a table of ours governs, and the networks that each was told to be on. */
export function governedBy(table: ListedTable | undefined): ReadonlyMap<string, StandingNetworks> {
  const governed = new Map<string, StandingNetworks>()
  const chains = table?.chains ?? []
  for (const { rules } of chains.filter(({ hook }) => hook !== undefined)) {
    for (const [name, chain] of rules.flatMap(({ expr }) => expr.flatMap(dispatched))) {
      governed.set(name, parseNetworks(chains.find((each) => each.name === chain)?.rules[0]?.comment))
    }
  }
  return governed
}

/** Networks as a table holds them; `unknown` where the comment had to be shortened, or is none of ours. */
export type StandingNetworks = readonly NamespacedName[] | 'unknown'

/** Whether the table says that it is the pod's; undefined where it says nothing of that. */
export function isOwnedBy(table: ListedTable, pod: NamespacedName): boolean | undefined {
  const chain = table.chains.find(({ name }) => name === DIGEST_CHAIN)
  const owner = chain?.rules.find(({ comment }) => comment?.startsWith('pod '))?.comment
  return owner === undefined ? undefined : owner === ownerText(pod)
}

function ownerText(pod: NamespacedName): string {
  return fitComment(`pod ${pod}`, '')
}

function networksText(networks: readonly NamespacedName[]): string {
  return networks.join(',')
}

function parseNetworks(comment: string | undefined): StandingNetworks {
  const networks = (comment ?? '').split(',')
  const whole = networks.every((network) => /^[a-z0-9-]+\/[a-z0-9.-]+$/.test(network))
  return whole ? (networks as NamespacedName[]) : 'unknown'
}

/** Name and chain of each entry of a verdict map by interface. */
function dispatched(statement: Statement): readonly (readonly [name: string, chain: string])[] {
  const data: unknown = 'vmap' in statement ? statement.vmap.data : undefined
  if (typeof data !== 'object' || data === null || !('set' in data) || !Array.isArray(data.set)) return []
  return data.set.flatMap((pair: unknown) => {
    const [name, verdict] = Array.isArray(pair) ? (pair as readonly unknown[]) : []
    const target =
      typeof verdict === 'object' && verdict !== null && 'goto' in verdict ? verdict.goto : undefined
    const chain =
      typeof target === 'object' && target !== null && 'target' in target ? target.target : undefined
    return typeof name === 'string' && typeof chain === 'string' ? [[name, chain] as const] : []
  })
}

function digestOf(transaction: Transaction): string {
  return createHash('sha256').update(JSON.stringify(transaction)).digest('hex').slice(0, 32)
}
