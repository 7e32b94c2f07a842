/** The Kubernetes API as a source: a reflector a kind, and more for pods; each object is parsed as it arrives. */
import type { Clock } from '../../clock.ts'
import { keyOf } from '../../compile/cluster.ts'
import type { ClusterObject, Issue, Kind } from '../../compile/model.ts'
import { isUnreadable, type Unreadable } from '../parse/metadata.ts'
import { KINDS, parsers } from '../parse/object.ts'
import type { Source, SourceEvent } from '../source.ts'
import type { ApiConnection } from './connection.ts'
import { watchPods } from './pods.ts'
import { PortDemand } from './port-demand.ts'
import { type ReflectorEvent, reflect } from './reflector.ts'

const PATHS: Readonly<Record<Kind, string>> = {
  MultiNetworkPolicy: '/apis/k8s.cni.cncf.io/v1beta1/multi-networkpolicies',
  Pod: '/api/v1/pods',
  Namespace: '/api/v1/namespaces',
  NetworkAttachmentDefinition: '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions',
}

export interface WatchKubeOptions {
  readonly connection: ApiConnection
  readonly clock: Clock
  readonly signal: AbortSignal
  /**
   * The node whose pods are local: of all others, only what peers are asked for is kept. Undefined: every pod whole, for
   * those who ask about all nodes.
   */
  readonly node?: string | undefined
  /** At least 0, below 1. */
  readonly random?: (() => number) | undefined
  /** How long nodes that start together are spread over at most; 5 s unless told, and nothing in a small cluster. */
  readonly mostSpreadMs?: number | undefined
  /** How long the ports of other nodes' pods are kept once no policy needs them; 10 minutes unless told. */
  readonly calmMs?: number | undefined
}

/** Longer than the list of a large cluster's pods takes, its spread included. */
const MOST_PORTS_WAIT_MS = 10_000

/** One source a kind. */
export function watchKube(options: WatchKubeOptions): readonly Source[] {
  const { node } = options
  if (node === undefined) return KINDS.map((kind) => watchKind(kind, options))
  const demand = new PortDemand()
  const pods = {
    ...options,
    node,
    demand,
    random: options.random ?? Math.random,
    mostSpreadMs: options.mostSpreadMs ?? 5_000,
    calmMs: options.calmMs ?? 10 * 60_000,
  }
  return KINDS.map((kind) => {
    switch (kind) {
      case 'Pod':
        return watchPods(pods)
      case 'MultiNetworkPolicy':
        return withPorts(watchKind(kind, options), demand, options)
      default:
        return watchKind(kind, options)
    }
  })
}

/** Policies, told once the ports that they need are there. */
async function* withPorts(policies: Source, demand: PortDemand, { clock, signal }: WatchKubeOptions): Source {
  for await (const events of policies) {
    demand.take(events)
    await demand.untilMet(MOST_PORTS_WAIT_MS, clock, signal)
    yield events
  }
}

async function* watchKind(kind: Kind, { connection, clock, signal }: WatchKubeOptions): Source {
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
