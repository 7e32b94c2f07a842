/** The cluster as its sources tell it once, for commands that answer and end. */
import { Cluster } from '../compile/cluster.ts'
import type { Issue, Kind } from '../compile/model.ts'
import { describeIssue } from '../issue-log.ts'
import { UsageError } from '../usage-error.ts'
import { KINDS } from '../watch/parse/object.ts'
import type { Source } from '../watch/source.ts'

export interface LoadedCluster {
  readonly cluster: Cluster
  /** What is wrong with the sources' own input. */
  readonly issues: readonly Issue[]
}

/**
 * Reads until every kind was listed, then ends the sources.
 * @throws UsageError where a source fails before that.
 */
export async function loadCluster(sources: readonly Source[], stop: AbortController): Promise<LoadedCluster> {
  const cluster = new Cluster()
  const listed = new Set<Kind>()
  const issues: Issue[] = []
  const follow = async (source: Source): Promise<void> => {
    for await (const events of source) {
      for (const event of events) {
        if (event.kind === 'failing') throw new UsageError(event.reason, 'a source that can be read')
        if (event.kind === 'issues') {
          const [first] = event.issues
          if (event.incomplete === true && first !== undefined)
            throw new UsageError(describeIssue(first), 'files that parse')
          for (const issue of event.issues) issues.push(issue)
        }
        if (event.kind !== 'issues' && event.kind !== 'recovered') cluster.apply(event)
        if (event.kind === 'replaced') listed.add(event.of)
      }
      if (KINDS.every((kind) => listed.has(kind))) stop.abort()
    }
  }
  try {
    await Promise.all(sources.map(follow))
  } finally {
    stop.abort()
  }
  return { cluster, issues }
}
