/** Namespaces at the edge: their labels. */
import type { Namespace } from '../../compile/model.ts'
import { isUnreadable, parseMetadata, type Unreadable } from './metadata.ts'

export function parseNamespace(raw: unknown): Namespace | Unreadable {
  const metadata = parseMetadata('Namespace', raw)
  if (isUnreadable(metadata)) return metadata
  const { name, labels, report } = metadata
  // Kubernetes sets this label on every namespace and lets nobody change it; a file may have left it out.
  return {
    kind: 'Namespace',
    name,
    labels: new Map([...labels, ['kubernetes.io/metadata.name', name]]),
    issues: report.issues,
  }
}
