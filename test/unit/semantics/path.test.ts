/**
 * Output is a function of the state, never of the path there: the same changes in another order, split, doubled,
 * squashed or after a restart end in the same rules, byte for byte.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Cluster, type ClusterChange, keyOf } from '../../../src/compile/cluster.ts'
import type { Compilation } from '../../../src/compile/compilation.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { IncrementalCompiler } from '../../../src/compile/incremental/compiler.ts'
import type { ClusterObject } from '../../../src/compile/model.ts'
import { printNftables } from '../../../src/compile/nftables/printer.ts'
import { NO_EXEMPTIONS } from '../../../src/compile/ruleset.ts'
import { describeIssue } from '../../../src/issue-log.ts'
import { parseManifest } from '../../../src/watch/manifests/file.ts'
import { KINDS } from '../../../src/watch/parse/object.ts'
import type { Cluster as RawCluster } from '../../model/cluster.ts'
import { arbitraryHistory, type Edit, edited, generatedOptions } from '../../model/generate.ts'
import { clusterOf, compileAll, parse } from '../../product.ts'
import { seed } from '../../seed.ts'

/** Everything that is printed, and every Issue, as one text. */
function printed(cluster: Cluster): string {
  return printedOf(compileAll(cluster, generatedOptions.networkPlugins))
}

function printedOf({ targets, issues }: Compilation): string {
  const rules = [...targets].map(
    ([pod, { ruleset }]) => `${pod} ${JSON.stringify(printNftables(ruleset).transaction)}`,
  )
  return [...rules.sort(), ...issues.map(describeIssue).sort()].join('\n')
}

/** As the daemon compiles: the cluster follows when it does. */
class Compiling {
  readonly #compiler = new IncrementalCompiler({
    node: undefined,
    networkPlugins: new Set(generatedOptions.networkPlugins),
    exemptions: NO_EXEMPTIONS,
    logDrops: false,
  })

  apply(change: ClusterChange): void {
    this.#compiler.apply(change)
  }

  printed(): string {
    return printedOf(this.#compiler.compile({ custom: NO_CUSTOM_RULES }))
  }
}

function apply(cluster: Cluster | Compiling, edit: Edit): void {
  const object = parse(edit.object)
  if (object === undefined) return
  const key = object.kind === 'Namespace' ? object.name : `${object.namespace}/${object.name}`
  cluster.apply(edit.kind === 'put' ? { kind: 'changed', object } : { kind: 'deleted', of: object.kind, key })
}

const rawObjects = (cluster: RawCluster): readonly unknown[] => Object.values(cluster).flat()
const stateAfter = (start: RawCluster, edits: readonly Edit[]): RawCluster => edits.reduce(edited, start)

/** Each is a way to the state that the edits lead to. */
const PATHS: Readonly<Record<string, (start: RawCluster, edits: readonly Edit[]) => Cluster>> = {
  'one change after the other, compiling in between': (start, edits) => {
    const cluster = clusterOf(rawObjects(start))
    for (const edit of edits) {
      printed(cluster)
      apply(cluster, edit)
    }
    return cluster
  },
  'the objects backwards': (start, edits) => clusterOf(rawObjects(stateAfter(start, edits)).toReversed()),
  'every change twice': (start, edits) => {
    const cluster = clusterOf(rawObjects(start))
    for (const edit of edits.flatMap((each) => [each, each])) apply(cluster, edit)
    return cluster
  },
  'a restart half way, which lists everything anew': (start, edits) => {
    const half = Math.floor(edits.length / 2)
    const cluster = clusterOf(rawObjects(stateAfter(start, edits.slice(0, half))))
    for (const edit of edits.slice(half)) apply(cluster, edit)
    return cluster
  },
  'a relist of each kind over what stood': (start, edits) => {
    const cluster = clusterOf(rawObjects(start))
    const objects = rawObjects(stateAfter(start, edits)).flatMap((raw) => parse(raw) ?? [])
    for (const of of KINDS)
      cluster.apply({ kind: 'replaced', of, objects: objects.filter(({ kind }) => kind === of) })
    return cluster
  },
}

for (const [name, path] of Object.entries(PATHS)) {
  test(`${name} ends in the same rules and the same Issues`, { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(arbitraryHistory({ length: 8 }), ({ start, edits }) => {
        expect(printed(path(start, edits))).toBe(printed(clusterOf(rawObjects(stateAfter(start, edits)))))
      }),
      { seed, numRuns: 300 },
    )
  })
}

test('one change after the other, each compiled as the daemon does, ends in the same rules and the same Issues', {
  timeout: 120_000,
}, () => {
  fc.assert(
    fc.property(arbitraryHistory({ length: 8 }), ({ start, edits }) => {
      const compiling = new Compiling()
      for (const object of rawObjects(start).flatMap((raw) => parse(raw) ?? []))
        compiling.apply({ kind: 'changed', object })
      for (const edit of edits) {
        compiling.printed()
        apply(compiling, edit)
      }
      expect(compiling.printed()).toBe(printed(clusterOf(rawObjects(stateAfter(start, edits)))))
    }),
    { seed, numRuns: 100 },
  )
})

const GOLDEN = join(import.meta.dirname, '../compile/golden')

/** Ways to hand over the same objects. */
const ORDERS: Readonly<Record<string, (objects: readonly ClusterObject[], into: Cluster) => void>> = {
  reversed: (objects, into) => {
    for (const object of objects.toReversed()) into.apply({ kind: 'changed', object })
  },
  'each twice, the first time with everything else gone': (objects, into) => {
    for (const object of objects) {
      into.apply({ kind: 'changed', object })
      printed(into)
      into.apply({ kind: 'deleted', of: object.kind, key: keyOf(object) })
    }
    for (const object of objects) into.apply({ kind: 'changed', object })
  },
  'listed at once, kind by kind': (objects, into) => {
    for (const of of KINDS.toReversed()) {
      into.apply({ kind: 'replaced', of, objects: objects.filter(({ kind }) => kind === of) })
      printed(into)
    }
  },
}

for (const file of readdirSync(GOLDEN).filter((name) => name.endsWith('.yaml'))) {
  for (const [name, apply] of Object.entries(ORDERS)) {
    test(`golden ${file}, ${name}, ends in the same rules`, async () => {
      const content = await parseManifest(file, readFileSync(join(GOLDEN, file), 'utf8'), 'n1')
      const objects = content.kind === 'parsed' ? content.objects : expect.fail(file)
      const [straight, otherwise] = [new Cluster(), new Cluster()]
      for (const object of objects) straight.apply({ kind: 'changed', object })
      apply(objects, otherwise)
      expect(printed(otherwise)).toBe(printed(straight))
    })
  }
}
