/**
 * Where a pod's network namespace is by the annotation `multi-networkpolicyd/netns`, where there is no runtime to ask;
 * search-locator.ts asks one.
 *
 * Whoever may edit a pod may write the annotation. So where there is a runtime it is not read at all; and of two pods that
 * claim one namespace the elder has it, or the one whose rules stand there.
 */
import { nameOf, type Pod } from '../../compile/model.ts'
import type { HostView } from './cri-host.ts'
import { identityText, type Located, openNetns } from './open-netns.ts'

export interface NetnsLocator {
  locate(pod: Pod, signal: AbortSignal): Promise<Located>
}

/** Reads the annotation. @param localPods the pods of this node, to tell who else claims a namespace. */
export function annotationLocator(view: HostView, localPods: () => Iterable<Pod>): NetnsLocator {
  return {
    async locate(pod) {
      if (pod.netns === undefined) {
        return {
          kind: 'absent',
          reason: 'no container runtime is known and no annotation multi-networkpolicyd/netns',
        }
      }
      const located = await openNetns(await view.resolve(pod.netns), view)
      if (located.kind !== 'found') return located
      const elder = await elderClaimant(pod, located.netns.id, view, localPods())
      if (elder === undefined) return located
      await located.netns[Symbol.asyncDispose]()
      return {
        kind: 'absent',
        reason: `${pod.netns} is the network namespace of pod ${nameOf(elder)}, which is older`,
      }
    },
  }
}

async function elderClaimant(
  pod: Pod,
  id: string,
  view: HostView,
  pods: Iterable<Pod>,
): Promise<Pod | undefined> {
  for (const other of pods) {
    if (other.netns === undefined || nameOf(other) === nameOf(pod) || !isElder(other, pod)) continue
    const found = await view.identify(await view.resolve(other.netns))
    if (found.kind === 'netns' && identityText(found.identity) === id) return other
  }
  return undefined
}

function isElder(a: Pod, b: Pod): boolean {
  return a.createdAt !== b.createdAt ? a.createdAt < b.createdAt : nameOf(a) < nameOf(b)
}
