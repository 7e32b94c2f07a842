/**
 * Where a pod's network namespace is by the annotation `multi-networkpolicyd/netns`, where there is no runtime to ask and the
 * operator has said that it counts; search-locator.ts asks a runtime.
 *
 * Whoever may edit a pod may write the annotation. So of several pods that claim one namespace one has it: who was known to
 * have it, else whose rules stand there, else the eldest. So neither an elder pod whose annotation is edited, nor root in the
 * pod with another one's help, takes it from who had it.
 */
import { nameOf, type Pod } from '../../compile/model.ts'
import type { HostView } from './cri-host.ts'
import { instanceOf } from './instance.ts'
import { identityText, type Located, type OpenNetns, openNetns } from './open-netns.ts'
import type { Owner } from './search.ts'

export interface NetnsLocator {
  locate(pod: Pod, signal: AbortSignal): Promise<Located>
}

export interface AnnotationOptions {
  readonly view: HostView
  /** The pods of this node, governed or not: who else may claim a namespace. */
  readonly localPods: () => Iterable<Pod>
  readonly ownerOf: (netns: OpenNetns, pod: Pod, signal: AbortSignal) => Promise<Owner>
}

/** Reads the annotation. */
export function annotationLocator({ view, localPods, ownerOf }: AnnotationOptions): NetnsLocator {
  const holders = new Holders()
  const identities = recentIdentities(view)

  async function holderOf(
    netns: OpenNetns,
    claimants: readonly Pod[],
    signal: AbortSignal,
  ): Promise<Holder | 'unreadable'> {
    const before = holders.find(claimants, netns)
    if (before !== undefined) return before
    for (const pod of claimants) {
      const owner = await ownerOf(netns, pod, signal)
      if (owner === 'this pod') return { pod, why: 'whose rules stand there' }
      if (owner === 'unreadable') return 'unreadable'
    }
    const eldest = claimants.reduce((a, b) => (isElder(b, a) ? b : a))
    return { pod: eldest, why: 'which is older' }
  }

  return {
    async locate(pod, signal) {
      if (pod.netns === undefined)
        return { kind: 'absent', reason: `${NO_RUNTIME} and no annotation ${NAME}` }
      const located = await openNetns(await view.resolve(pod.netns), view)
      if (located.kind !== 'found') return located
      await using held = new AsyncDisposableStack()
      const netns = held.use(located.netns)
      const rivals = await claimantsOf(netns.id, identities, localPods(), pod)
      const holder: Holder | 'unreadable' =
        rivals.length === 0
          ? { pod, why: 'which had it before' }
          : await holderOf(netns, [pod, ...rivals], signal)
      if (holder === 'unreadable') {
        const others = rivals.map(nameOf).join(', ')
        const reason = `${pod.netns} is claimed by ${others} too, and it cannot be read whose rules stand there`
        return { kind: 'unknown', reason }
      }
      if (holder.pod !== pod)
        return { kind: 'absent', reason: `${pod.netns} is that of pod ${nameOf(holder.pod)}, ${holder.why}` }
      holders.set(holder, netns, localPods)
      held.move()
      return located
    },
  }
}

const NAME = 'multi-networkpolicyd/netns'
const NO_RUNTIME = 'no container runtime is known'

/** Where there is no runtime, and the annotation does not count. */
export const noLocator: NetnsLocator = {
  async locate({ netns }) {
    const unread = netns === undefined ? '' : `; its annotation ${NAME} counts only with --netns-annotation`
    return { kind: 'absent', reason: `${NO_RUNTIME}${unread}` }
  },
}

interface Holder {
  readonly pod: Pod
  /** Behind its name in a sentence. */
  readonly why: string
}

/** Which namespace each pod was last found to have, as far as its inode is held. */
class Holders {
  readonly #held = new Map<string, { readonly instance: string; readonly why: string }>()

  find(claimants: readonly Pod[], netns: OpenNetns): Holder | undefined {
    const instance = instanceOf(netns, undefined)
    const pod = claimants.find((each) => this.#held.get(keyOf(each))?.instance === instance)
    const held = pod && this.#held.get(keyOf(pod))
    return held && { pod, why: held.why }
  }

  /** Why it has it stays what it was at first. */
  set({ pod, why }: Holder, netns: OpenNetns, localPods: () => Iterable<Pod>): void {
    const instance = instanceOf(netns, undefined)
    const key = keyOf(pod)
    if (instance === undefined || this.#held.get(key)?.instance === instance) return
    for (const [other, held] of this.#held) if (held.instance === instance) this.#held.delete(other)
    this.#held.set(key, { instance, why })
    this.#forgetGone([...localPods()])
  }

  #forgetGone(pods: readonly Pod[]): void {
    if (this.#held.size <= pods.length) return
    const here = new Set(pods.map(keyOf))
    for (const key of this.#held.keys()) if (!here.has(key)) this.#held.delete(key)
  }
}

/** The other pods whose annotation leads to that namespace. */
async function claimantsOf(
  id: string,
  identityAt: IdentityAt,
  pods: Iterable<Pod>,
  pod: Pod,
): Promise<readonly Pod[]> {
  const claimants: Pod[] = []
  for (const other of pods) {
    if (other.netns === undefined || other === pod) continue
    const identity = identityAt(other.netns)
    // Mostly it is known, and a hundred turns of the queue cost more than all the rest.
    const isSame = (identity instanceof Promise ? await identity : identity) === id
    if (isSame && nameOf(other) !== nameOf(pod)) claimants.push(other)
  }
  return claimants
}

/** Which namespace is at a path; undefined where none is. */
type IdentityAt = (path: string) => Promise<string | undefined> | string | undefined

/** How long what was seen at a path counts, in ms: pods come together, and each is held against all others. */
const RECENT_MS = 200

function recentIdentities(view: HostView): IdentityAt {
  let since = Number.NEGATIVE_INFINITY
  let seen = new Map<string, Promise<string | undefined> | string | undefined>()
  const look = async (path: string, into: typeof seen): Promise<string | undefined> => {
    const found = await view.identify(await view.resolve(path))
    const identity = found.kind === 'netns' ? identityText(found.identity) : undefined
    into.set(path, identity)
    return identity
  }
  return (path) => {
    const now = performance.now()
    if (now - since > RECENT_MS) {
      seen = new Map()
      since = now
    }
    if (!seen.has(path)) seen.set(path, look(path, seen))
    return seen.get(path)
  }
}

function isElder(a: Pod, b: Pod): boolean {
  return a.createdAt !== b.createdAt ? a.createdAt < b.createdAt : nameOf(a) < nameOf(b)
}

/** A pod of the same name made anew is another one. */
function keyOf(pod: Pod): string {
  return `${nameOf(pod)} ${pod.uid}`
}
