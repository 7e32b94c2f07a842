/** "Not enforced because …": attachments without a port, kept up to date pod by pod; from scratch, `missingPorts`. */
import type { Cluster, ClusterChange } from '../cluster.ts'
import type { Issue, Kind, NamespacedName } from '../model.ts'
import { Counts } from './counts.ts'
import { issuesOfLacking, type Lacking, withoutPort } from './issues.ts'
import type { PortIndex } from './port-index.ts'

export class MissingPorts {
  readonly #cluster: Cluster
  readonly #ports: PortIndex
  readonly #node: string | undefined
  readonly #lacking = new Map<NamespacedName, Lacking>()
  /** Those of pods that have ports. */
  readonly #nodes = new Counts<string | undefined>()
  readonly #nodeOf = new Map<NamespacedName, { readonly node: string | undefined }>()
  #issues: readonly Issue[] = []

  /** @param cluster policies and networks, whatever the pods */
  constructor(cluster: Cluster, ports: PortIndex, node: string | undefined) {
    this.#cluster = cluster
    this.#ports = ports
    this.#node = node
  }

  /** @returns the same array where nothing is otherwise */
  refresh(pods: ReadonlySet<NamespacedName>, changes: readonly ClusterChange[]): readonly Issue[] {
    const kinds = new Set(changes.map(kindOf))
    const had = this.#lacking.size > 0
    const looked = kinds.has('NetworkAttachmentDefinition')
      ? new Set([...pods, ...this.#ports.pods.keys()])
      : pods
    let changed = kinds.has('MultiNetworkPolicy')
    for (const name of looked) if (this.#look(name)) changed = true
    if (this.#nodes.takeChanged()) changed = true
    if (changed && (had || this.#lacking.size > 0)) this.#issues = [...this.#told()]
    return this.#issues
  }

  #told(): Generator<Issue> {
    const nodes = new Set([...this.#nodes.items(), ...(this.#node === undefined ? [] : [this.#node])])
    const here = [...this.#lacking.values()].filter(({ pod }) => nodes.has(pod.node))
    return issuesOfLacking(this.#cluster.policies.values(), here)
  }

  /** @returns whether it lacks, or lacked, a port */
  #look(name: NamespacedName): boolean {
    const pod = this.#ports.pods.get(name)
    const before = this.#nodeOf.get(name)
    const after = pod && this.#ports.byPod.has(name) ? { node: pod.node } : undefined
    this.#nodes.replace(before ? [before.node] : [], after ? [after.node] : [])
    if (after === undefined) this.#nodeOf.delete(name)
    else this.#nodeOf.set(name, after)
    const attachments = pod ? withoutPort(this.#cluster, this.#ports.byPod, pod) : []
    const lacked = this.#lacking.delete(name)
    if (pod !== undefined && attachments.length > 0) this.#lacking.set(name, { pod, attachments })
    return lacked || attachments.length > 0
  }
}

function kindOf(change: ClusterChange): Kind {
  return change.kind === 'changed' ? change.object.kind : change.of
}
