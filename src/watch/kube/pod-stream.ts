/** What is asked of the API for pods, in each of the forms in which it may be asked, and what is kept of the answer. */
import { nameOf } from '../../compile/model.ts'
import { isUnreadable, type Unreadable } from '../parse/metadata.ts'
import { parsePeerPod, parsePod } from '../parse/pod.ts'
import { isObject, own } from '../parse/report.ts'
import { SharedValues } from '../parse/shared.ts'
import type { PodMap, VersionedPod } from './pod-merge.ts'
import { metadataOnly, type Resource } from './resource.ts'

/**
 * - `local`: this node's pods, whole.
 * - `metadata`: those of other nodes, by what peers are asked for.
 * - `ports`: the same, whole, for the ports of their containers.
 * - `all`: all in one, for a server that knows no such questions.
 */
export type PodForm = 'local' | 'metadata' | 'ports' | 'all'

/** One pod of a stream; a pod of which nothing is kept is `absent`. */
export type Told = VersionedPod | Unreadable | { readonly kind: 'absent'; readonly key: string }

/**
 * Pods that are done are nobody's peers and not governed, nor are those on the host's network (semantics.md, G5). A pod
 * that comes to be so leaves the selector, and the server says that it was deleted. Pods without a node stay in: they
 * have no addresses yet, but if their annotation says they have, that counts as it does on a node.
 */
export function podResource(form: PodForm, node: string): Resource {
  const pods = { path: '/api/v1/pods', kind: 'Pod' }
  const unfinished = 'status.phase!=Succeeded,status.phase!=Failed'
  const name = node.replaceAll(/[\\,=]/g, '\\$&')
  const elsewhere = `spec.nodeName!=${name},${unfinished},spec.hostNetwork=false`
  switch (form) {
    case 'local':
      return { ...pods, fieldSelector: `spec.nodeName=${name},${unfinished}` }
    case 'metadata':
      return { ...pods, fieldSelector: elsewhere, accept: metadataOnly }
    case 'ports':
      return { ...pods, fieldSelector: elsewhere }
    case 'all':
      return pods
    default:
      return form satisfies never
  }
}

/** Parses a stream's pods. Values that pods have in common are kept once, and a pod that is known already is not read again. */
export class PodReader {
  readonly #form: PodForm
  readonly #node: string
  readonly #known: () => PodMap
  #shared = new SharedValues()

  /** @param known what this very stream has brought before */
  constructor(form: PodForm, node: string, known: () => PodMap) {
    this.#form = form
    this.#node = node
    this.#known = known
  }

  read(raw: unknown): Told {
    const { key, version } = identityOf(raw)
    const known = this.#known().get(key)
    if (known !== undefined && known.version === version && version !== '') return known
    const pod = this.#isLocal(raw) ? parsePod(raw) : parsePeerPod(raw, this.#shared)
    if (pod === undefined) return { kind: 'absent', key }
    return isUnreadable(pod) ? pod : { ...pod, version }
  }

  /** A list was read: what only its pods had in common need not be remembered for ever. */
  listed(): void {
    this.#shared = new SharedValues()
  }

  #isLocal(raw: unknown): boolean {
    if (this.#form !== 'all') return this.#form === 'local'
    const spec = isObject(raw) ? own(raw, 'spec') : undefined
    return isObject(spec) && own(spec, 'nodeName') === this.#node
  }
}

export function keyOfTold(told: Exclude<Told, Unreadable>): string {
  return told.kind === 'absent' ? told.key : nameOf(told)
}

function identityOf(raw: unknown): { readonly key: string; readonly version: string } {
  const metadata = isObject(raw) ? own(raw, 'metadata') : undefined
  const text = (field: string): string => {
    const value = isObject(metadata) ? own(metadata, field) : undefined
    return typeof value === 'string' ? value : ''
  }
  return { key: `${text('namespace') || 'default'}/${text('name')}`, version: text('resourceVersion') }
}
