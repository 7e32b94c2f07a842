/** Namespaces at the edge: their labels, and whether drops are to be logged. */
import type { Namespace } from '../../compile/model.ts'
import { isUnreadable, parseMetadata, type Unreadable } from './metadata.ts'
import { own, type Report } from './report.ts'

const LOG_DROPS = 'multi-networkpolicyd/log-drops'

export function parseNamespace(raw: unknown): Namespace | Unreadable {
  const metadata = parseMetadata('Namespace', raw)
  if (isUnreadable(metadata)) return metadata
  const { name, labels, annotations, report } = metadata
  // Kubernetes sets this label on every namespace and lets nobody change it; a file may have left it out.
  return {
    kind: 'Namespace',
    name,
    labels: new Map([...labels, ['kubernetes.io/metadata.name', name]]),
    logDrops: parseLogDrops(own(annotations, LOG_DROPS), report),
    issues: report.issues,
  }
}

function parseLogDrops(value: unknown, report: Report): boolean {
  if (value === undefined || value === 'true' || value === 'false') return value === 'true'
  report.add(`metadata.annotations[${LOG_DROPS}]`, value, 'expected true or false; drops are not logged')
  return false
}
