/**
 * A pod's network namespace while the container runtime does not tell it: because it is down or slow, or because the
 * sandbox is just being made, which is when multus has written network-status and no process of the pod runs yet.
 *
 * Network-status is a claim: whoever may edit pod A can make it tell of the interfaces of pod B. Found by that alone, A's
 * rules could go into B's namespace, in place of B's. So:
 *
 * - What the runtime says always counts. Nothing is searched for where it has named a namespace, or says that the pod
 *   is on the node's network.
 * - While the runtime is silent the kernel is asked first: the pod's processes are in a control group that carries its
 *   UID (search-processes.ts), and nothing that a tenant writes leads there. A UID that comes from an annotation, as a
 *   static pod's does, counts only where no other pod has it.
 * - Otherwise every interface that network-status names has to stand under that name with that MAC address and those
 *   addresses, and in one namespace only. The kernel gives MAC addresses at random, so this finds the right one; what
 *   follows is for those who copy one.
 * - A namespace that the runtime has said to be another pod's, or whose rules say so, is another pod's. So is one that
 *   holds a MAC address which another pod's network-status tells of, unless the runtime or the rules say that it is
 *   this pod's: of two who claim one thing neither has it, and the Issue says so. The elder is not favoured, since an
 *   elder pod's annotation can be edited too.
 * - eth0 is the cluster network's, which multus never tells of as another's: a pod without secondary interfaces could
 *   be claimed by it.
 * - What is found is opened, and its links are listed again through the open file, before it is handed out.
 *
 * Refused is never `found elsewhere`: where the runtime is silent nothing is known, so all that stands is left alone.
 * What remains: a namespace that is no pod's and of which no runtime knows can be claimed by whoever knows its MAC
 * addresses. The claimant's own pod then goes without until the runtime is back.
 */
import { type NamespacedName, nameOf, type Pod } from '../../compile/model.ts'
import type { HostView } from './cri-host.ts'
import { listNamespaces, type NamedNetns, NETNS_DIRECTORIES } from './netns-directory.ts'
import { identityText, type Located, type OpenNetns, openNetns } from './open-netns.ts'
import { SearchCache } from './search-cache.ts'
import { isAttached, isRealMac, type LinkTable, listLinks, tellsOfAny } from './search-links.ts'
import { openNetnsOfProcesses } from './search-processes.ts'

/** Whose rules stand in a namespace: `none` where none do, or they do not say. */
export type Owner = 'this pod' | 'another pod' | 'none' | 'unreadable'

export interface SearchOptions {
  readonly view: HostView
  /** The pods of this node, governed or not: who else may claim a namespace. */
  readonly localPods: () => Iterable<Pod>
  readonly ownerOf: (netns: OpenNetns, pod: Pod, signal: AbortSignal) => Promise<Owner>
  /** On the node. */
  readonly directories?: readonly string[]
  /** ms, monotonic. */
  readonly now?: () => number
}

/** Why it is searched: the runtime does not answer, or it answers that it has no sandbox for the pod yet. */
export type Silence = 'no answer' | 'no sandbox yet'

export interface NetnsSearch {
  /** `unknown` where the runtime is silent and nothing certain was found, `absent` where it has no sandbox either. */
  find(pod: Pod, silence: Silence, signal: AbortSignal): Promise<Located>
  /** The runtime has said that the namespace is the pod's. */
  told(pod: Pod, netns: NamedNetns): void
  /** The same before CRI tells it, by a CNI plugin that the runtime runs (gate.ts); the path as this process opens it. */
  announced(name: NamespacedName, runtimeUid: string, path: string): Promise<void>
}

