/**
 * What one pod's rules may come to. The parts of policies are limited one by one, but many policies may govern a pod, and
 * what a rule is printed as can be the product of its peers, its ports and the pod's interfaces.
 */
import { count, ELEMENTS_OF_A_RULE, HEAVY_ELEMENTS, MOST_ELEMENTS_OF_A_POD } from './limits.ts'
import { DIRECTIONS, type Direction, type Issue, type Pod, referenceTo } from './model.ts'
import { once } from './once.ts'
import type { Allow, PeerSet, PolicyRules, PortSet, Ruleset } from './ruleset.ts'

export interface Limited {
  readonly ruleset: Ruleset | undefined
  readonly issue?: Issue
}

/** The ruleset without the rules that no longer fit, in their order; it isolates what it isolated. */
export function withinLimits(ruleset: Ruleset | undefined, pod: Pod): Limited {
  if (ruleset === undefined) return { ruleset }
  const sizes = sizesOf(ruleset)
  const all = total(sizes)
  if (all <= MOST_ELEMENTS_OF_A_POD) return { ruleset }
  const left: string[] = []
  let room = MOST_ELEMENTS_OF_A_POD
  const fits = (text: string, size: number): boolean => {
    if (size > room) {
      left.push(text)
      return false
    }
    room -= size
    return true
  }
  const policies = ruleset.policies.map((rules, place) => fitting(rules, sizes[place] ?? [], fits))
  return { ruleset: { ...ruleset, policies }, issue: tooLarge(pod, all, left) }
}

/** Whether writing it takes much memory. */
export const isHeavy: (ruleset: Ruleset) => boolean = once(
  (ruleset) => total(sizesOf(ruleset)) > HEAVY_ELEMENTS,
)

type Sizes = readonly (readonly (readonly number[])[])[]

function total(sizes: Sizes): number {
  return sizes.flat(2).reduce((sum, size) => sum + size, 0)
}

/** Of each rule, by policy, direction and place. */
function sizesOf(ruleset: Ruleset): Sizes {
  const uses = timesUsed(ruleset)
  return ruleset.policies.map(({ allows }, place) =>
    DIRECTIONS.map((direction) =>
      (allows[direction] ?? []).map((allow) => sizeOf(allow, uses[direction][place] ?? 0)),
    ),
  )
}

function fitting(
  { policy, allows }: PolicyRules,
  sizes: readonly (readonly number[])[],
  fits: (text: string, size: number) => boolean,
): PolicyRules {
  const [ingress, egress] = DIRECTIONS.map((direction, at) =>
    allows[direction]?.filter((allow, place) =>
      fits(`${policy} ${direction}[${allow.rule}]`, sizes[at]?.[place] ?? 0),
    ),
  )
  return { policy, allows: { ingress, egress } }
}

function tooLarge(pod: Pod, all: number, [first, ...others]: readonly string[]): Issue {
  const more = others.length === 0 ? 'allows' : `and ${count(others.length)} more allow`
  return {
    object: referenceTo(pod),
    field: '',
    reason: `its rules come to ${count(all)} elements; ${count(MOST_ELEMENTS_OF_A_POD)} are the most: ${first} ${more} nothing`,
  }
}

/** How many interfaces each policy isolates, by its place: iptables has its rules once for each. */
function timesUsed({ policies, interfaces }: Ruleset): Readonly<Record<Direction, readonly number[]>> {
  const uses = { ingress: policies.map(() => 0), egress: policies.map(() => 0) }
  for (const { isolatedBy } of interfaces) {
    for (const direction of DIRECTIONS)
      for (const place of isolatedBy[direction]) uses[direction][place] = (uses[direction][place] ?? 0) + 1
  }
  return uses
}

/** Elements of sets, and rules: a rule for each peer and port that is not in a set, with the ports that are in one. */
function sizeOf({ peers, ports, endpoints }: Allow, uses: number): number {
  const [rules, elements] = [
    peerRules(peers),
    peers.kind === 'anyone' ? 0 : peers.addresses.length + peers.ranges.length,
  ]
  const { matches, numbers } = portRules(ports)
  return elements + endpoints.length + rules * (matches * ELEMENTS_OF_A_RULE * Math.max(1, uses) + numbers)
}

/** As both printers have it: of each family a set at most, or up to eight ranges as rules of their own. */
function peerRules(peers: PeerSet): number {
  if (peers.kind === 'anyone') return 1
  const { addresses, ranges } = peers
  return Math.min(addresses.length, 2) + (ranges.length <= 16 ? ranges.length : 2)
}

function portRules(ports: PortSet): { readonly matches: number; readonly numbers: number } {
  if (ports.kind === 'any') return { matches: 1, numbers: 0 }
  const numbers = ports.ports.reduce((sum, { ranges }) => sum + ranges.length, 0)
  return { matches: Math.min(numbers, 27), numbers }
}
