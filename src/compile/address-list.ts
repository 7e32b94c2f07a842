/**
 * Addresses of members, sorted, kept so while members come and go. Several members may hold one address; it stays until
 * the last of them is gone.
 */
import { type Address, addressValue, familyOf, sortAddresses } from './address.ts'

export class AddressList {
  #sorted: readonly Address[] = []
  /** Holders beyond the first, of the few addresses that have some. */
  readonly #others = new Map<Address, number>()
  /** Whether an address should be in the list, where that was said since the list was last put in order. */
  readonly #pending = new Map<Address, boolean>()

  add(address: Address): void {
    if (this.#has(address)) this.#others.set(address, (this.#others.get(address) ?? 0) + 1)
    else this.#pending.set(address, true)
  }

  /** Takes back one `add`. */
  remove(address: Address): void {
    const others = this.#others.get(address) ?? 0
    if (others > 1) this.#others.set(address, others - 1)
    else if (others === 1) this.#others.delete(address)
    else this.#pending.set(address, false)
  }

  /** In the order of `sortAddresses`, without duplicates; the same array until the addresses are others. */
  get sorted(): readonly Address[] {
    if (this.#pending.size > 0) this.#sorted = this.#inOrder()
    this.#pending.clear()
    return this.#sorted
  }

  #has(address: Address): boolean {
    return this.#pending.get(address) ?? find(this.#sorted, address).found
  }

  /** A few changes cost a copy; many are sorted anew. */
  #inOrder(): readonly Address[] {
    if (this.#pending.size > this.#sorted.length / 8) {
      const staying = this.#sorted.filter((address) => !this.#pending.has(address))
      const coming = [...this.#pending].filter(([, present]) => present).map(([address]) => address)
      return sortAddresses([...staying, ...coming])
    }
    let sorted: Address[] | undefined
    for (const [address, present] of this.#pending) {
      const { place, found } = find(sorted ?? this.#sorted, address)
      if (found === present) continue
      sorted ??= [...this.#sorted]
      if (present) sorted.splice(place, 0, address)
      else sorted.splice(place, 1)
    }
    return sorted ?? this.#sorted
  }
}

/** Where the address stands, or would. */
function find(
  sorted: readonly Address[],
  address: Address,
): { readonly place: number; readonly found: boolean } {
  const isBefore = comparisonWith(address)
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const there = sorted[middle]
    if (there === address) return { place: middle, found: true }
    if (there !== undefined && isBefore(there)) low = middle + 1
    else high = middle
  }
  return { place: low, found: false }
}

function comparisonWith(address: Address): (other: Address) => boolean {
  const [family, value] = [familyOf(address), addressValue(address)]
  return (other) => (familyOf(other) === family ? addressValue(other) < value : familyOf(other) < family)
}
