/**
 * A container runtime that answers over a real gRPC socket whatever a test wants: slow, wrong and
 * absent answers cannot be had from a real one. What a real one answers is tested in test/runtime.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import {
  containerStatus,
  listContainers,
  listPodSandbox,
  type Method,
  type PodSandboxStatus,
  podSandboxStatus,
} from '../../../../src/apply/netns/cri-messages.ts'

export interface FakeSandbox {
  readonly id: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** 0 ready, 1 not ready */
  readonly state: number
  readonly createdAt: bigint
  /** 0 the pod's own, 2 the node's */
  readonly network: number
  /** The text under `info`; none when undefined. */
  readonly info: string | undefined
  /** The `info` texts of its running containers. */
  readonly containers: readonly string[]
}

/** A ready sandbox of pod default/web, uid `web-uid`. */
export function sandbox(but: Partial<FakeSandbox> = {}): FakeSandbox {
  const pod = { namespace: 'default', name: 'web', uid: 'web-uid' }
  return { id: 'a1', ...pod, state: 0, createdAt: 1n, network: 0, info: undefined, containers: [], ...but }
}

/** How it misbehaves. A member set during a test is in force from the next call on. */
export interface FakeRuntime {
  sandboxes: readonly FakeSandbox[]
  ignoresFilters?: boolean
  /** Answers no call before this is done. */
  until?: Promise<unknown>
  /** In place of the answer to PodSandboxStatus. */
  statusOf?: (id: string) => FakeSandbox | undefined
  /** In place of every answer. */
  rawAnswer?: Uint8Array
  servesNothing?: boolean
}

export interface FakeCri extends AsyncDisposable {
  readonly socket: string
  readonly runtime: FakeRuntime
  /** The names of the calls that came in. */
  readonly calls: readonly string[]
  start(): Promise<void>
  /** Cuts every connection, as a killed process does. */
  kill(): void
}

/** Listens unless `start: false`. */
export async function fakeCri(
  runtime: FakeRuntime,
  { start = true }: { start?: boolean } = {},
): Promise<FakeCri> {
  const directory = await mkdtemp(join(tmpdir(), 'mnpd-cri-'))
  const socket = join(directory, 'cri.sock')
  const calls: string[] = []
  let server: Server | undefined
  const cri: FakeCri = {
    socket,
    runtime,
    calls,
    async start() {
      server = serve(runtime, calls)
      await new Promise<void>((resolve, reject) => {
        const bound = (error: Error | null) => (error === null ? resolve() : reject(error))
        server?.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), bound)
      })
    },
    kill: () => server?.forceShutdown(),
    async [Symbol.asyncDispose]() {
      cri.kill()
      await rm(directory, { recursive: true })
    },
  }
  if (start) await cri.start()
  return cri
}

function serve(runtime: FakeRuntime, calls: string[]): Server {
  const server = new Server()
  if (runtime.servesNothing) return server
  function answer<Q, A>(method: Method<Q, A>, handle: (question: Q) => A | undefined): void {
    const { path } = method
    const definition = {
      path,
      requestStream: false,
      responseStream: false,
      requestDeserialize: (bytes: Buffer) => method.question.decode(bytes),
      requestSerialize: (question: Q) => Buffer.from(method.question.encode(question)),
      responseSerialize: (value: A) => Buffer.from(runtime.rawAnswer ?? method.answer.encode(value)),
      responseDeserialize: (bytes: Buffer) => method.answer.decode(bytes),
    }
    async function handler({ request }: ServerUnaryCall<Q, A>, send: sendUnaryData<A>): Promise<void> {
      calls.push(path.slice(path.lastIndexOf('/') + 1))
      await runtime.until
      const value = handle(request)
      if (value === undefined) send({ code: status.NOT_FOUND, details: 'no such thing' })
      else send(null, value)
    }
    server.addService({ call: definition }, { call: handler })
  }
  answer(listPodSandbox, ({ filter }) => {
    const uid = filter?.labelSelector.get('io.kubernetes.pod.uid')
    const fits = (box: FakeSandbox) => box.uid === uid && box.state === filter?.state?.state
    return { items: runtime.sandboxes.filter((box) => runtime.ignoresFilters || fits(box)).map(statusOf) }
  })
  const find = (id: string) => runtime.sandboxes.find((box) => box.id === id)
  answer(podSandboxStatus, ({ podSandboxId, verbose }) => {
    const box = (runtime.statusOf ?? find)(podSandboxId)
    return box && { status: statusOf(box), info: infoMap(verbose ? box.info : undefined) }
  })
  answer(listContainers, ({ filter }) => ({
    containers: (find(filter?.podSandboxId ?? '')?.containers ?? []).map((_, index) => ({
      id: `${filter?.podSandboxId}/${index}`,
      podSandboxId: filter?.podSandboxId ?? '',
      state: filter?.state?.state ?? 0,
    })),
  }))
  answer(containerStatus, ({ containerId, verbose }) => {
    const [id, index] = containerId.split('/')
    return { info: infoMap(verbose ? find(id ?? '')?.containers[Number(index)] : undefined) }
  })
  return server
}

function statusOf({ id, namespace, name, uid, state, createdAt, network }: FakeSandbox): PodSandboxStatus {
  const metadata = { namespace, name, uid, attempt: 0 }
  return { id, metadata, state, createdAt, linux: { namespaces: { options: { network } } } }
}

function infoMap(info: string | undefined): ReadonlyMap<string, string> {
  return info === undefined ? new Map() : new Map([['info', info]])
}