export function netnsSearch(options: SearchOptions): NetnsSearch {
  const { view, directories = NETNS_DIRECTORIES, now = () => performance.now() } = options
  const told = new Map<string, NamedNetns>()
  const cache = new SearchCache({
    list: () => listNamespaces(view, directories),
    told: () => told.values(),
    view,
    now,
  })
  const announced = new Map<string, NamedNetns>()

  async function find(pod: Pod, silence: Silence, signal: AbortSignal): Promise<Located> {
    const nothing = silence === 'no answer' ? 'unknown' : 'absent'
    const refuse = (reason: string): Located => ({ kind: nothing, reason })
    const word = announced.get(wordOf(nameOf(pod), pod.runtimeUid))
    const there = word && (await openNetns(word.path, view, word.identity))
    if (there?.kind === 'found') return there
    if (silence === 'no answer' && hasOwnUid(pod, options.localPods())) {
      const netns = await openNetnsOfProcesses(pod.runtimeUid, view)
      if (netns !== undefined) return { kind: 'found', netns }
    }
    const claim = claimOf(pod)
    if (claim.kind === 'none') return refuse(claim.reason)
    const mine = told.get(keyOf(pod))
    const before = mine && (await look(mine, pod, claim.attachments, signal))
    if (before?.kind === 'found') return before
    const fits = (links: LinkTable): boolean => claim.attachments.every((each) => isAttached(each, links))
    const [candidate, second] = await cache.matching(fits, signal)
    if (candidate === undefined) return refuse('no network namespace has the interfaces of network-status')
    if (second !== undefined)
      return refuse(`${candidate.path} and ${second.path} both have the interfaces of network-status`)
    const located = await look(candidate, pod, claim.attachments, signal)
    return located.kind === 'found' ? located : refuse(located.reason)
  }

  /** Opens it, if it is still there and nothing says that it is not the pod's. */
  async function look(
    candidate: NamedNetns,
    pod: Pod,
    attachments: Pod['attachments'],
    signal: AbortSignal,
  ): Promise<Located> {
    const located = await openNetns(candidate.path, view, candidate.identity)
    if (located.kind !== 'found') return located
    await using held = new AsyncDisposableStack()
    const wrong = await objection(pod, held.use(located.netns), attachments, signal)
    if (wrong !== undefined) return { kind: 'absent', reason: `${candidate.path}: ${wrong}` }
    held.move()
    return located
  }

  /** Why the namespace is not to be taken for the pod's after all. */
  async function objection(
    pod: Pod,
    netns: OpenNetns,
    attachments: Pod['attachments'],
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const others = [...options.localPods()].filter((each) => each.alive && nameOf(each) !== nameOf(pod))
    const known = others.find((each) => toldId(each) === netns.id)
    if (known !== undefined)
      return `the container runtime has said that it is the one of pod ${nameOf(known)}`
    const [[links], owner] = await Promise.all([
      listLinks([netns.path], signal),
      options.ownerOf(netns, pod, signal),
    ])
    if (links === undefined || !attachments.every((each) => isAttached(each, links)))
      return 'it no longer has the interfaces of network-status'
    if (owner === 'unreadable') return 'it cannot be read whose rules stand there'
    if (owner === 'another pod') return "another pod's rules stand there"
    if (owner === 'this pod' || toldId(pod) === netns.id) return undefined
    const rival = others.find((each) => tellsOfAny(each.attachments, links))
    return rival && `pod ${nameOf(rival)} claims it too`
  }

  function toldId(pod: Pod): string | undefined {
    const netns = told.get(keyOf(pod))
    return netns && identityText(netns.identity)
  }

  return {
    find,
    async announced(name, runtimeUid, path) {
      const file = await view.identify(path)
      if (file.kind !== 'netns') return
      if (announced.size >= MOST_WORDS)
        for (const [first] of [...announced].slice(0, MOST_WORDS / 2)) announced.delete(first)
      announced.set(wordOf(name, runtimeUid), { path, identity: file.identity })
    },
    told(pod, netns) {
      told.set(keyOf(pod), netns)
      if (told.size > MOST_WORDS) forget(told, options.localPods())
    },
  }
}

/** More words of the runtime than a node has pods. */
const MOST_WORDS = 2_000

function wordOf(name: NamespacedName, runtimeUid: string): string {
  return `${name} ${runtimeUid}`
}

type Claim =
  | { readonly kind: 'some'; readonly attachments: Pod['attachments'] }
  | { readonly kind: 'none'; readonly reason: string }

/** What of network-status can be looked for. A device that was given away whole has no name here. */
function claimOf({ attachments }: Pod): Claim {
  const named = attachments.filter((each) => each.interface !== undefined && each.userspace === undefined)
  if (named.length === 0) return { kind: 'none', reason: 'network-status names no interface to look for' }
  const vague = named.find(({ mac, addresses }) =>
    mac === undefined ? addresses.length === 0 : !isRealMac(mac),
  )
  if (vague !== undefined)
    return { kind: 'none', reason: `network-status tells no MAC address or address of ${vague.interface}` }
  return named.some((each) => each.interface === 'eth0')
    ? { kind: 'none', reason: "network-status tells of eth0, the cluster network's, as another network's" }
    : { kind: 'some', attachments: named }
}

/** Whether the UID that the control group carries is this pod's and nobody else's. */
function hasOwnUid(pod: Pod, pods: Iterable<Pod>): boolean {
  if (pod.runtimeUid === '') return false
  const uid = pod.runtimeUid
  // What the API says is not for another pod's annotation to doubt.
  if (uid === pod.uid) return true
  return [...pods].every(
    (each) => nameOf(each) === nameOf(pod) || (each.uid !== uid && each.runtimeUid !== uid),
  )
}

function forget(told: Map<string, NamedNetns>, pods: Iterable<Pod>): void {
  const here = new Set([...pods].map(keyOf))
  for (const key of told.keys()) if (!here.has(key)) told.delete(key)
}

/** A pod of the same name made anew is another one. */
function keyOf(pod: Pod): string {
  return `${nameOf(pod)} ${pod.uid}`
}
