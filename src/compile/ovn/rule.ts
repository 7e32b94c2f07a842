/** One rule of a policy as ACLs, and the address sets that they name (semantics.md, P1 to P6 and T1 to T5). */
import {
  type Address,
  type AddressRange,
  FAMILIES,
  type Family,
  familyOf,
  formatPrefix,
  prefixesOfRange,
  wholeFamily,
} from '../address.ts'
import { equal } from '../incremental/equal.ts'
import type { Direction, NamespacedName, Policy, PolicyRule } from '../model.ts'
import { once } from '../once.ts'
import type { Allow, Endpoint } from '../ruleset.ts'
import { ALLOW_PRIORITY, placeOf } from './isolation.ts'
import { address, all, any, type Constants, destination, ofGroup, peerEnd, ports } from './match.ts'
import { aclName, externalIds, hashedName, type RowKind } from './names.ts'
import type { Acl, AddressSet } from './rows.ts'
import { namedKey, peersKey } from './selectors.ts'

/** What a rule allows to some of the ports that its policy governs. */
export interface Allowed {
  readonly allow: Allow
  readonly ports: ReadonlySet<string>
}

export interface PrintedRule {
  readonly acls: readonly Acl[]
  readonly sets: readonly AddressSet[]
}

export interface RuleToPrint {
  readonly policy: Policy
  readonly name: NamespacedName
  readonly direction: Direction
  readonly allow: Allow
  /** The port group that the ACLs are in. */
  readonly group: string
  /** Tells apart the ACLs of a rule that reads differently on different ports; empty where it does not. */
  readonly variant: string
}

/** A condition, and the sets that it names. Nothing where no packet can meet it. */
interface Condition {
  readonly match: string | undefined
  readonly sets: readonly AddressSet[]
}

/** More prefixes than that are a set of their own. */
const MOST_INLINE = 4

/** What is the same object as before is printed once. */
const printedBefore = new WeakMap<Allow, { readonly rule: RuleToPrint; readonly printed: PrintedRule }>()

export function printAllow(rule: RuleToPrint): PrintedRule {
  const before = printedBefore.get(rule.allow)
  if (before !== undefined && equal(before.rule, rule)) return before.printed
  const printed = printAnew(rule)
  printedBefore.set(rule.allow, { rule, printed })
  return printed
}

function printAnew(rule: RuleToPrint): PrintedRule {
  const own = rule.policy.rules[rule.direction][rule.allow.rule]
  if (own === undefined) return { acls: [], sets: [] }
  const printed = [listed(rule, own), named(rule, own)]
  return { acls: printed.flatMap(({ acls }) => acls), sets: printed.flatMap(({ sets }) => sets) }
}

/** Peers with the ports that are numbers by now. */
function listed(rule: RuleToPrint, own: PolicyRule): PrintedRule {
  const { allow, direction, group } = rule
  if (allow.ports.kind === 'only' && allow.ports.ports.length === 0) return { acls: [], sets: [] }
  const peers = peersOf(rule, own)
  if (peers === undefined) return { acls: [], sets: [] }
  const match = all(ofGroup(direction, group), peers.match, ports(allow.ports))
  return { acls: [acl(rule, '', match)], sets: peers.sets }
}

/** Named ports on egress: each number with the addresses of the pods that mean it by the name. */
function named(rule: RuleToPrint, own: PolicyRule): PrintedRule {
  const { allow, direction, group, policy } = rule
  if (allow.endpoints.length === 0) return { acls: [], sets: [] }
  const key = namedKey(policy, own)
  const byPort = Map.groupBy(
    allow.endpoints,
    (each) => `${each.protocol}/${each.port}/${familyOf(each.address)}`,
  )
  const terms: string[] = []
  const sets: AddressSet[] = []
  for (const [service, endpoints] of [...byPort].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [{ protocol, port, address: any }] = endpoints as [Endpoint, ...Endpoint[]]
    const family = familyOf(any)
    const name = `${hashedName('named', `${key} ${service}`)}_v${family}`
    const addresses = new Set(endpoints.map((each) => each.address))
    sets.push(addressSet('named', name, addresses, `pods that name ${port}/${protocol}`))
    const number = destination(protocol, [{ first: port, last: port }])
    terms.push(`(${address(family, peerEnd(direction), [`$${name}`])} && ${number})`)
  }
  return { acls: [acl(rule, ' named', all(ofGroup(direction, group), any(terms)))], sets }
}

