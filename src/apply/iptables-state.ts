/** All that stands of iptables' rules in a network namespace and may be ours: by both variants, for both families. */
import { FAMILIES, type Family } from '../compile/address.ts'
import {
  type CountedRule,
  type FilterTable,
  IncompatibleTable,
  parseSaved,
  type Saved,
} from '../compile/iptables/listing.ts'
import { isOurChain } from '../compile/iptables/names.ts'
import { type AddressSet, parseSets } from '../compile/iptables/set.ts'
import { holdsOurs, namesSets } from '../compile/iptables/standing.ts'
import type { ChosenPrograms } from './iptables-choose.ts'
import { type Programs, runIn, runIpset, save } from './iptables-commands.ts'
import type { OpenNetns } from './netns/open-netns.ts'

export interface IptablesState {
  /** The filter tables of the variant that rules are written with. */
  readonly own: Readonly<Record<Family, FilterTable>>
  readonly other: Readonly<Record<Family, FilterTable>>
  /** What its rules have counted. */
  readonly counted: Readonly<Record<Family, readonly CountedRule[]>>
  /** Sets of our names; undefined where there is no ipset, or it does not work and no rule names one. */
  readonly sets: ReadonlyMap<string, AddressSet> | undefined
}

export type Looked =
  | { readonly kind: 'state'; readonly state: IptablesState }
  | {
      readonly kind: 'failed'
      readonly reason: string
      readonly tooLarge: boolean
      readonly costly: boolean
    }

/** Where rules name sets that cannot be listed, that is a failure; whoever can do without them has a look that is `partial`. */
export async function lookAt(
  netns: OpenNetns,
  programs: ChosenPrograms,
  signal: AbortSignal,
  extent: 'whole' | 'partial' = 'whole',
): Promise<Looked> {
  const both = Promise.all([readFamily(netns, programs, 4, signal), readFamily(netns, programs, 6, signal)])
  const sets = runIpset(netns, ['save'], signal)
  try {
    const families = await both
    const ended = await sets
    const tooLarge = ended.kind === 'too-large'
    const state = stateOf(families, ended.kind === 'done' ? ended.stdout : undefined)
    return extent === 'whole' && ended.kind !== 'done' && tablesOf(state).some(namesSets)
      ? { kind: 'failed', reason: ended.reason, tooLarge, costly: tooLarge }
      : { kind: 'state', state }
  } catch (error) {
    await sets
    const tooLarge = error instanceof TooLargeListing
    const reason = error instanceof Error ? error.message : String(error)
    return { kind: 'failed', reason, tooLarge, costly: tooLarge }
  }
}

/** @param ipset what `ipset save` printed; undefined where there is no ipset */
export function stateOf(
  [v4, v6]: readonly [ReadFamily, ReadFamily],
  ipset: string | undefined,
): IptablesState {
  return {
    own: { 4: filterOf(v4.own), 6: filterOf(v6.own) },
    other: { 4: filterOf(v4.other), 6: filterOf(v6.other) },
    counted: { 4: v4.own.counted, 6: v6.own.counted },
    sets: ipset === undefined ? undefined : parseSets(ipset),
  }
}

/** Whether nothing is there that is ours, or the existing daemon's. */
export function isEmpty(state: IptablesState): boolean {
  return !tablesOf(state).some(holdsOurs) && (state.sets?.size ?? 0) === 0
}

export function tablesOf({ own, other }: Pick<IptablesState, 'own' | 'other'>): readonly FilterTable[] {
  return FAMILIES.flatMap((family) => [own[family], other[family]])
}

/** What stands in one family. */
export interface ReadFamily {
  readonly own: Saved
  readonly other: Saved
}

export const NOTHING_SAVED: Saved = { tables: new Map(), counted: [] }

/** Somebody else has made the rules larger than ours can be. */
class TooLargeListing extends Error {}

/** @throws where the table cannot be listed */
export async function listTable(
  netns: OpenNetns,
  programs: Programs,
  family: Family,
  table: string,
  signal: AbortSignal,
): Promise<{ readonly saved: Saved; readonly said: string }> {
  const ended = await save(netns, programs, family, signal, table)
  if (ended.kind === 'too-large') throw new TooLargeListing(ended.reason)
  if (ended.kind !== 'done') throw new Error(ended.reason)
  return { saved: parseSaved(ended.stdout), said: `${ended.stderr}\n${ended.stdout}` }
}

async function readFamily(
  netns: OpenNetns,
  { own, other }: ChosenPrograms,
  family: Family,
  signal: AbortSignal,
): Promise<ReadFamily> {
  const { saved, said } = await listFilter(netns, own, family, signal)
  // The variant of nf_tables says where the other has tables; the legacy one does not know.
  if (own.variant === 'nft' && !/^# Warning: .*-legacy tables present/m.test(said))
    return { own: saved, other: NOTHING_SAVED }
  const beside = await save(netns, other, family, signal, 'filter')
  return { own: saved, other: beside.kind === 'done' ? parseSaved(beside.stdout) : NOTHING_SAVED }
}

/**
 * Of a table that iptables cannot list nft lists the chains: where none is ours, nothing is.
 * @throws where one is, or that cannot be told
 */
async function listFilter(
  netns: OpenNetns,
  own: Programs,
  family: Family,
  signal: AbortSignal,
): ReturnType<typeof listTable> {
  try {
    return await listTable(netns, own, family, 'filter', signal)
  } catch (error) {
    if (!(error instanceof IncompatibleTable)) throw error
    const listed = await runIn(netns, ['nft', 'list', 'chains', family === 4 ? 'ip' : 'ip6'], signal)
    const names = listed.kind === 'done' ? listed.stdout.matchAll(/^\s*chain (\S+) \{/gm) : undefined
    if (names === undefined || [...names].some(([, name = '']) => isOurChain(name))) throw error
    return { saved: NOTHING_SAVED, said: '' }
  }
}

export function filterOf({ tables }: Saved): FilterTable {
  return tables.get('filter') ?? new Map()
}
