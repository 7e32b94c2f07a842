/**
 * How iptables tells interfaces apart: by name, where a `+` at the end means every name that begins so. A name that
 * itself ends in `+` cannot be said: such an interface is every one that begins as it does, but for those whose names are
 * known, which are told apart before it. So it is governed, and at most interfaces that network-status does not tell of
 * are governed with it; of two such names that begin alike, the longer one's rule comes first. Where even so one is taken
 * for another (`abcdefghijklm+` and `abcdefghijklm++` of 15 bytes are one wildcard), nothing that a policy allows passes on
 * either, and an Issue says so: whoever names a pod's interfaces must not pick whose rules they get.
 */
import { DIRECTIONS, type Direction } from '../model.ts'
import { samePolicies } from '../nftables/interface.ts'
import type { GovernedInterface, Ruleset } from '../ruleset.ts'
import type { Words } from './rule.ts'

export interface NamedInterface {
  readonly kind: 'named' | 'begins-as'
  readonly governed: GovernedInterface
  /** In the ruleset's interfaces. */
  readonly place: number
  readonly match: Words
  /** Whether an interface that other policies isolate is taken for this one. */
  readonly shared: boolean
}

export interface InterfaceMatches {
  /** Those that are isolated in the direction; the first that matches is meant. */
  readonly matches: readonly NamedInterface[]
  /** Interfaces that are not and would be taken for one of them, if they were not told apart before `begins-as`. */
  readonly others: readonly Words[]
}

/** The longest name that the kernel has, in bytes. */
const MOST_BYTES = 15

export function matchesOf({ interfaces, ungoverned }: Ruleset, direction: Direction): InterfaceMatches {
  const option = direction === 'ingress' ? '-i' : '-o'
  const isolated = [...interfaces.entries()]
    .filter(([, { isolatedBy }]) => isolatedBy[direction].length > 0)
    .map(([place, governed]): NamedInterface => {
      const { name } = governed
      return isSayable(name)
        ? { kind: 'named', governed, place, match: [option, name], shared: false }
        : { kind: 'begins-as', governed, place, match: [option, wildcard(name)], shared: false }
    })
  const named = isolated.filter(({ kind }) => kind === 'named')
  // Those that say more of a name first, so that `a+b+` is not taken for an interface that begins as `a+`.
  const begins = isolated
    .filter(({ kind }) => kind === 'begins-as')
    .toSorted((a, b) => Buffer.byteLength(b.governed.name) - Buffer.byteLength(a.governed.name))
  const starts = begins.map(({ governed }) => wildcard(governed.name).slice(0, -1))
  const known = ['lo', ...interfaces.map(({ name }) => name), ...ungoverned].filter(
    (name) =>
      isSayable(name) &&
      starts.some((start) => name.startsWith(start)) &&
      !named.some(({ governed }) => governed.name === name),
  )
  const told = begins.map((each, at) => {
    const later = begins.slice(at + 1).filter(({ governed: { name } }) => isTakenFor(name, each))
    return { ...each, shared: later.some(({ governed }) => !samePolicies(governed, each.governed)) }
  })
  return {
    matches: [...named, ...told],
    others: [...new Set(known)].sort().map((name) => [option, name]),
  }
}

const UNGOVERNED = {
  isolatedBy: { ingress: [], egress: [] },
  allowedBy: { ingress: [], egress: [] },
} as const

/** Which of the pod's interfaces get another's rules, in words; one that is not told of may too, and is not here. */
export function confusions(ruleset: Ruleset): readonly string[] {
  const remarks = DIRECTIONS.flatMap((direction) => {
    const begins = matchesOf(ruleset, direction).matches.filter(({ kind }) => kind === 'begins-as')
    const unsayable = [
      ...ruleset.interfaces,
      ...ruleset.ungoverned.map((name) => ({ name, ...UNGOVERNED })),
    ].filter(({ name }) => !isSayable(name))
    return unsayable.flatMap((each) => {
      const first = begins.find((one) => isTakenFor(each.name, one))
      if (first === undefined || first.governed.name === each.name || samePolicies(each, first.governed))
        return []
      const [a, b] = [each.name, first.governed.name].map((name) => JSON.stringify(name))
      return [
        first.shared
          ? `interfaces ${a} and ${b} are one to iptables: no ${direction} that a policy allows passes on either`
          : `interface ${a} is taken for ${b} by iptables: its ${direction} is judged by the policies of that one`,
      ]
    })
  })
  return [...new Set(remarks)]
}

function isTakenFor(name: string, { governed }: NamedInterface): boolean {
  return name.startsWith(wildcard(governed.name).slice(0, -1))
}

/** `!` alone was taken for a negation by earlier versions. */
function isSayable(name: string): boolean {
  return !name.endsWith('+') && name !== '!' && name !== ''
}

/** `a+` as `a++`, every name that begins with `a+`; where there is no room for that, the name's own last `+` is the sign. */
function wildcard(name: string): string {
  return Buffer.byteLength(name) < MOST_BYTES ? `${name}+` : name
}
