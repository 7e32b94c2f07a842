/**
 * One long-lived gRPC connection to a container runtime's socket. `@grpc/grpc-js` is loaded at the
 * first call, so that commands that never ask a runtime do not pay for it.
 *
 * No keepalive pings: the peer is on the same kernel, which closes the socket when it dies; a peer
 * that hangs runs into the deadline of each call; and Go's gRPC servers hang up on a client that
 * pings more often than every five minutes. No queue either: while the runtime is away a call fails
 * at once.
 */
import { basename } from 'node:path'
import type { Client, ClientUnaryCall, ServiceError } from '@grpc/grpc-js'
import type { Method } from './cri-messages.ts'

/** What came of a call. `reason` names the call, the socket, the gRPC status and what the runtime said. */
export type Reply<Answer> =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'not-found' }
  | { readonly kind: 'failed'; readonly reason: string }

export interface CriClient extends AsyncDisposable {
  /** Never rejects for what a runtime does or fails to do. Once `signal` aborts, the reply is `failed`. */
  call<Question, Answer>(
    method: Method<Question, Answer>,
    question: Question,
    signal: AbortSignal,
  ): Promise<Reply<Answer>>
}

export interface ClientOptions {
  /** The socket's path as this process can open it; asked once, at the first call. */
  readonly socketPath: () => Promise<string>
  /** How long each call may take, connecting included. */
  readonly deadlineMs: number
}

interface Connection {
  readonly client: Client
  readonly path: string
  readonly grpc: typeof import('@grpc/grpc-js')
}

const channelOptions = {
  // A socket of the same node costs nothing to try: a restarted runtime is found again within a second.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Kubelet's own limit. A verbose status grows with the pod's environment and mounts.
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
  'grpc.default_authority': 'localhost',
  'grpc.enable_http_proxy': 0,
  'grpc.enable_channelz': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
}

const closed = { kind: 'failed', reason: 'the connection to the container runtime was closed here' } as const

export function openClient(options: ClientOptions): CriClient {
  const underWay = new Set<ClientUnaryCall>()
  let connection: Promise<Connection> | undefined
  let open = true
  return {
    async call(method, question, signal) {
      if (!open) return closed
      connection ??= connect(options)
      const connected = await connection
      if (!open) return closed
      return ask(connected, method, question, { underWay, signal, deadlineMs: options.deadlineMs })
    },
    async [Symbol.asyncDispose]() {
      open = false
      for (const call of underWay) call.cancel()
      const connected = await connection?.catch(() => undefined)
      connected?.client.close()
    },
  }
}

async function connect({ socketPath }: ClientOptions): Promise<Connection> {
  // The default is the one name that a CommonJS package has both in Node and in a bundle's chunk.
  const [{ default: grpc }, path] = await Promise.all([import('@grpc/grpc-js'), socketPath()])
  const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure(), channelOptions)
  return { client, path, grpc }
}

interface Terms {
  readonly underWay: Set<ClientUnaryCall>
  readonly signal: AbortSignal
  readonly deadlineMs: number
}

function ask<Question, Answer>(
  connection: Connection,
  method: Method<Question, Answer>,
  question: Question,
  { underWay, signal, deadlineMs }: Terms,
): Promise<Reply<Answer>> {
  return new Promise((resolve) => {
    const call = connection.client.makeUnaryRequest(
      method.path,
      (value: Question) => Buffer.from(method.question.encode(value)),
      (bytes: Buffer) => method.answer.decode(bytes),
      question,
      { deadline: Date.now() + deadlineMs },
      (error: ServiceError | null, answer?: Answer) => {
        signal.removeEventListener('abort', cancel)
        underWay.delete(call)
        resolve(reply(connection, method.path, error, answer))
      },
    )
    const cancel = () => call.cancel()
    underWay.add(call)
    signal.addEventListener('abort', cancel)
    if (signal.aborted) cancel()
  })
}

function reply<Answer>(
  { grpc, path }: Connection,
  called: string,
  error: ServiceError | null,
  answer: Answer | undefined,
): Reply<Answer> {
  if (error === null && answer !== undefined) return { kind: 'answer', answer }
  const code = error?.code ?? grpc.status.UNKNOWN
  if (code === grpc.status.NOT_FOUND) return { kind: 'not-found' }
  const said = error?.details ?? 'an answer without a message'
  const hint =
    code === grpc.status.UNIMPLEMENTED
      ? '; nothing speaks CRI v1 there: is it the socket that kubelet uses, of a runtime whose CRI plugin is enabled?'
      : ''
  return { kind: 'failed', reason: `${basename(called)} at ${path}: ${grpc.status[code]}: ${said}${hint}` }
}
