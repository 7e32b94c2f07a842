/** What stands of iptables' rules, told: as lines to compare, as counters, and in words. */
import { FAMILIES } from '../compile/address.ts'
import { isOurChain } from '../compile/iptables/names.ts'
import type { PrintedIptables } from '../compile/iptables/printer.ts'
import { commentOf } from '../compile/iptables/rule.ts'
import type { AddressSet } from '../compile/iptables/set.ts'
import { asTable, isOwnedBy, linesOf } from '../compile/iptables/standing.ts'
import type { NamespacedName } from '../compile/model.ts'
import type { RuleCounter } from './backend.ts'
import { commandOf } from './iptables-commands.ts'
import { type IptablesState, tablesOf } from './iptables-state.ts'

export function stateLines({ own, other, sets }: IptablesState): readonly string[] {
  return [
    ...setLines([...(sets?.values() ?? [])]),
    ...FAMILIES.flatMap((family) => [...linesOf(commandOf(family), own[family])]),
    ...FAMILIES.flatMap((family) => [...linesOf(`${commandOf(family)} of the other variant`, other[family])]),
  ]
}

/** The same of what should stand. */
export function printedLines({ filters }: PrintedIptables): readonly string[] {
  const sets = new Map(FAMILIES.flatMap((family) => filters[family].sets).map((set) => [set.name, set]))
  return [
    ...setLines([...sets.values()]),
    ...FAMILIES.flatMap((family) => [...linesOf(commandOf(family), asTable(filters[family]))]),
  ]
}

function setLines(sets: readonly AddressSet[]): readonly string[] {
  return sets
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name, type, family, elements }) => [
      `ipset ${name} ${type} IPv${family}`,
      ...elements.map((element) => `ipset ${name} ${element}`),
    ])
}

/** Of what policies allow, and of what none allows. */
export function countersOf({ counted }: IptablesState): readonly RuleCounter[] {
  return FAMILIES.flatMap((family) =>
    counted[family].flatMap(({ chain, words, packets, bytes }) => {
      const rule = commentOf(words)
      if (rule === undefined || !/^MULTI-IF/.test(chain) || !isOurChain(chain)) return []
      return [{ rule, chain: `${commandOf(family)} ${chain}`, packets, bytes }]
    }),
  )
}

/** Whether what stands says that it is the pod's; undefined where it says nothing of that. */
export function isOwned(state: IptablesState, pod: NamespacedName): boolean | undefined {
  const told = tablesOf(state)
    .map((table) => isOwnedBy(table, pod))
    .filter((each) => each !== undefined)
  return told.length === 0 ? undefined : told.some((each) => each)
}

export function inWords({ own, other, sets }: IptablesState): readonly string[] {
  const chains = [own, other].flatMap((tables) =>
    FAMILIES.flatMap((family) =>
      [...tables[family].keys()].filter(isOurChain).map((name) => `${commandOf(family)} chain ${name}`),
    ),
  )
  return [...new Set(chains), ...[...(sets?.keys() ?? [])].map((name) => `ipset ${name}`)]
}
