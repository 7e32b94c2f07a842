/** One manifest file: YAML documents or JSON, `List`s unpacked, each object parsed to a domain value or an Issue. */
import type { ClusterObject, Issue, Kind } from '../../compile/model.ts'
import { isUnreadable, type Unreadable } from '../parse/metadata.ts'
import { kindOf, type Parse, parsers } from '../parse/object.ts'
import { isObject, type JsonObject, own, shorten } from '../parse/report.ts'

export type FileContent =
  | { readonly kind: 'parsed'; readonly objects: readonly ClusterObject[]; readonly issues: readonly Issue[] }
  /** Not YAML or JSON at all; the last good content stays in force. */
  | { readonly kind: 'malformed'; readonly issue: Issue }
  /** No document at all: empty, or nothing but comments. */
  | { readonly kind: 'empty' }

const GROUPS: Readonly<Record<Kind, string>> = {
  MultiNetworkPolicy: 'k8s.cni.cncf.io',
  NetworkAttachmentDefinition: 'k8s.cni.cncf.io',
  Pod: '',
  Namespace: '',
}

/** Parses the text of a file. @param node the node that pods without `spec.nodeName` are on: this one. */
export async function parseManifest(path: string, text: string, node: string): Promise<FileContent> {
  const documents = await readDocuments(path, text)
  if (!Array.isArray(documents)) return documents as Extract<FileContent, { kind: 'malformed' }>
  if (documents.length === 0) return { kind: 'empty' }
  const parse = parsers(node)
  const objects: ClusterObject[] = []
  const issues: Issue[] = []
  for (const [index, raw] of documents.flatMap(unpackList).entries()) {
    if (!isObject(raw) || typeof own(raw, 'kind') !== 'string') {
      issues.push(fileIssue(path, `object[${index}]`, 'expected a Kubernetes object with a kind', raw))
      continue
    }
    const parsed = parseObject(parse, path, raw)
    if (parsed === undefined) continue
    if (isUnreadable(parsed)) issues.push(parsed.issue)
    else objects.push(parsed)
  }
  return { kind: 'parsed', objects, issues }
}

export function fileIssue(path: string, field: string, reason: string, value?: unknown): Issue {
  return {
    object: { kind: 'File', name: path },
    field,
    ...(value === undefined ? {} : { value: shorten(value) }),
    reason,
  }
}

/** Objects of other kinds are other people's business: a directory may hold a whole application. */
function parseObject(
  parse: ReturnType<typeof parsers>,
  path: string,
  raw: JsonObject,
): ReturnType<Parse> | undefined {
  const kind = kindOf(raw)
  if (kind === undefined) return undefined
  const version = own(raw, 'apiVersion')
  const group = typeof version === 'string' && version.includes('/') ? version.split('/')[0] : ''
  if (version !== undefined && group !== GROUPS[kind]) return otherGroup(path, kind, version)
  try {
    return parse[kind](raw)
  } catch (error) {
    const reason = `cannot be read: ${error instanceof Error ? error.message : error}; it is not used`
    return { kind: 'unreadable', issue: fileIssue(path, kind, reason) }
  }
}

/** Other groups have kinds of these names too, but for those of ours it is more likely a slip. */
function otherGroup(path: string, kind: Kind, version: unknown): Unreadable | undefined {
  if (kind === 'Pod' || kind === 'Namespace') return undefined
  const reason = `expected apiVersion ${GROUPS[kind]}/… for kind ${kind}; the object is not used`
  return { kind: 'unreadable', issue: fileIssue(path, 'apiVersion', reason, version) }
}

async function readDocuments(path: string, text: string): Promise<readonly unknown[] | FileContent> {
  try {
    if (path.endsWith('.json')) return [JSON.parse(text)]
    const { parseAllDocuments } = await import('./yaml.ts')
    const documents = parseAllDocuments(text, { merge: true })
    if (!Array.isArray(documents)) return []
    const [error] = documents.flatMap((document) => document.errors)
    if (error !== undefined) throw error
    return documents
      .map((document) => document.toJS({ maxAliasCount: 100 }) as unknown)
      .filter((each) => each !== null)
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    return {
      kind: 'malformed',
      issue: fileIssue(path, '', `does not parse, its last good content stays in force: ${reason}`),
    }
  }
}

/** `kind: List` and typed lists such as PodList, whose items may leave out their own kind. */
function unpackList(raw: unknown): readonly unknown[] {
  if (!isObject(raw)) return [raw]
  const [kind, items] = [own(raw, 'kind'), own(raw, 'items')]
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) return [raw]
  const itemKind =
    kind === 'List' ? {} : { kind: kind.slice(0, -'List'.length), apiVersion: own(raw, 'apiVersion') }
  return items.flatMap((item) => unpackList(isObject(item) ? { ...itemKind, ...item } : item))
}
