/**
 * The pods that a rule's peers stand for, with their addresses on the policy's networks, kept up to date pod by pod.
 * Rules whose peers read the same share one. A set does not know why a pod is in it: `MemberIndex` does.
 */
import { type Address, type AddressRange, addressValue, familyOf } from '../address.ts'
import { AddressList } from '../address-list.ts'
import {
  type Endpoints,
  endpointMembers,
  fewAddresses,
  type NamedPort,
  portKey,
  resolveEndpoints,
  wantedPorts,
} from '../allow.ts'
import type { Member } from '../members.ts'
import type { Pod } from '../model.ts'
import type { Selector } from '../selector.ts'
import { equal } from './equal.ts'
import type { NetworkGroup } from './network-group.ts'
import type { RuleRecord } from './rule-record.ts'
import type { Scope } from './scope.ts'

/** One way into a set. */
export interface MemberEntry {
  readonly set: MemberSet
  readonly scope: Scope
  /** Of pods. */
  readonly selector: Selector
  /** Only the addresses in these ranges, merged: all ipBlocks of the rule. */
  readonly within: readonly AddressRange[] | undefined
}

export class MemberSet {
  readonly key: string
  readonly group: NetworkGroup
  /** Only pods that have one of these ports are in the set; undefined: whatever ports they have. */
  readonly names: readonly NamedPort[] | undefined
  /** Those who are to know when it changes. */
  readonly users: Set<RuleRecord> = new Set()
  entries: readonly MemberEntry[] = []
  readonly #members = new Map<Pod, readonly Address[]>()
  readonly #addresses = new AddressList()
  readonly #addressless = new Set<Pod>()
  readonly #wanted: ReadonlySet<string> | undefined
  /** Those of the addresses that are used, while there are no others. */
  #few: { readonly of: readonly Address[]; readonly addresses: readonly Address[] } | undefined
  #endpoints: Endpoints | undefined

  constructor(key: string, group: NetworkGroup, names: readonly NamedPort[] | undefined) {
    this.key = key
    this.group = group
    this.names = names
    this.#wanted = names && wantedPorts(names)
  }

  /** Sorted, no duplicates; the same array until they change. Not kept where `names` are asked for. */
  get addresses(): readonly Address[] {
    const of = this.#addresses.sorted
    if (this.#few?.of !== of) this.#few = { of, addresses: fewAddresses([...this.members()], of) }
    return this.#few.addresses
  }

  /** How many there are, those included that are too many. */
  get addressCount(): number {
    return this.#addresses.sorted.length
  }

  /** Where `names` are asked for; the same object until they change. */
  get endpoints(): Endpoints {
    this.#endpoints ??= resolveEndpoints(endpointMembers(this.members()), this.#wanted ?? new Set())
    return this.#endpoints
  }

  /** Members of which no address is known. */
  get addressless(): ReadonlySet<Pod> {
    return this.#addressless
  }

  *members(): Generator<Member> {
    for (const [pod, addresses] of this.#members) yield { pod, addresses }
  }

  /**
   * A pod as it was, undefined for a new one, becomes another, undefined where it is gone or is in the set by no entry.
   * @returns whether that may make a difference to anyone
   */
  replace(before: Pod | undefined, after: Pod | undefined, by: MemberEntry | undefined): boolean {
    const had = before && this.#members.get(before)
    const has = after && by && this.#contribution(after, by)
    if (before !== undefined && before !== after) this.#members.delete(before)
    if (after !== undefined && has !== undefined) this.#members.set(after, has)
    else if (after !== undefined) this.#members.delete(after)
    this.#noteAddressless(before, after, has)
    if (had === undefined && has === undefined) return false
    this.#endpoints = undefined
    if (had !== undefined && has !== undefined && equal(had, has)) {
      return this.names !== undefined && !equal(before?.ports, after?.ports)
    }
    if (this.names === undefined) {
      for (const address of has ?? []) this.#addresses.add(address)
      for (const address of had ?? []) this.#addresses.remove(address)
    }
    return true
  }

  #noteAddressless(
    before: Pod | undefined,
    after: Pod | undefined,
    has: readonly Address[] | undefined,
  ): void {
    if (before !== undefined) this.#addressless.delete(before)
    if (after !== undefined && has?.length === 0) this.#addressless.add(after)
  }

  #contribution(pod: Pod, { within }: MemberEntry): readonly Address[] | undefined {
    const wanted = this.#wanted
    if (wanted !== undefined && !pod.ports.some((port) => wanted.has(portKey(port)))) return undefined
    const addresses = this.group.addressesOf(pod)
    if (within === undefined) return addresses
    const inside = addresses?.filter((address) => includes(within, address)) ?? []
    return inside.length > 0 ? inside : undefined
  }
}

/** @param ranges merged: ascending, IPv4 first, so that only the last that begins at or before the address can have it */
function includes(ranges: readonly AddressRange[], address: Address): boolean {
  const [family, value] = [familyOf(address), addressValue(address)]
  let [low, high] = [0, ranges.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const range = ranges[middle]
    const isAfter =
      range === undefined || range.family > family || (range.family === family && range.first > value)
    if (isAfter) high = middle
    else low = middle + 1
  }
  const range = ranges[low - 1]
  return range !== undefined && range.family === family && value <= range.last
}
