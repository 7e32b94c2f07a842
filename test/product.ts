/** The product's own way from raw objects to rulesets, without files, processes or time: for property tests. */
import { Cluster } from '../src/compile/cluster.ts'
import type { Compilation } from '../src/compile/compilation.ts'
import { compile } from '../src/compile/compile.ts'
import { NO_CUSTOM_RULES } from '../src/compile/custom/rules.ts'
import type { ClusterObject } from '../src/compile/model.ts'
import { NO_EXEMPTIONS } from '../src/compile/ruleset.ts'
import { isUnreadable } from '../src/watch/parse/metadata.ts'
import { kindOf, parsers } from '../src/watch/parse/object.ts'

/** Parses an object as a source would; undefined for what is not usable. */
export function parse(raw: unknown): ClusterObject | undefined {
  const kind = kindOf(raw)
  if (kind === undefined) throw new Error(`no kind of ours: ${JSON.stringify(raw)}`)
  const parsed = parsers('n1')[kind](raw)
  return isUnreadable(parsed) ? undefined : parsed
}

export function clusterOf(objects: readonly unknown[]): Cluster {
  const cluster = new Cluster()
  for (const raw of objects) {
    const object = parse(raw)
    if (object !== undefined) cluster.apply({ kind: 'changed', object })
  }
  return cluster
}

/** All pods of all nodes. */
export function compileAll(cluster: Cluster, networkPlugins: readonly string[]): Compilation {
  return compile(cluster, {
    node: undefined,
    networkPlugins: new Set(networkPlugins),
    exemptions: NO_EXEMPTIONS,
    custom: NO_CUSTOM_RULES,
    logDrops: false,
  })
}
