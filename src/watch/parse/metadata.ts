/** `metadata` of any Kubernetes object: who it is, and its labels and annotations. */
import type { Issue, Kind, ObjectReference } from '../../compile/model.ts'
import type { Labels } from '../../compile/selector.ts'
import { isObject, type JsonObject, own, Report, shorten } from './report.ts'

export interface Metadata {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string | undefined
  readonly labels: Labels
  readonly annotations: JsonObject
  /** Unix time in ms, 0 where unknown. */
  readonly createdAt: number
  readonly report: Report
}

/** An object that cannot be told from others, so that nothing but the Issue is left of it. */
export interface Unreadable {
  readonly kind: 'unreadable'
  readonly issue: Issue
}

export function parseMetadata(kind: Kind, raw: unknown): Metadata | Unreadable {
  const metadata = isObject(raw) ? own(raw, 'metadata') : undefined
  if (!isObject(metadata)) return unreadable({ kind, name: '?' }, 'metadata', metadata, 'expected an object')
  const name = own(metadata, 'name')
  const namespace = kind === 'Namespace' ? '' : (own(metadata, 'namespace') ?? 'default')
  const object: ObjectReference = {
    kind,
    ...(kind === 'Namespace' ? {} : { namespace: shorten(namespace) }),
    name: shorten(name ?? '?'),
  }
  if (!isSubdomain(name))
    return unreadable(object, 'metadata.name', name, 'expected a name of a-z, 0-9, - and .')
  if (typeof namespace !== 'string' || (kind !== 'Namespace' && !isLabel(namespace))) {
    return unreadable(object, 'metadata.namespace', namespace, 'expected a name of a-z, 0-9 and -')
  }
  const uid = textOf(own(metadata, 'uid'))
  const report = new Report(uid === '' ? object : { ...object, uid })
  return {
    namespace,
    name,
    uid,
    resourceVersion: textOf(own(metadata, 'resourceVersion')) || undefined,
    labels: parseLabels(report, own(metadata, 'labels')),
    annotations: parseAnnotations(report, own(metadata, 'annotations')),
    createdAt: Date.parse(textOf(own(metadata, 'creationTimestamp'))) || 0,
    report,
  }
}

export function isUnreadable<T extends object>(parsed: T | Unreadable): parsed is Unreadable {
  return 'kind' in parsed && parsed.kind === 'unreadable'
}

/** RFC 1123 subdomain, as Kubernetes has it for names. */
export function isSubdomain(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 253 && value.split('.').every(isLabelText)
}

/** RFC 1123 label, as Kubernetes has it for namespaces. */
export function isLabel(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 63 && isLabelText(value)
}

function isLabelText(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text)
}

function parseLabels(report: Report, raw: unknown): Labels {
  const labels = new Map<string, string>()
  if (raw === undefined || raw === null) return labels
  if (!isObject(raw)) {
    report.add('metadata.labels', raw, 'expected a map of text')
    return labels
  }
  for (const [key, value] of Object.entries(raw)) {
    if (typeof value === 'string') labels.set(key, value)
    else report.add(`metadata.labels[${shorten(key)}]`, value, 'expected text')
  }
  return labels
}

function parseAnnotations(report: Report, raw: unknown): JsonObject {
  if (raw === undefined || raw === null) return {}
  if (isObject(raw)) return raw
  report.add('metadata.annotations', raw, 'expected a map of text')
  return {}
}

function unreadable(object: ObjectReference, field: string, value: unknown, reason: string): Unreadable {
  const shown = value === undefined ? {} : { value: shorten(value) }
  return {
    kind: 'unreadable',
    issue: { object, field, ...shown, reason: `${reason}; the object is not used` },
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
