/**
 * From whatever stands of ours in a network namespace to what is printed. The order: sets that new rules will name; the
 * rules, each family's in one commit from the old to the new with nothing in between; then what the other variant of the
 * commands holds of ours, and sets that no rule names any more.
 */
import { FAMILIES, type Family } from '../compile/address.ts'
import type { PrintedIptables } from '../compile/iptables/printer.ts'
import { ruleText } from '../compile/iptables/rule.ts'
import { type AddressSet, restoreSets, sameSet } from '../compile/iptables/set.ts'
import { holdsOurs } from '../compile/iptables/standing.ts'
import { foreignInterfaces, foreignNatRules, swapText, tableText } from '../compile/iptables/swap.ts'
import type { ChosenPrograms } from './iptables-choose.ts'
import { type Programs, restore, runIpset } from './iptables-commands.ts'
import { type IptablesState, listTable } from './iptables-state.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import type { Outcome } from './reconciler.ts'

export interface Write {
  readonly netns: OpenNetns
  readonly programs: ChosenPrograms
  readonly state: IptablesState
  readonly signal: AbortSignal
}

/** @returns failed where a part is not as desired; of each family the old rules stand then, or the new ones */
export async function writeAll(to: Write, { filters }: PrintedIptables): Promise<Outcome> {
  const { state, programs } = to
  const desired = FAMILIES.flatMap((family) => filters[family].sets)
  const noSets = await makeSets(to, desired)
  if (noSets !== undefined) return failed(noSets)
  const written = await Promise.all(
    FAMILIES.map(async (family) => {
      const text = swapText(state.own[family], filters[family])
      return (await dropNatRules(to, programs.own, family)) ?? (await commit(to, programs.own, family, text))
    }),
  )
  const problems = written.filter((reason) => reason !== undefined)
  if (problems.length > 0) return failed(problems.join('; '))
  const left = await clearOther(to)
  return left === undefined ? await destroySets(to, desired) : failed(left)
}

/** Those that are not there just so. */
async function makeSets(to: Write, desired: readonly AddressSet[]): Promise<string | undefined> {
  const missing = desired.filter((set) => {
    const standing = to.state.sets?.get(set.name)
    return standing === undefined || !sameSet(standing, set)
  })
  if (missing.length === 0) return undefined
  const ended = await runIpset(to.netns, ['restore', '-exist'], to.signal, restoreSets(missing))
  return ended.kind === 'done' ? undefined : ended.reason
}

/** Rules name them no longer. */
async function destroySets(to: Write, desired: readonly AddressSet[]): Promise<Outcome> {
  const names = new Set(desired.map(({ name }) => name))
  const stale = [...(to.state.sets?.keys() ?? [])].filter((name) => !names.has(name))
  if (stale.length === 0) return { kind: 'done' }
  const text = stale.map((name) => `destroy ${name}\n`).join('')
  const ended = await runIpset(to.netns, ['restore'], to.signal, text)
  return ended.kind === 'done' ? { kind: 'done' } : failed(ended.reason)
}

/** Ours stand by now in the variant of our choice. */
async function clearOther(to: Write): Promise<string | undefined> {
  const { state, programs } = to
  const ended = await Promise.all(
    FAMILIES.filter((family) => holdsOurs(state.other[family])).map(async (family) => {
      const nothing = { family, hooks: { INPUT: [], FORWARD: [], OUTPUT: [] }, chains: new Map(), sets: [] }
      const text = swapText(state.other[family], nothing)
      return (
        (await dropNatRules(to, programs.other, family)) ?? (await commit(to, programs.other, family, text))
      )
    }),
  )
  return ended.find((reason) => reason !== undefined)
}

/**
 * The existing daemon's rules of the nat table go before its chains, which tell of them: so nothing is left where this
 * ends in between.
 */
async function dropNatRules(to: Write, programs: Programs, family: Family): Promise<string | undefined> {
  const filter = (programs === to.programs.own ? to.state.own : to.state.other)[family]
  if (foreignInterfaces(filter).size === 0) return undefined
  try {
    const { saved } = await listTable(to.netns, programs, family, 'nat', to.signal)
    const rules = foreignNatRules(foreignInterfaces(filter), saved.tables.get('nat') ?? new Map())
    const lines = rules.map((words) => `-D PREROUTING ${ruleText(words)}`)
    return lines.length === 0 ? undefined : await commit(to, programs, family, tableText('nat', lines))
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function commit(
  { netns, signal }: Write,
  programs: Programs,
  family: Family,
  text: string | undefined,
): Promise<string | undefined> {
  if (text === undefined) return undefined
  const ended = await restore(netns, programs, family, text, signal)
  return ended.kind === 'done' ? undefined : ended.reason
}

function failed(reason: string): Outcome & { readonly kind: 'failed' } {
  return { kind: 'failed', reason }
}
