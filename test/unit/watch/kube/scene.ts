/** What the reflector's tests share: a scripted server, a reflector of pods on it, and its events one by one. */
import { fromKubeconfig } from '../../../../src/watch/kube/connection.ts'
import { type ReflectorEvent, type ReflectorOptions, reflect } from '../../../../src/watch/kube/reflector.ts'
import { ScriptedServer } from './scripted-server.ts'
import { VirtualClock } from './virtual-clock.ts'

export const pods = { path: '/api/v1/pods', kind: 'Pod' }

/** An object as small as they come; decoded to its name and version. */
export function pod(name: string, resourceVersion: string, more: object = {}): object {
  return { metadata: { name, resourceVersion }, ...more }
}

export function podList(resourceVersion: string, items: readonly object[], token?: string): object {
  const metadata = { resourceVersion, ...(token !== undefined && { continue: token }) }
  return { kind: 'PodList', apiVersion: 'v1', metadata, items }
}

export function event(type: string, object: object): object {
  return { type, object }
}

export const gone = {
  kind: 'Status',
  status: 'Failure',
  reason: 'Expired',
  code: 410,
  message: 'too old resource version: 1 (2)',
}

function nameAndVersion(raw: unknown): string {
  const { metadata } = raw as { metadata: { name: string; resourceVersion: string } }
  return `${metadata.name}@${metadata.resourceVersion}`
}

export interface Scene extends AsyncDisposable {
  readonly server: ScriptedServer
  readonly clock: VirtualClock
  /** The reflector's next event. */
  next(): Promise<ReflectorEvent<string> | undefined>
  /** Leaves the loop, as a consumer's break does. */
  leave(): Promise<void>
  readonly abort: AbortController
}

/** All random draws are zero unless told, so that nothing waits. */
export async function scene(options: Partial<ReflectorOptions<string>> = {}): Promise<Scene> {
  const server = await ScriptedServer.start()
  const clock = new VirtualClock()
  const abort = new AbortController()
  const connection = await fromKubeconfig({ master: server.url })
  const events = reflect({
    connection,
    resource: pods,
    decode: nameAndVersion,
    signal: abort.signal,
    clock,
    random: () => 0,
    ...options,
  })[Symbol.asyncIterator]()
  return {
    server,
    clock,
    abort,
    next: async () => {
      const { value, done } = await events.next()
      return done ? undefined : value
    },
    leave: async () => {
      await events.return?.()
    },
    [Symbol.asyncDispose]: async () => {
      abort.abort()
      connection[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}
