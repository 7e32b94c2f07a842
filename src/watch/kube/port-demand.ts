/**
 * Whether some policy needs to know the named ports of pods on other nodes (semantics.md, T4 on egress): only whole
 * objects tell them, so pods are fetched whole only while one does. Asked of all policies, whatever pods they govern: a
 * pod that starts here must not wait for a list of the cluster's pods before its rules are whole.
 */
import type { Clock } from '../../clock.ts'
import { keyOf } from '../../compile/cluster.ts'
import type { ClusterObject, Policy } from '../../compile/model.ts'
import type { SourceEvent } from '../source.ts'

export class PortDemand {
  readonly #needing = new Set<string>()
  readonly #known = Promise.withResolvers<void>()
  #met: 'yes' | 'no' | 'given up' = 'no'
  #onMet: () => void = () => undefined
  #onChange: () => void = () => undefined

  /** The policies were listed once. */
  get known(): Promise<void> {
    return this.#known.promise
  }

  get wanted(): boolean {
    return this.#needing.size > 0
  }

  /** Called whenever `wanted` may have changed. */
  onChange(call: () => void): void {
    this.#onChange = call
  }

  /** What happened to policies. */
  take(events: readonly SourceEvent[]): void {
    for (const event of events) {
      if (event.kind === 'replaced') {
        this.#needing.clear()
        for (const object of event.objects) this.#note(object)
        this.#known.resolve()
      } else if (event.kind === 'changed') this.#note(event.object)
      else if (event.kind === 'deleted') this.#needing.delete(event.key)
    }
    this.#onChange()
  }

  /** The ports of all pods are in the consumer's hands, or are there no longer. */
  set met(met: boolean) {
    if (!met && this.#met !== 'yes') return
    this.#met = met ? 'yes' : 'no'
    if (met) this.#onMet()
  }

  /**
   * Waits until the ports that are wanted are there: a policy that is told before would allow less than it says. Waits
   * no longer than that, and once: when pods cannot be listed, policies are enforced all the same.
   */
  async untilMet(mostMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
    if (!this.wanted || this.#met !== 'no') return
    const over = new AbortController()
    const met = new Promise<void>((resolve) => {
      this.#onMet = resolve
    })
    const late = clock.sleep(mostMs, AbortSignal.any([signal, over.signal])).catch(() => undefined)
    await Promise.race([met, late])
    over.abort()
    if (this.#met === 'no') this.#met = 'given up'
  }

  #note(object: ClusterObject): void {
    if (object.kind !== 'MultiNetworkPolicy') return
    if (needsPortsOfPeers(object)) this.#needing.add(keyOf(object))
    else this.#needing.delete(keyOf(object))
  }
}

/** An egress rule that can mean a pod names a port. */
export function needsPortsOfPeers({ isolates, rules }: Policy): boolean {
  if (!isolates.egress) return false
  return rules.egress.some(
    ({ peers, ports }) =>
      ports.kind === 'only' &&
      ports.ports.some(({ kind }) => kind === 'named') &&
      (peers.kind === 'anyone' || peers.peers.length > 0),
  )
}
