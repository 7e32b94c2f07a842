/**
 * From a pod to its network namespace, by asking the node's container runtime (CRI v1).
 *
 * The sandbox is asked, not the containers: it has the namespace before any container starts and
 * keeps it while they restart. Where its path cannot be seen from here, the namespace is reached
 * through a process that runs in it. What is handed out has been looked at: it is a network
 * namespace, and it is not the node's. Rules in another pod's namespace, or in the node's, would be
 * worse than none for a moment, so any doubt is `unavailable`, to be asked again.
 */
import { type CriClient, openClient, type Reply } from './cri-client.ts'
import { parseEndpoint } from './cri-endpoint.ts'
import { type HostView, hostView, type NetnsIdentity } from './cri-host.ts'
import { readInfo } from './cri-info.ts'
import {
  containerRunning,
  containerStatus,
  listContainers,
  listPodSandbox,
  namespaceOfNode,
  type PodSandbox,
  type PodSandboxStatusResponse,
  podSandboxStatus,
  sandboxReady,
} from './cri-messages.ts'

export interface PodIdentity {
  readonly namespace: string
  readonly name: string
  /**
   * As kubelet tells it to the runtime: `metadata.uid`, but for the mirror of a static pod the
   * annotation `kubernetes.io/config.hash`.
   */
  readonly uid: string
}

export type SandboxLookup =
  | {
      readonly kind: 'found'
      /**
       * Can be opened by this process, the host prefix included. It may lead through `/proc/<pid>`,
       * and process numbers are given out again: open it at once, compare `netns` with the opened
       * file, and enter it with `CLONE_NEWNET`, which any other kind of namespace refuses.
       */
      readonly path: string
      readonly netns: NetnsIdentity
      readonly sandboxId: string
    }
  /** The runtime answered: the pod has no sandbox that is ready, not yet or no longer. */
  | { readonly kind: 'no-sandbox' }
  /** The pod uses the node's network namespace: nothing of ours belongs there. */
  | { readonly kind: 'host-network'; readonly sandboxId: string }
  /** Runtime down, slow, or answering what cannot be. Nothing is known; ask again later. */
  | { readonly kind: 'unavailable'; readonly reason: string }

export interface ContainerRuntime extends AsyncDisposable {
  /**
   * Never rejects for what a runtime does. An aborted `signal` makes it `unavailable`. Nothing is
   * remembered between calls: a sandbox may be replaced under the same pod at any time.
   */
  sandboxOf(pod: PodIdentity, signal: AbortSignal): Promise<SandboxLookup>
}

export interface CriOptions {
  /** A unix socket's path, or `unix://` and the path; on the node, so without the host prefix. */
  readonly endpoint: string
  /** Where the node's root is mounted, `/host` say; empty where it is this process' own. */
  readonly hostPrefix: string
  /** How long each call may take, connecting included; a lookup makes two, rarely more. */
  readonly deadlineMs?: number
  /** How many lookups may be under way; more than that are `unavailable`, not queued. */
  readonly mostLookups?: number
}

/**
 * Connects at the first lookup and reconnects by itself.
 * @throws RangeError when the endpoint is none; `parseEndpoint` tells so beforehand.
 */