/** Undefined where nobody is a peer, and no pod could come to be one. */
function peersOf({ allow, policy, direction }: RuleToPrint, own: PolicyRule): Condition | undefined {
  const { peers } = allow
  if (peers.kind === 'anyone') return { match: undefined, sets: [] }
  const terms: string[] = []
  const sets: AddressSet[] = []
  const key = peersName(policy, own)
  for (const family of FAMILIES) {
    const constants: string[] = []
    const ranges = peers.ranges.filter((each) => each.family === family)
    const whole = ranges.some(wholeFamily)
    if (key !== undefined && !whole) {
      const name = `${key}_v${family}`
      const members = membersOf(peers.addresses)[family]
      sets.push(addressSet('peers', name, members, `IPv${family} addresses of selected pods`))
      constants.push(`$${name}`)
    }
    if (whole) terms.push(`ip${family}`)
    else {
      const block = blockOf(family, ranges)
      sets.push(...block.sets)
      constants.push(...block.constants)
      if (constants.length > 0) terms.push(address(family, peerEnd(direction), constants))
    }
  }
  return terms.length === 0 ? undefined : { match: any(terms), sets }
}

/** By rule, since who its peers are does not change with who is one. */
const peersNames = new WeakMap<PolicyRule, { readonly policy: Policy; readonly name: string | undefined }>()

function peersName(policy: Policy, rule: PolicyRule): string | undefined {
  const known = peersNames.get(rule)
  if (known?.policy === policy) return known.name
  const key = peersKey(policy, rule)
  const name = key === undefined ? undefined : hashedName('peers', key)
  peersNames.set(rule, { policy, name })
  return name
}

/** By family. Rules with the same peers share the list of all. */
const membersOf: (addresses: readonly Address[]) => Readonly<Record<Family, ReadonlySet<string>>> = once(
  (addresses) => {
    const of = (family: Family): ReadonlySet<string> =>
      new Set(addresses.filter((address) => familyOf(address) === family))
    return { 4: of(4), 6: of(6) }
  },
)

/** What ipBlocks cover, as prefixes: excepts are gone from it already, and a `!=` of theirs would cost flows without end. */
function blockOf(
  family: Family,
  ranges: readonly AddressRange[],
): { readonly constants: Constants; readonly sets: readonly AddressSet[] } {
  const prefixes = ranges.flatMap(prefixesOfRange).map(formatPrefix)
  if (prefixes.length <= MOST_INLINE) return { constants: prefixes, sets: [] }
  const name = `${hashedName('block', prefixes.join(' '))}_v${family}`
  return {
    constants: [`$${name}`],
    sets: [addressSet('block', name, new Set(prefixes), `IPv${family} blocks`)],
  }
}

function acl({ name, direction, allow, variant }: RuleToPrint, what: string, match: string): Acl {
  const about = `${direction}[${allow.rule}]${what}`
  return {
    ...placeOf(direction),
    name: aclName(name, about),
    priority: ALLOW_PRIORITY,
    match,
    action: 'allow-related',
    externalIds: externalIds('policy', `policy:${name}:${about}${variant}`, `${name} ${about}`, direction),
  }
}

/** Sets are shared, so what they say of themselves must not depend on whose rule came first. */
function addressSet(kind: RowKind, name: string, addresses: ReadonlySet<string>, about: string): AddressSet {
  return { name, addresses, externalIds: externalIds(kind, `set:${name}`, about) }
}
