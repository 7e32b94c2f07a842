/** A cluster as `watchKube` tells it, with all that was asked and told on the way, beside the truth as the API has it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../src/clock.ts'
import { Cluster } from '../../src/compile/cluster.ts'
import { compile } from '../../src/compile/compile.ts'
import { NO_CUSTOM_RULES } from '../../src/compile/custom/rules.ts'
import type { Kind, Pod } from '../../src/compile/model.ts'
import { NO_EXEMPTIONS, type Ruleset } from '../../src/compile/ruleset.ts'
import { type ApiConnection, type ApiRequest, fromKubeconfig } from '../../src/watch/kube/connection.ts'
import { type WatchKubeOptions, watchKube } from '../../src/watch/kube/source.ts'
import { isUnreadable } from '../../src/watch/parse/metadata.ts'
import { KINDS, parsers } from '../../src/watch/parse/object.ts'
import type { Source, SourceEvent } from '../../src/watch/source.ts'
import type { ControlPlane } from './control-plane.ts'

export interface WatchedOptions extends Partial<WatchKubeOptions> {
  /** Changes what is asked on its way to the server. */
  readonly alter?: (request: ApiRequest) => ApiRequest
}

export class WatchedCluster implements AsyncDisposable {
  readonly cluster: Cluster = new Cluster()
  readonly events: SourceEvent[] = []
  /** Requests for pods: `list` or `watch`, the form, and the field selector. */
  readonly asked: string[] = []
  readonly #abort = new AbortController()
  readonly #connection: ApiConnection
  readonly #done: Promise<unknown>

  private constructor(connection: ApiConnection, options: WatchedOptions) {
    this.#connection = connection
    const get: ApiConnection['get'] = (path, request = {}) => {
      this.#note(path, request)
      return connection.get(path, options.alter?.(request) ?? request)
    }
    const sources = watchKube({
      connection: { ...connection, get },
      clock: systemClock,
      signal: this.#abort.signal,
      mostSpreadMs: 0,
      ...options,
    })
    this.#done = Promise.all(sources.map((source) => this.#follow(source)))
  }

  static async of(cp: ControlPlane, options: WatchedOptions = {}): Promise<WatchedCluster> {
    const watched = new WatchedCluster(await fromKubeconfig({ kubeconfig: cp.adminKubeconfig }), options)
    await watched.until(() => KINDS.every((kind) => watched.listed(kind)))
    return watched
  }

  listed(kind: Kind): boolean {
    return this.events.some((event) => event.kind === 'replaced' && event.of === kind)
  }

  pod(name: string, namespace = 'default'): Pod | undefined {
    return this.cluster.pods.get(`${namespace}/${name}`)
  }

  /** What happened to a pod, in order. */
  storyOf(name: string, namespace = 'default'): string[] {
    return this.events.flatMap((event) => {
      if (event.kind === 'deleted' && event.key === `${namespace}/${name}`) return ['deleted']
      if (event.kind !== 'changed' || event.object.kind !== 'Pod') return []
      return event.object.name === name && event.object.namespace === namespace ? ['changed'] : []
    })
  }

  async until(condition: () => boolean, what: string = condition.toString()): Promise<void> {
    for (const end = performance.now() + 60_000; !condition(); await sleep(20)) {
      if (performance.now() > end) throw new Error(`not within a minute: ${what}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#done
    this.#connection[Symbol.dispose]()
  }

  async #follow(source: Source): Promise<void> {
    for await (const events of source) {
      for (const event of events) {
        this.events.push(event)
        if (event.kind === 'replaced' || event.kind === 'changed' || event.kind === 'deleted')
          this.cluster.apply(event)
      }
    }
  }

  #note(path: string, { query = {}, accept = '' }: ApiRequest): void {
    if (path !== '/api/v1/pods') return
    const form = accept.includes('PartialObjectMetadata') ? 'metadata' : 'whole'
    this.asked.push(`${query['watch'] ? 'watch' : 'list'} ${form} ${query['fieldSelector'] ?? ''}`.trim())
  }
}

const PATHS: Readonly<Record<Kind, string>> = {
  MultiNetworkPolicy: '/apis/k8s.cni.cncf.io/v1beta1/multi-networkpolicies',
  Pod: '/api/v1/pods',
  Namespace: '/api/v1/namespaces',
  NetworkAttachmentDefinition: '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions',
}

/** All there is, whole, by lists of the administrator's. */
export async function truth(cp: ControlPlane): Promise<Cluster> {
  const cluster = new Cluster()
  for (const kind of KINDS) {
    const { items } = (await cp.api('GET', PATHS[kind])) as unknown as { items: readonly unknown[] }
    for (const raw of items) {
      const object = parsers()[kind](raw)
      if (!isUnreadable(object)) cluster.apply({ kind: 'changed', object })
    }
  }
  return cluster
}

/** The rulesets of a node's pods. */
export function rulesetsOf(cluster: Cluster, node: string): ReadonlyMap<string, Ruleset | undefined> {
  const { targets } = compile(cluster, {
    node,
    networkPlugins: new Set(['macvlan']),
    exemptions: NO_EXEMPTIONS,
    custom: NO_CUSTOM_RULES,
    logDrops: false,
  })
  return new Map(
    [...targets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { ruleset }]) => [name, ruleset]),
  )
}
