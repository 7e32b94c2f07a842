/**
 * A governed interface in nft's rules: the hooks that find it, and what happens to its packets.
 *
 *     chain interface-net1-ingress {
 *       ct direction reply ct state established jump interface-net1-ingress-replies
 *       jump common comment "shop/blue"
 *       jump policy-0-ingress comment "blue/web"
 *       counter drop comment "no policy allows it"
 *     }
 *     chain interface-net1-ingress-replies {
 *       meta sdif 0 fib daddr . iif type != local accept
 *       jump common-replies
 *       jump policy-0-egress-replies comment "blue/web"
 *     }
 *
 * Replies pass where the pod may open connections as it likes. Where the interface is isolated both ways, a reply passes if
 * the policies of the other direction allow the connection that it belongs to, so that one which they allow no longer is
 * over for both ends at once. The policies are those of the interface that the connection was opened on; that is this one
 * if it has the pod's address (a host with two interfaces on one segment may answer by the other), so the others' replies pass.
 *
 * What comes in by an interface within a VRF comes in by the VRF, as `iifname` and `fib … iif` have it, and `sdifname` is
 * the interface itself (Linux 5.6). What goes out meets the hooks a second time, by the interface.
 */
import {
  accept,
  anonymousSet,
  counter,
  ct,
  drop,
  fib,
  goto_,
  interfaceNameProblem,
  jump,
  limit,
  log,
  match,
  meta,
  type Statement,
  type TableHandle,
  wildcard,
  wildcardStart,
} from 'nftables-json'
import { DROP_LOG_GROUP, DROP_LOG_RATE, dropLogPrefix } from '../drop-log.ts'
import { interfaceNamed, interfaceWord } from '../governed-record.ts'
import { DIRECTIONS, type Direction, type NamespacedName } from '../model.ts'
import type { GovernedInterface, PolicyRules, Ruleset } from '../ruleset.ts'
import type { Leg } from './allow.ts'
import { fitComment } from './comment.ts'
import { customChain } from './custom.ts'

/** What the kernel that is printed for can do, where not all do. */
export interface KernelAbilities {
  /** `meta sdifname`, by which interfaces within a VRF are found: Linux 5.6. */
  readonly slaves: boolean
}

/** The chains of what passes whatever the policies say. */
export const COMMON: Readonly<Record<Leg, string>> = { original: 'common', reply: 'common-replies' }

export function policyChain(place: number, direction: Direction, leg: Leg): string {
  return leg === 'original' ? `policy-${place}-${direction}` : `policy-${place}-${direction}-replies`
}

/** Whether replies on the interface are held against policies too. */
export function judgesReplies({ isolatedBy }: GovernedInterface): boolean {
  return DIRECTIONS.every((direction) => isolatedBy[direction].length > 0)
}

export function printInterface(
  table: TableHandle,
  ruleset: Ruleset,
  governed: GovernedInterface,
  direction: Direction,
  kernel: KernelAbilities,
): void {
  if (governed.isolatedBy[direction].length === 0) return
  const chain = interfaceChain(governed.name, direction)
  const replies = `${chain}-replies`
  if (judgesReplies(governed)) printReplies(table, ruleset, governed, direction, replies, kernel)
  table.addChain({ name: chain })
  const alone = isToldApart(ruleset, governed, direction)
  const isReply = [match(ct('direction'), 'reply'), match(ct('state'), 'established', 'in')]
  table.addRule(chain, [...isReply, judgesReplies(governed) ? jump(replies) : accept])
  table.addRule(chain, [jump(COMMON.original)], fitComment(networksText(governed.networks), ''))
  if (alone) printJumps(table, ruleset, governed, direction, chain, 'original')
  if (ruleset.logDrops) {
    const { rate, per, burst } = DROP_LOG_RATE
    const prefix = dropLogPrefix(direction, governed.name)
    table.addRule(chain, [limit(rate, per, burst), log({ prefix, group: DROP_LOG_GROUP })], 'log of drops')
  }
  table.addRule(chain, [counter(), drop], 'no policy allows it')
}

function printReplies(
  table: TableHandle,
  ruleset: Ruleset,
  governed: GovernedInterface,
  direction: Direction,
  chain: string,
  { slaves }: KernelAbilities,
): void {
  table.addChain({ name: chain })
  const own =
    direction === 'ingress'
      ? [...(slaves ? [match(meta('sdif'), 0)] : []), match(fib('type', ['daddr', 'iif']), 'local', '!=')]
      : [match(fib('type', ['saddr', 'oif']), 'local', '!=')]
  table.addRule(chain, [...own, accept], 'opened on another interface')
  table.addRule(chain, [jump(COMMON.reply)])
  printJumps(table, ruleset, governed, direction === 'ingress' ? 'egress' : 'ingress', chain, 'reply')
}

function printJumps(
  table: TableHandle,
  ruleset: Ruleset,
  governed: GovernedInterface,
  direction: Direction,
  chain: string,
  leg: Leg,
): void {
  const custom = customChain(ruleset.custom, direction, leg)
  if (custom !== undefined) table.addRule(chain, [jump(custom)], 'custom rules')
  for (const place of governed.allowedBy[direction]) {
    const { policy } = ruleset.policies[place] as PolicyRules
    table.addRule(chain, [jump(policyChain(place, direction, leg))], fitComment(policy, ''))
  }
}

