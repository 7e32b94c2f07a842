/** iptables: chains in the filter tables of both families, by whichever variant of the commands the host has. */

import { parseSaved } from '../compile/iptables/listing.ts'
import { printIptables } from '../compile/iptables/printer.ts'
import { governedBy, namesSets } from '../compile/iptables/standing.ts'
import type { Backend, Cleared, Dumped, Found, Governed } from './backend.ts'
import { countersOf, inWords, isOwned, stateLines } from './iptables-account.ts'
import { type Choose, chooseOnce } from './iptables-choose.ts'
import { runIpset, save, type Variant } from './iptables-commands.ts'
import { printRuleset } from './iptables-printed.ts'
import {
  filterOf,
  type IptablesState,
  isEmpty,
  lookAt,
  NOTHING_SAVED,
  stateOf,
  tablesOf,
} from './iptables-state.ts'
import { writeAll } from './iptables-write.ts'
import type { OpenNetns } from './netns/open-netns.ts'

/** @param variant undefined: that which the host has chosen */
export function iptablesBackend(variant?: Variant): Backend<IptablesState> {
  const choose = chooseOnce(variant)
  return {
    name: 'iptables',
    print: (ruleset) => printRuleset(ruleset, choose),
    async read(netns, signal): Promise<Found<IptablesState>> {
      const chosen = await choose(netns, signal)
      if (chosen.kind === 'missing') return { kind: 'absent' }
      if (chosen.kind === 'failed') return chosen
      const looked = await lookAt(netns, chosen.programs, signal)
      if (looked.kind === 'failed') return looked
      return isEmpty(looked.state) ? { kind: 'absent' } : { kind: 'listed', listed: looked.state }
    },
    isOwnedBy: isOwned,
    governedBy: (state): Governed => new Map(tablesOf(state).flatMap((table) => [...governedBy(table)])),
    lines: stateLines,
    counters: countersOf,
    dump: (netns, signal) => dump(netns, choose, signal),
    parseDump,
    clear: (netns, signal) => clear(netns, choose, signal),
  }
}

/** All tables, as today's daemon dumps them, and the sets beside them. */
async function dump(netns: OpenNetns, choose: Choose, signal: AbortSignal): Promise<Dumped> {
  const chosen = await choose(netns, signal)
  if (chosen.kind !== 'chosen') return { kind: 'failed', reason: chosen.reason }
  const [v4, v6, sets] = await Promise.all([
    save(netns, chosen.programs.own, 4, signal),
    save(netns, chosen.programs.own, 6, signal),
    runIpset(netns, ['save'], signal),
  ])
  if (v4.kind !== 'done') return { kind: 'failed', reason: v4.reason }
  if (v6.kind !== 'done') return { kind: 'failed', reason: v6.reason }
  const files = new Map([
    ['iptables', v4.stdout],
    ['ip6tables', v6.stdout],
  ])
  if (sets.kind === 'done' && sets.stdout !== '') files.set('ipset', sets.stdout)
  const needsSets = [v4, v6].some(({ stdout }) => namesSets(filterOf(parseSaved(stdout))))
  if (sets.kind !== 'done' && needsSets) return { kind: 'failed', reason: sets.reason }
  return { kind: 'dumped', files }
}

function parseDump(files: ReadonlyMap<string, string>): IptablesState | undefined {
  const [v4, v6] = [files.get('iptables'), files.get('ip6tables')]
  if (v4 === undefined || v6 === undefined) return undefined
  const families = [v4, v6].map((text) => ({ own: parseSaved(text), other: NOTHING_SAVED }))
  const state = stateOf(families as unknown as Parameters<typeof stateOf>[0], files.get('ipset') ?? '')
  return isEmpty(state) ? undefined : state
}

async function clear(netns: OpenNetns, choose: Choose, signal: AbortSignal): Promise<Cleared> {
  const chosen = await choose(netns, signal)
  if (chosen.kind === 'missing') return { kind: 'cleared', what: [] }
  if (chosen.kind === 'failed') return chosen
  const { programs } = chosen
  const looked = await lookAt(netns, programs, signal)
  if (looked.kind === 'failed') return looked
  const { state } = looked
  const outcome = await writeAll({ netns, programs, state, signal }, printIptables(undefined))
  return outcome.kind === 'done' ? { kind: 'cleared', what: inWords(state) } : outcome
}
