/**
 * How iptables tells interfaces apart: by name, where a `+` at the end means every name that begins so. A name that
 * itself ends in `+` cannot be said: such an interface is every one that begins as it does, but for those whose names are
 * known, which are told apart before it. So it is governed, and at most interfaces that network-status does not tell of
 * are governed with it; of two such names that begin alike, the longer one's rule comes first.
 */

import type { Direction } from '../model.ts'
import type { GovernedInterface, Ruleset } from '../ruleset.ts'
import type { Words } from './rule.ts'

export interface NamedInterface {
  readonly kind: 'named' | 'begins-as'
  readonly governed: GovernedInterface
  /** In the ruleset's interfaces. */
  readonly place: number
  readonly match: Words
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
        ? { kind: 'named', governed, place, match: [option, name] }
        : { kind: 'begins-as', governed, place, match: [option, wildcard(name)] }
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
  return {
    matches: [...named, ...begins],
    others: [...new Set(known)].sort().map((name) => [option, name]),
  }
}

/** `!` alone was taken for a negation by earlier versions. */
function isSayable(name: string): boolean {
  return !name.endsWith('+') && name !== '!' && name !== ''
}

/** `a+` as `a++`, every name that begins with `a+`; where there is no room for that, the name's own last `+` is the sign. */
function wildcard(name: string): string {
  return Buffer.byteLength(name) < MOST_BYTES ? `${name}+` : name
}