/** Forwarded packets meet both directions, each in a hook of its own: an accept ends the hook it is given in. */
export function printHooks(table: TableHandle, ruleset: Ruleset, kernel: KernelAbilities): void {
  const hooks = [
    { name: 'input', hook: 'input', prio: 0, direction: 'ingress' },
    { name: 'forward-ingress', hook: 'forward', prio: 0, direction: 'ingress' },
    { name: 'forward-egress', hook: 'forward', prio: 1, direction: 'egress' },
    { name: 'output', hook: 'output', prio: 0, direction: 'egress' },
  ] as const
  for (const { name, hook, prio, direction } of hooks) {
    const dispatch = printDispatch(ruleset, direction, kernel)
    if (dispatch.length === 0) continue
    table.addChain({ name, hook: { type: 'filter', hook, prio, policy: 'accept' } })
    for (const rule of dispatch) table.addRule(name, rule)
  }
}

/**
 * A rule an interface, and no verdict map: while the kernel commits the next table, a packet that is in the old one finds
 * the old map empty (its elements go at once, the rules when the packet has passed), and would be let through.
 */
function printDispatch(
  ruleset: Ruleset,
  direction: Direction,
  { slaves }: KernelAbilities,
): readonly (readonly Statement[])[] {
  const isolated = ruleset.interfaces.filter((governed) => governed.isolatedBy[direction].length > 0)
  const named = isolated.filter(({ name }) => interfaceNameProblem(name) === undefined)
  const unnamed = unsayable(ruleset, direction)
  const ingress = slaves ? (['iifname', 'sdifname'] as const) : (['iifname'] as const)
  const keys = direction === 'ingress' ? ingress : (['oifname'] as const)
  return [
    ...keys.flatMap((key) =>
      named.map(({ name }) => [match(meta(key), name), goto_(interfaceChain(name, direction))]),
    ),
    // The VRF's own name is none of the known, so an interface within it comes before those that begin as any does.
    ...keys
      .toReversed()
      .flatMap((key) =>
        unnamed.map(({ name }) => [
          ...(key === 'sdifname' ? [match(meta('sdif'), 0, '!=')] : []),
          ...matchUnnamed(meta(key), name, ruleset),
          goto_(interfaceChain(name, direction)),
        ]),
      ),
  ]
}

/**
 * Names that nft's language has no way to say (`tcp`, `@x`, `a"b`): such an interface is every one that begins as it does,
 * but for those whose names are known. So it is governed, whatever it is called, and at most interfaces that
 * network-status does not tell of are governed with it. Of two such names that begin alike the first one's chain has both,
 * so nothing that a policy allows is in it: whoever names a pod's interfaces must not pick whose rules they get.
 */
function matchUnnamed(key: ReturnType<typeof meta>, name: string, ruleset: Ruleset): readonly Statement[] {
  const start = wildcardStart(name)
  const others = ['lo', ...ruleset.interfaces.map((each) => each.name), ...ruleset.ungoverned]
  const known = new Set(
    others.filter((each) => each.startsWith(start) && interfaceNameProblem(each) === undefined),
  )
  return [
    ...(start === '' ? [] : [match(key, wildcard(start))]),
    ...(known.size === 0 ? [] : [match(key, anonymousSet([...known].sort()), '!=')]),
  ]
}

/** Isolated interfaces that nft cannot name, in the order of their rules: those that say more of a name first. */
function unsayable(ruleset: Ruleset, direction: Direction): readonly GovernedInterface[] {
  return ruleset.interfaces
    .filter(
      ({ name, isolatedBy }) => isolatedBy[direction].length > 0 && interfaceNameProblem(name) !== undefined,
    )
    .toSorted((a, b) => wildcardStart(b.name).length - wildcardStart(a.name).length)
}

/** Whether no later interface, of other policies, ends in this one's chain. */
function isToldApart(ruleset: Ruleset, governed: GovernedInterface, direction: Direction): boolean {
  if (interfaceNameProblem(governed.name) === undefined) return true
  const order = unsayable(ruleset, direction)
  const start = wildcardStart(governed.name)
  return order
    .slice(order.indexOf(governed) + 1)
    .every((other) => !other.name.startsWith(start) || samePolicies(other, governed))
}

type Isolation = Pick<GovernedInterface, 'isolatedBy' | 'allowedBy'>

/** Whether the same policies isolate both and allow on both, so that one's chain does for the other. */
export function samePolicies(a: Isolation, b: Isolation): boolean {
  return DIRECTIONS.every(
    (direction) =>
      a.isolatedBy[direction].join() === b.isolatedBy[direction].join() &&
      a.allowedBy[direction].join() === b.allowedBy[direction].join(),
  )
}

function interfaceChain(name: string, direction: Direction): string {
  return `interface-${interfaceWord(name)}-${direction}`
}

/** The interface that a chain is for, if it is for one. */
export function interfaceOf(chain: string): string | undefined {
  const [, word] = /^interface-(.+)-(?:ingress|egress)$/.exec(chain) ?? []
  return word === undefined ? undefined : interfaceNamed(word)
}

export function networksText(networks: readonly NamespacedName[]): string {
  return networks.join(',')
}