export function connectCri(options: CriOptions): ContainerRuntime {
  const endpoint = parseEndpoint(options.endpoint, options.hostPrefix)
  if (endpoint.kind === 'invalid') throw new RangeError(endpoint.reason)
  const view = hostView(options.hostPrefix)
  const mostLookups = options.mostLookups ?? 256
  const client = openClient({
    socketPath: () => view.resolve(endpoint.path),
    deadlineMs: options.deadlineMs ?? 5_000,
  })
  let underWay = 0
  return {
    async sandboxOf(pod, signal) {
      if (underWay >= mostLookups) return unavailable(`${underWay} lookups are under way already`)
      underWay++
      try {
        return await lookUp({ client, view, signal }, pod)
      } finally {
        underWay--
      }
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  }
}

/** What every step of one lookup needs. */
interface Lookup {
  readonly client: CriClient
  readonly view: HostView
  readonly signal: AbortSignal
}

async function lookUp(lookup: Lookup, pod: PodIdentity): Promise<SandboxLookup> {
  const { client, signal } = lookup
  const labelSelector = new Map([['io.kubernetes.pod.uid', pod.uid]])
  const question = { filter: { state: { state: sandboxReady }, labelSelector } }
  const listed = await client.call(listPodSandbox, question, signal)
  if (listed.kind !== 'answer') return unanswered('ListPodSandbox', listed)
  const sandbox = newest(listed.answer.items.filter((item) => isReady(item, pod)))
  if (sandbox === undefined) return { kind: 'no-sandbox' }
  const wrong = contradiction(sandbox, pod)
  if (wrong !== undefined) return unavailable(wrong)

  const told = await client.call(podSandboxStatus, { podSandboxId: sandbox.id, verbose: true }, signal)
  if (told.kind === 'not-found') return { kind: 'no-sandbox' }
  if (told.kind !== 'answer') return unanswered('PodSandboxStatus', told)
  return judge(lookup, pod, sandbox.id, told.answer)
}

/** The sandbox may have stopped between the two answers, and a runtime may answer for another one. */
function judge(
  lookup: Lookup,
  pod: PodIdentity,
  sandboxId: string,
  { status, info }: PodSandboxStatusResponse,
): Promise<SandboxLookup> | SandboxLookup {
  if (status === undefined) return unavailable(`PodSandboxStatus of ${sandboxId}: an answer without a status`)
  const wrong = contradiction(status, pod)
  if (wrong !== undefined) return unavailable(wrong)
  if (status.id !== sandboxId) return unavailable(`asked for sandbox ${sandboxId}, was told of ${status.id}`)
  if (status.state !== sandboxReady) return { kind: 'no-sandbox' }
  if (status.linux?.namespaces?.options?.network === namespaceOfNode) {
    return { kind: 'host-network', sandboxId }
  }
  return locate(lookup, sandboxId, info)
}

async function locate(
  lookup: Lookup,
  sandboxId: string,
  info: ReadonlyMap<string, string>,
): Promise<SandboxLookup> {
  const { view } = lookup
  const tried: string[] = []
  for await (const candidate of candidates(lookup, sandboxId, info)) {
    const path = await view.resolve(candidate)
    const file = await view.identify(path)
    if (file.kind === 'other') {
      tried.push(`${path} ${file.is}`)
      continue
    }
    if (view.isHost(file.identity)) return { kind: 'host-network', sandboxId }
    return { kind: 'found', path, netns: file.identity, sandboxId }
  }
  const why = tried.length > 0 ? tried.join(', ') : 'the runtime tells neither a path nor a process'
  return unavailable(`network namespace of sandbox ${sandboxId}: ${why}`)
}

/** Where on the node the namespace may be had, the best first. The containers are asked only if it comes to that. */
async function* candidates(
  { client, signal }: Lookup,
  sandboxId: string,
  info: ReadonlyMap<string, string>,
): AsyncGenerator<string> {
  const { netnsPath, pid } = readInfo(info)
  if (netnsPath !== undefined) yield netnsPath
  if (pid !== undefined) yield `/proc/${pid}/ns/net`
  const filter = { state: { state: containerRunning }, podSandboxId: sandboxId }
  const listed = await client.call(listContainers, { filter }, signal)
  if (listed.kind !== 'answer') return
  for (const container of listed.answer.containers) {
    if (container.podSandboxId !== sandboxId || container.state !== containerRunning) continue
    const told = await client.call(containerStatus, { containerId: container.id, verbose: true }, signal)
    const process = told.kind === 'answer' ? readInfo(told.answer.info).pid : undefined
    if (process !== undefined) yield `/proc/${process}/ns/net`
  }
}

/** A runtime that does not know the filter answers with every sandbox: it is applied here again. */
function isReady({ state, metadata }: PodSandbox, pod: PodIdentity): boolean {
  return state === sandboxReady && metadata?.uid === pod.uid
}

function newest(sandboxes: readonly PodSandbox[]): PodSandbox | undefined {
  return sandboxes.reduce<PodSandbox | undefined>(
    (best, next) => (best === undefined || next.createdAt > best.createdAt ? next : best),
    undefined,
  )
}

/** A sentence when the sandbox is another pod's. */
function contradiction({ id, metadata }: PodSandbox, pod: PodIdentity): string | undefined {
  const { namespace, name, uid } = metadata ?? { namespace: '?', name: '?', uid: '?' }
  if (namespace === pod.namespace && name === pod.name && uid === pod.uid) return undefined
  const asked = `${pod.namespace}/${pod.name} (${pod.uid})`
  return `sandbox ${id} is of ${namespace}/${name} (${uid}), asked was ${asked}`
}

function unanswered(call: string, reply: Exclude<Reply<unknown>, { kind: 'answer' }>): SandboxLookup {
  return unavailable(reply.kind === 'failed' ? reply.reason : `${call}: the runtime says NOT_FOUND`)
}

function unavailable(reason: string): SandboxLookup {
  return { kind: 'unavailable', reason }
}
