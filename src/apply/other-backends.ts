/**
 * What backends other than the chosen one have in a pod's network namespace, as after `--backend` was changed: it tells what
 * was governed, and goes once the chosen one's rules stand.
 */
import { type NamespacedName, nameOf, type Pod } from '../compile/model.ts'
import type { Backend, Found, Governed } from './backend.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import { type OwnerOptions, otherOwner } from './owner.ts'

export interface OtherBackendsOptions extends OwnerOptions {
  readonly others: readonly Backend<unknown>[]
}

interface Standing {
  readonly by: Backend<unknown>
  readonly found: Found<unknown>
}

export class OtherBackends {
  readonly #options: OtherBackendsOptions

  constructor(options: OtherBackendsOptions) {
    this.#options = options
  }

  async governed(pod: Pod, netns: OpenNetns, signal: AbortSignal): Promise<Governed> {
    const governed = new Map<string, readonly NamespacedName[] | 'unknown'>()
    for await (const { by, found } of this.#standing(pod, netns, signal)) {
      if (found.kind !== 'listed') continue
      for (const [name, networks] of by.governedBy(found.listed)) governed.set(name, networks)
    }
    return governed
  }

  /** The chosen backend's rules stand by now, or nothing should. @returns why something is left */
  async clear(pod: Pod, netns: OpenNetns, signal: AbortSignal): Promise<string | undefined> {
    for await (const { by, found } of this.#standing(pod, netns, signal)) {
      // What is larger than any daemon's rules is the pod's own.
      if (found.kind === 'absent' || (found.kind === 'failed' && found.tooLarge === true)) continue
      const cleared = await by.clear(netns, signal)
      if (cleared.kind === 'failed') return `the ${by.name} rules of before are left: ${cleared.reason}`
    }
    return undefined
  }

  /** Less what is another pod's. */
  async *#standing(pod: Pod, netns: OpenNetns, signal: AbortSignal): AsyncGenerator<Standing> {
    for (const by of this.#options.others) {
      const found = await by.read(netns, signal)
      const owner = await otherOwner(this.#options, by, found, netns, nameOf(pod), signal)
      if (owner === undefined) yield { by, found }
    }
  }
}
