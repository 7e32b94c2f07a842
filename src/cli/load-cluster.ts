/** The cluster as its sources tell it once, for commands that answer and end. */
import { systemClock } from '../clock.ts'
import { Cluster } from '../compile/cluster.ts'
import type { Compilation } from '../compile/compilation.ts'
import { compile } from '../compile/compile.ts'
import { NO_CUSTOM_RULES } from '../compile/custom/rules.ts'
import type { Issue, Kind } from '../compile/model.ts'
import { describeIssue } from '../issue-log.ts'
import { UsageError } from '../usage-error.ts'
import { KINDS } from '../watch/parse/object.ts'
import type { RuleFilesState } from '../watch/rule-files/source.ts'
import type { Source } from '../watch/source.ts'
import { compileOptions, type Environment, nodeName, openSources, ruleFiles } from './cluster-options.ts'
import { type FlagValues, PRINTED_NAMES } from './flags.ts'
import { enforcedInOvn } from './ovn-options.ts'

interface LoadedCluster {
  readonly cluster: Cluster
  /** What is wrong with the sources' own input. */
  readonly issues: readonly Issue[]
}

/**
 * The cluster that the flags name, and its rulesets.
 * @param node whose pods are compiled; undefined: those of every node
 * @param scope `namespaces`: less what is enforced in OVN, by `--ovn-nb`; the database is asked only where it says so
 * @throws UsageError where a source fails before it was listed
 */
export async function loadAndCompile(
  flags: FlagValues,
  env: Environment,
  node: string | undefined,
  scope: 'everywhere' | 'namespaces' | 'namespaces, by the database' = 'everywhere',
): Promise<LoadedCluster & { readonly compilation: Compilation }> {
  const options = compileOptions(flags, node)
  const stop = new AbortController()
  const settings = { node: nodeName(flags, env), clock: systemClock, signal: stop.signal }
  const custom = await readCustomRules(flags, stop.signal)
  const { cluster, issues } = await loadCluster((await openSources(flags, settings)).sources, stop)
  const elsewhere =
    scope === 'everywhere'
      ? undefined
      : await enforcedInOvn(flags, cluster, scope === 'namespaces, by the database')
  const compilation = compile(cluster, { ...options, custom: custom.rules, elsewhere })
  return { cluster, issues: [...custom.issues, ...issues], compilation }
}

async function readCustomRules(flags: FlagValues, signal: AbortSignal): Promise<RuleFilesState> {
  const files = ruleFiles(flags)
  if (files.length === 0) return { rules: NO_CUSTOM_RULES, issues: [] }
  const { readRuleFiles } = await import('../watch/rule-files/source.ts')
  const printed = flags.oneOf('backend', PRINTED_NAMES, 'nftables')
  const backend = printed === 'ovn' ? 'nftables' : printed
  return await readRuleFiles({ files, backend, clock: systemClock, signal })
}

/**
 * Reads until every kind was listed, then ends the sources.
 * @throws UsageError where a source fails before that.
 */
async function loadCluster(sources: readonly Source[], stop: AbortController): Promise<LoadedCluster> {
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
