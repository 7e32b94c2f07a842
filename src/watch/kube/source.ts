/** The Kubernetes API as a source: one reflector a kind, each object parsed as it arrives. */
import type { Clock } from '../../clock.ts'
import { keyOf } from '../../compile/cluster.ts'
import type { ClusterObject, Issue, Kind } from '../../compile/model.ts'
import { isUnreadable, type Unreadable } from '../parse/metadata.ts'
import { KINDS, parsers } from '../parse/object.ts'
import type { Source, SourceEvent } from '../source.ts'
import type { ApiConnection } from './connection.ts'
import { type ReflectorEvent, reflect } from './reflector.ts'

const PATHS: Readonly<Record<Kind, string>> = {
  MultiNetworkPolicy: '/apis/k8s.cni.cncf.io/v1beta1/multi-networkpolicies',
  Pod: '/api/v1/pods',
  Namespace: '/api/v1/namespaces',
  NetworkAttachmentDefinition: '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions',
}

/** One source a kind. */
export function watchKube(options: {
  readonly connection: ApiConnection
  readonly clock: Clock
  readonly signal: AbortSignal
}): readonly Source[] {
  return KINDS.map((kind) => watchKind(kind, options))
}

async function* watchKind(
  kind: Kind,
  { connection, clock, signal }: Parameters<typeof watchKube>[0],
): Source {
  const resource = { path: PATHS[kind], kind }
  const unreadable = new UnreadableObjects()
  for await (const event of reflect({ connection, resource, decode: parsers()[kind], clock, signal })) {
    const events = [...translate(kind, event), ...unreadable.note(event)]
    if (events.length > 0) yield events
  }
}

function translate(kind: Kind, event: ReflectorEvent<ClusterObject | Unreadable>): readonly SourceEvent[] {
  switch (event.kind) {
    case 'replaced':
      return [
        {
          kind: 'replaced',
          of: kind,
          objects: event.objects.filter((object) => !isUnreadable(object)) as ClusterObject[],
        },
      ]
    case 'changed':
      return isUnreadable(event.object) ? [] : [{ kind: 'changed', object: event.object }]
    case 'deleted':
      return isUnreadable(event.object) ? [] : [{ kind: 'deleted', of: kind, key: keyOf(event.object) }]
    case 'failing':
      return [{ kind: 'failing', what: kind, reason: event.reason }]
    case 'recovered':
      return [{ kind: 'recovered', what: kind }]
    default:
      return event satisfies never
  }
}

/** Objects without a usable name. The API server lets none through, so a bounded memory of them will do. */
class UnreadableObjects {
  #issues: readonly Issue[] = []

  note(event: ReflectorEvent<ClusterObject | Unreadable>): readonly SourceEvent[] {
    if (event.kind !== 'replaced' && event.kind !== 'changed') return []
    const objects = event.kind === 'replaced' ? event.objects : [event.object]
    const found = objects.filter((object) => isUnreadable(object)).map(({ issue }) => issue)
    const before = this.#issues
    this.#issues = (event.kind === 'replaced' ? found : [...before, ...found]).slice(-100)
    return found.length + (event.kind === 'replaced' ? before.length : 0) > 0
      ? [{ kind: 'issues', issues: this.#issues }]
      : []
  }
}
