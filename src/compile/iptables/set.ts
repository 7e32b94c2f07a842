/**
 * Sets of addresses in the kernel, for peers too many for a rule each. A set's name is a digest of what it holds, so it
 * never changes: rules that are swapped bring new sets with them, and sets that no rule names any longer are destroyed.
 *
 *     create mnpd-1f0c2a… hash:ip family inet maxelem 65536
 *     add mnpd-1f0c2a… 10.1.0.2
 */
import { createHash } from 'node:crypto'
import type { Family } from '../address.ts'

export interface AddressSet {
  /** At most 31 bytes, as ipset has it. */
  readonly name: string
  readonly type: SetType
  readonly family: Family
  /** As ipset prints them: `10.1.0.2`, `10.1.0.0/24`, `10.1.0.2,tcp:80`; sorted, no duplicates. */
  readonly elements: readonly string[]
}

export type SetType = 'hash:ip' | 'hash:net' | 'hash:ip,port'

/** What all names of our sets begin with. */
const SET_PREFIX = 'mnpd-'

/** ipset's own default, and the least that is asked for. */
const LEAST_MAXELEM = 65_536

export function addressSet(type: SetType, family: Family, all: readonly string[]): AddressSet {
  const elements = [...new Set(all)].sort()
  const digest = createHash('sha256')
    .update(`${type} ${family} ${elements.join(' ')}`)
    .digest('hex')
  return { name: `${SET_PREFIX}${digest.slice(0, 24)}`, type, family, elements }
}

export function isOurSet(name: string): boolean {
  return name.startsWith(SET_PREFIX)
}

/** Whether a set that stands has just what it should have. */
export function sameSet(a: AddressSet, b: AddressSet): boolean {
  return a.type === b.type && a.family === b.family && a.elements.join() === b.elements.join()
}

/**
 * What `ipset restore -exist` reads to have the sets as they should be, whatever stands under their names: each is filled
 * under another name first and takes its place in one step, since rules may refer to it already.
 */
export function restoreSets(sets: readonly AddressSet[]): string {
  return sets.flatMap(restoreSet).join('')
}

/** The sets as `ipset restore` makes them where there are none yet. */
export function setsText(sets: readonly AddressSet[]): string {
  return sets.flatMap((set) => fill(set, set.name)).join('')
}

function restoreSet(set: AddressSet): readonly string[] {
  const filling = `${set.name}+`
  return [
    create(set, set.name),
    create(set, filling),
    `flush ${filling}\n`,
    ...set.elements.map((element) => `add ${filling} ${element}\n`),
    `swap ${filling} ${set.name}\n`,
    `destroy ${filling}\n`,
  ]
}

function fill(set: AddressSet, name: string): readonly string[] {
  return [create(set, name), ...set.elements.map((element) => `add ${name} ${element}\n`)]
}

function create({ type, family, elements }: AddressSet, name: string): string {
  const most = Math.max(LEAST_MAXELEM, elements.length)
  return `create ${name} ${type} family ${family === 4 ? 'inet' : 'inet6'} maxelem ${most}\n`
}

/** What `ipset save` prints: our sets by name. Those of the application are left out. */
export function parseSets(saved: string): ReadonlyMap<string, AddressSet> {
  const sets = new Map<string, AddressSet & { readonly elements: string[] }>()
  for (const line of saved.split('\n')) {
    const [verb, name = '', what = '', ...options] = line.split(' ')
    if (!isOurSet(name)) continue
    if (verb === 'add')
      sets.get(name)?.elements.push(options.length === 0 ? what : `${what} ${options.join(' ')}`)
    if (verb !== 'create') continue
    const family = options[options.indexOf('family') + 1] === 'inet6' ? 6 : 4
    sets.set(name, { name, type: what as SetType, family, elements: [] })
  }
  for (const { elements } of sets.values()) elements.sort()
  return sets
}
