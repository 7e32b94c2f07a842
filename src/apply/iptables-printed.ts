/** A ruleset as iptables has it: with sets for large peers, or, where the kernel has no ipset, without. */
import { FAMILIES } from '../compile/address.ts'
import { type PrintedIptables, printIptables } from '../compile/iptables/printer.ts'
import { sameSet, setsText } from '../compile/iptables/set.ts'
import { governedBy, holdsOurs, standsAs } from '../compile/iptables/standing.ts'
import { swapText } from '../compile/iptables/swap.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import type { Printed } from './backend.ts'
import { printedLines } from './iptables-account.ts'
import type { Choose } from './iptables-choose.ts'
import { commandOf } from './iptables-commands.ts'
import { type IptablesState, lookAt } from './iptables-state.ts'
import { writeAll } from './iptables-write.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import type { Outcome } from './reconciler.ts'

/** Without ipset so many rules a family are written, and no more. */
const MOST_WITHOUT_SETS = 20_000

export function printRuleset(ruleset: Ruleset | undefined, choose: Choose): Printed<IptablesState> {
  const printed = printIptables(ruleset)
  const withoutSets = hasSets(printed) ? lazily(() => printIptables(ruleset, 'inline')) : () => undefined
  return {
    digest: printed.digest,
    governed: governedBy(printed.filters[4].chains),
    lines: () => printedLines(printed),
    texts: () => textsOf(printed),
    isThere(found): boolean {
      if (found.kind !== 'listed') return ruleset === undefined && found.kind === 'absent'
      if (stands(found.listed, printed)) return true
      const other = withoutSets()
      // Sets that could not be taken away when these rules were written are in nobody's way.
      return other !== undefined && stands({ ...found.listed, sets: undefined }, other)
    },
    write: (netns, signal) => write(netns, printed, withoutSets, choose, signal),
  }
}

/** The kernel may have no sets, or no match for them: then there are rules instead. */
async function write(
  netns: OpenNetns,
  printed: PrintedIptables,
  withoutSets: () => PrintedIptables | undefined,
  choose: Choose,
  signal: AbortSignal,
): Promise<Outcome> {
  const chosen = await choose(netns, signal)
  if (chosen.kind !== 'chosen') return { kind: 'failed', reason: chosen.reason }
  const { programs } = chosen
  const attempt = async (what: PrintedIptables): Promise<Outcome> => {
    const looked = await lookAt(netns, programs, signal, 'partial')
    if (looked.kind === 'failed') return looked
    return await writeAll({ netns, programs, state: looked.state, signal }, what)
  }
  const outcome = await attempt(printed)
  const instead = outcome.kind === 'failed' && !signal.aborted ? withoutSets() : undefined
  return instead === undefined || rulesIn(instead) > MOST_WITHOUT_SETS ? outcome : await attempt(instead)
}

function stands(state: IptablesState, { filters }: PrintedIptables): boolean {
  const sets = FAMILIES.flatMap((family) => filters[family].sets)
  return (
    FAMILIES.every((family) => standsAs(state.own[family], filters[family])) &&
    !FAMILIES.some((family) => holdsOurs(state.other[family])) &&
    (state.sets?.size ?? 0) === sets.length &&
    sets.every((set) => {
      const standing = state.sets?.get(set.name)
      return standing !== undefined && sameSet(standing, set)
    })
  )
}

/** What the programs are given where nothing of ours stands. */
function textsOf({ filters }: PrintedIptables): ReadonlyMap<string, string> {
  const texts = FAMILIES.map((family): [string, string] => [
    commandOf(family),
    swapText(new Map(), filters[family]) ?? '',
  ])
  const sets = FAMILIES.map((family) => setsText(filters[family].sets)).join('')
  return new Map(sets === '' ? texts : [...texts, ['ipset', sets]])
}

function hasSets({ filters }: PrintedIptables): boolean {
  return FAMILIES.some((family) => filters[family].sets.length > 0)
}

function rulesIn({ filters }: PrintedIptables): number {
  const counts = FAMILIES.map((family) =>
    [...filters[family].chains.values()].reduce((sum, rules) => sum + rules.length, 0),
  )
  return Math.max(...counts)
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
