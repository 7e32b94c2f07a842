/**
 * How many packets each policy has let pass on this node, and how many were dropped, as the kernel counts them. Read when
 * somebody asks, from every governed pod, so not more often than `FRESH_MS`; and of so many policies only, since each is a
 * series for whoever collects them.
 */
import type { Clock } from '../clock.ts'
import type { Compilation } from '../compile/compilation.ts'
import type { Direction } from '../compile/model.ts'
import type { Backend } from './backend.ts'
import type { NetnsLocator } from './netns/locate.ts'

export interface PolicyCounter {
  /** `namespace/name` of the policy; of drops, the pod's namespace. */
  readonly namespace: string
  /** Empty for drops, and for the policies beyond `MOST_POLICIES`. */
  readonly policy: string
  readonly direction: Direction
  readonly verdict: 'accept' | 'drop'
  packets: number
  bytes: number
}

const FRESH_MS = 30_000
const MOST_POLICIES = 1_000

export interface PolicyCountersOptions {
  readonly backend: Backend<unknown>
  readonly locator: NetnsLocator
  readonly compilation: () => Compilation
  readonly clock: Clock
  readonly signal: AbortSignal
}

export class PolicyCounters {
  readonly #options: PolicyCountersOptions
  #read: { readonly at: number; readonly counters: Promise<readonly PolicyCounter[]> } | undefined

  constructor(options: PolicyCountersOptions) {
    this.#options = options
  }

  /** Pods that cannot be read are left out. */
  async counters(): Promise<readonly PolicyCounter[]> {
    const now = this.#options.clock.now()
    if (this.#read === undefined || now - this.#read.at > FRESH_MS)
      this.#read = { at: now, counters: this.#readAll() }
    return await this.#read.counters
  }

  async #readAll(): Promise<readonly PolicyCounter[]> {
    const { backend, locator, compilation, signal } = this.#options
    const sums = new Map<string, PolicyCounter>()
    for (const { pod, ruleset } of compilation().targets.values()) {
      if (ruleset === undefined) continue
      const located = await locator.locate(pod, signal)
      if (located.kind !== 'found') continue
      await using netns = located.netns
      const found = await backend.read(netns, signal)
      if (found.kind !== 'listed') continue
      for (const { rule, chain, packets, bytes } of backend.counters(found.listed))
        add(sums, whose(rule, chain, pod.namespace), packets, bytes)
    }
    return [...sums.values()]
  }
}

type Whose = Omit<PolicyCounter, 'packets' | 'bytes'>

/** @param rule a rule's comment: `ns/policy ingress[0]`, or that no policy allows it */
function whose(rule: string, chain: string, podNamespace: string): Whose | undefined {
  const [, namespace = '', policy = '', direction] =
    /^([^/ ]+)\/([^ ]+) (ingress|egress)\[[0-9]+\]$/.exec(rule) ?? []
  // Root in the pod can write rules with any comment; policies of other namespaces never govern it.
  if (direction !== undefined && namespace !== podNamespace) return undefined
  if (direction !== undefined)
    return { namespace, policy, direction: direction as Direction, verdict: 'accept' }
  if (rule !== 'no policy allows it') return undefined
  const dropped = /egress/i.test(chain) ? 'egress' : 'ingress'
  return { namespace: podNamespace, policy: '', direction: dropped, verdict: 'drop' }
}

function add(sums: Map<string, PolicyCounter>, of: Whose | undefined, packets: number, bytes: number): void {
  if (of === undefined) return
  const { namespace, policy, direction, verdict } = of
  const full = sums.size >= MOST_POLICIES && policy !== ''
  const wanted = `${namespace}/${policy} ${direction} ${verdict}`
  const key = sums.has(wanted) || !full ? wanted : ` / ${direction} ${verdict}`
  const known = sums.get(key) ?? {
    ...of,
    ...(key === wanted ? {} : { namespace: '', policy: '' }),
    packets: 0,
    bytes: 0,
  }
  sums.set(key, known)
  known.packets += packets
  known.bytes += bytes
}
