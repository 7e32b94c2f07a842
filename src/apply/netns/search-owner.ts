/** Whose rules stand in a namespace, as the rules themselves say, of whichever kind they are. */
import { nameOf, type Pod } from '../../compile/model.ts'
import type { Backend } from '../backend.ts'
import type { OpenNetns } from './open-netns.ts'
import type { Owner } from './search.ts'

type Standing = Pick<Backend<unknown>, 'read' | 'isOwnedBy'>

/** @param backends the one in use first; rules that another left say whose the namespace is just as well */
export function ownerBy(
  backends: readonly Standing[],
): (netns: OpenNetns, pod: Pod, signal: AbortSignal) => Promise<Owner> {
  return async (netns, pod, signal) => {
    for (const { read, isOwnedBy } of backends) {
      const found = await read(netns, signal)
      if (found.kind === 'failed') return 'unreadable'
      const owned = found.kind === 'listed' ? isOwnedBy(found.listed, nameOf(pod)) : undefined
      if (owned !== undefined) return owned ? 'this pod' : 'another pod'
    }
    return 'none'
  }
}
