/** The namespaces that selecting peers speak of, and the ways into sets of members that are open to pods there. */
import type { Cluster } from '../cluster.ts'
import { labelsOfNamespace } from '../members.ts'
import type { Namespace, NamespaceScope, Pod } from '../model.ts'
import { matches, type Selector, selectorText } from '../selector.ts'
import type { MemberEntry, MemberSet } from './member-set.ts'
import { SelectorFile } from './selector-file.ts'

export interface Scope {
  readonly key: string
  /** The one namespace of peers that name none; undefined: those that `selector` matches. */
  readonly namespace: string | undefined
  /** Of namespaces. */
  readonly selector: Selector
  /** By their selectors of pods. */
  readonly entries: SelectorFile<MemberEntry>
}

export class ScopeIndex {
  readonly #cluster: Cluster
  readonly #scopes = new Map<string, Scope>()
  /** Those of no single namespace. */
  readonly #matching = new SelectorFile<Scope>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Scopes of the same key are the same namespaces; only those with entries are kept. */
  of(own: string, namespaces: NamespaceScope): Scope {
    const isOwn = namespaces.kind === 'own'
    const key = isOwn ? ownKey(own) : `matching ${selectorText(namespaces.selector)}`
    return (
      this.#scopes.get(key) ?? {
        key,
        namespace: isOwn ? own : undefined,
        selector: isOwn ? { kind: 'nothing' } : namespaces.selector,
        entries: new SelectorFile(),
      }
    )
  }

  /** @returns the entry as it is filed, in the scope that is kept */
  file(entry: MemberEntry): MemberEntry {
    const scope = this.#scopes.get(entry.scope.key) ?? entry.scope
    if (!this.#scopes.has(scope.key) && scope.namespace === undefined) this.#matching.add(scope)
    this.#scopes.set(scope.key, scope)
    const filed = { ...entry, scope }
    scope.entries.add(filed)
    return filed
  }

  withdraw(entry: MemberEntry): void {
    const { scope } = entry
    scope.entries.delete(entry)
    if (scope.entries.size > 0) return
    this.#scopes.delete(scope.key)
    if (scope.namespace === undefined) this.#matching.delete(scope)
  }

  includes(scope: Scope, namespace: string): boolean {
    return scope.namespace === undefined
      ? matches(scope.selector, labelsOfNamespace(namespace, this.#cluster.namespaces.get(namespace)))
      : scope.namespace === namespace
  }

  /** By which entry the pod is in which sets, but for networks and ports; one for all its addresses goes first. */
  entriesOf(pod: Pod): ReadonlyMap<MemberSet, MemberEntry> {
    const { namespace, labels } = pod
    const own = this.#scopes.get(ownKey(namespace))
    const ofNamespace = labelsOfNamespace(namespace, this.#cluster.namespaces.get(namespace))
    const found = new Map<MemberSet, MemberEntry>()
    for (const scope of [...(own ? [own] : []), ...this.#matching.matching(ofNamespace)]) {
      for (const entry of scope.entries.matching(labels)) {
        if (entry.within === undefined || !found.has(entry.set)) found.set(entry.set, entry)
      }
    }
    return found
  }

  /** Scopes which the namespace comes into or leaves as it changes. */
  flipped(name: string, before: Namespace | undefined, after: Namespace | undefined): ReadonlySet<Scope> {
    const [old, now] = [before, after].map(
      (each) => new Set(this.#matching.matching(labelsOfNamespace(name, each))),
    )
    return (old ?? new Set<Scope>()).symmetricDifference(now ?? new Set<Scope>())
  }
}

function ownKey(namespace: string): string {
  return `own ${namespace}`
}
