/** The files of the directory as one set of objects, and what changed from one set to the next. */
import { type ClusterChange, keyOf } from '../../compile/cluster.ts'
import { type ClusterObject, type Issue, type Kind, referenceTo } from '../../compile/model.ts'
import { KINDS } from '../parse/object.ts'
import type { Scan } from './directory.ts'

export type ObjectsByKind = Readonly<Record<Kind, ReadonlyMap<string, ClusterObject>>>

export interface Merged {
  readonly objects: ObjectsByKind
  readonly issues: readonly Issue[]
}

/** An object that several files hold is the one of the first file by name, and an Issue says so. */
export function mergeFiles({ files, issues }: Pick<Scan, 'files' | 'issues'>): Merged {
  const objects: Record<Kind, Map<string, ClusterObject>> = {
    MultiNetworkPolicy: new Map(),
    Pod: new Map(),
    Namespace: new Map(),
    NetworkAttachmentDefinition: new Map(),
  }
  const owners = new Map<ClusterObject, string>()
  const duplicates: Issue[] = []
  for (const { path, objects: found } of files) {
    for (const object of found) {
      const first = objects[object.kind].get(keyOf(object))
      if (first === undefined) {
        objects[object.kind].set(keyOf(object), object)
        owners.set(object, path)
      } else {
        const reason = `${path} defines it again; the one of ${owners.get(first)} stands`
        duplicates.push({ object: referenceTo(object), field: '', reason })
      }
    }
  }
  return { objects, issues: [...issues, ...duplicates] }
}

/** Unchanged files keep their objects, so identity tells what changed. With nothing before, everything is replaced. */
export function changesBetween(
  before: ObjectsByKind | undefined,
  after: ObjectsByKind,
): readonly ClusterChange[] {
  if (before === undefined) {
    return KINDS.map((of) => ({ kind: 'replaced', of, objects: [...after[of].values()] }))
  }
  return KINDS.flatMap((of) => [
    ...[...after[of]]
      .filter(([key, object]) => before[of].get(key) !== object)
      .map(([, object]): ClusterChange => ({ kind: 'changed', object })),
    ...[...before[of].keys()]
      .filter((key) => !after[of].has(key))
      .map((key): ClusterChange => ({ kind: 'deleted', of, key })),
  ])
}
