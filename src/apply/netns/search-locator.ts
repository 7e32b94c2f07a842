/**
 * Where a pod's network namespace is on a node with a container runtime: as the runtime says, and found otherwise
 * (search.ts) only while it says nothing. A new pod gets its rules that way before the runtime lists its sandbox, so
 * before its first process; and what is edited while the runtime is down is enforced all the same.
 */
import type { NetnsAccess } from 'nftables-json/netns'
import type { ContainerRuntime, SandboxLookup } from './cri.ts'
import type { HostView } from './cri-host.ts'
import type { NetnsLocator } from './locate.ts'
import { type Located, openNetns } from './open-netns.ts'
import { RecentAnswers } from './recent-answers.ts'
import type { NetnsSearch, Silence } from './search.ts'

export interface SearchingLocatorOptions {
  readonly runtime: ContainerRuntime
  readonly view: HostView
  readonly search: NetnsSearch
  /** How long an answer is waited for before it is searched, ms. */
  readonly patienceMs?: number
  /** What tells one namespace from a later one, where it can be had. */
  readonly access?: NetnsAccess | undefined
}

/** What the gate hears of the runtime is handed on to the search. */
export interface SearchingLocator extends NetnsLocator, Pick<NetnsSearch, 'announced'> {
  /** What the runtime has said may hold no longer: it is asked again. */
  doubt(): void
}

/** Once the runtime has kept somebody waiting, until it answers again. */
const SHORT_PATIENCE_MS = 100

export function searchingLocator({
  runtime,
  view,
  search,
  patienceMs = 1_000,
  access,
}: SearchingLocatorOptions): SearchingLocator {
  const recent = new RecentAnswers(view, access)
  let patience = patienceMs
  async function ask(
    pod: Parameters<NetnsLocator['locate']>[0],
    signal: AbortSignal,
  ): Promise<SandboxLookup> {
    const { namespace, name, uid, runtimeUid } = pod
    const waited = AbortSignal.timeout(patience)
    const both = AbortSignal.any([signal, waited])
    const own = await runtime.sandboxOf({ namespace, name, uid }, both)
    // The other UID is an annotation's word: it is for static pods, which the runtime does not know by their mirror's.
    const answer =
      own.kind === 'no-sandbox' && runtimeUid !== uid
        ? await runtime.sandboxOf({ namespace, name, uid: runtimeUid }, both)
        : own
    patience = waited.aborted ? Math.min(SHORT_PATIENCE_MS, patienceMs) : patienceMs
    return answer
  }
  return {
    async announced(name, runtimeUid, path) {
      recent.forget(name)
      await search.announced(name, runtimeUid, path)
    },
    doubt: () => recent.clear(),
    async locate(pod, signal) {
      const before = await recent.open(pod)
      if (before !== undefined) return { kind: 'found', netns: before }
      const { doubts } = recent
      const sandbox = await ask(pod, signal)
      const find = async (silence: Silence, why: string): Promise<Located> => {
        const located = await search.find(pod, silence, signal)
        return located.kind === 'found' ? located : { ...located, reason: `${why}; ${located.reason}` }
      }
      switch (sandbox.kind) {
        case 'found': {
          const located = await openNetns(sandbox.path, view, sandbox.netns)
          if (located.kind !== 'found') return located
          const netns = { path: sandbox.path, identity: sandbox.netns }
          search.told(pod, netns)
          if (recent.doubts === doubts) recent.note(pod, netns, located.netns)
          return located
        }
        case 'no-sandbox':
          return find('no sandbox yet', 'the container runtime has no ready sandbox for the pod')
        case 'host-network':
          return { kind: 'absent', reason: 'its sandbox uses the network namespace of the node' }
        case 'unavailable':
          return find('no answer', `the container runtime does not tell: ${sandbox.reason}`)
        default:
          return sandbox satisfies never
      }
    },
  }
}
