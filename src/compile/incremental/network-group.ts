/** The networks of policies that name the same ones, and which of them count (semantics.md, G3). */
import type { Address } from '../address.ts'
import type { NamespacedName, Pod } from '../model.ts'

export class NetworkGroup {
  readonly key: string
  /** Names the group in its sets' keys, since its own could be long. */
  readonly id: number
  /** How many there are. */
  sets = 0
  readonly #networks: readonly NamespacedName[]
  #counting: ReadonlySet<NamespacedName> = new Set()
  /** Sets ask for the same pod one after the other. */
  #last: { readonly pod: Pod; readonly addresses: readonly Address[] | undefined } | undefined

  constructor(
    key: string,
    id: number,
    networks: readonly NamespacedName[],
    counts: (network: NamespacedName) => boolean,
  ) {
    this.key = key
    this.id = id
    this.#networks = networks
    this.recount(counts)
  }

  get counting(): ReadonlySet<NamespacedName> {
    return this.#counting
  }

  /** @returns those that count now and did not, or did and do not */
  recount(counts: (network: NamespacedName) => boolean): ReadonlySet<NamespacedName> {
    const before = this.#counting
    this.#counting = new Set(this.#networks.filter(counts))
    this.#last = undefined
    return before.symmetricDifference(this.#counting)
  }

  /** The pod's addresses on those that count; undefined where it is on none of them. */
  addressesOf(pod: Pod): readonly Address[] | undefined {
    if (this.#last?.pod !== pod) this.#last = { pod, addresses: this.#look(pod) }
    return this.#last.addresses
  }

  #look(pod: Pod): readonly Address[] | undefined {
    const here = pod.attachments.filter(({ network }) => this.#counting.has(network))
    if (here.length === 0) return undefined
    return here.length === 1 ? here[0]?.addresses : here.flatMap(({ addresses }) => addresses)
  }
}
