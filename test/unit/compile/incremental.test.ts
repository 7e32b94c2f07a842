/**
 * What is compiled change by change is what is compiled from scratch, after each change of any history and whatever way
 * the changes are told: targets, printed rules and Issues.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Cluster, type ClusterChange, keyOf } from '../../../src/compile/cluster.ts'
import type { Compilation, CompileOptions } from '../../../src/compile/compilation.ts'
import { compile } from '../../../src/compile/compile.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { type CompileInput, IncrementalCompiler } from '../../../src/compile/incremental/compiler.ts'
import type { ClusterObject } from '../../../src/compile/model.ts'
import { printNftables } from '../../../src/compile/nftables/printer.ts'
import { NO_EXEMPTIONS } from '../../../src/compile/ruleset.ts'
import { describeIssue } from '../../../src/issue-log.ts'
import { parseManifest } from '../../../src/watch/manifests/file.ts'
import { KINDS } from '../../../src/watch/parse/object.ts'
import type { Cluster as RawCluster } from '../../model/cluster.ts'
import { arbitraryHistory, type Edit, edited, generatedOptions } from '../../model/generate.ts'
import { parse } from '../../product.ts'
import { seed } from '../../seed.ts'

const OPTIONS: Omit<CompileOptions, keyof CompileInput> = {
  node: undefined,
  networkPlugins: new Set(generatedOptions.networkPlugins),
  exemptions: NO_EXEMPTIONS,
  logDrops: false,
}
const INPUT: CompileInput = { custom: NO_CUSTOM_RULES }

/** Everything of a compilation, in an order of its own. */
function everything({ targets, issues }: Compilation): unknown {
  const rows = [...targets].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    targets: rows,
    printed: rows.map(([, { ruleset }]) => JSON.stringify(printNftables(ruleset).transaction)),
    issues: issues.map(describeIssue).sort(),
  }
}

/** The two sides, told the same. */
class Both {
  readonly #scratch = new Cluster()
  readonly #incremental: IncrementalCompiler
  readonly #options: typeof OPTIONS

  constructor(options: typeof OPTIONS = OPTIONS) {
    this.#options = options
    this.#incremental = new IncrementalCompiler(options)
  }

  tell(changes: readonly ClusterChange[]): void {
    for (const change of changes) {
      this.#scratch.apply(change)
      this.#incremental.apply(change)
    }
  }

  expectSame(input: CompileInput = INPUT): Compilation {
    const compilation = this.#incremental.compile(input)
    const expected = compile(this.#scratch, { ...this.#options, ...input })
    expect(everything(compilation)).toEqual(everything(expected))
    for (const pod of this.#scratch.pods.values()) {
      const other = { ...pod, attachments: pod.attachments.map((each) => ({ ...each, interface: 'net9' })) }
      expect(compilation.rulesetOf(other)).toEqual(expected.rulesetOf(other))
    }
    for (const [name, { version }] of this.#scratch.policies)
      expect(compilation.versionOf(name)).toBe(version)
    return compilation
  }
}

function changesOf(edits: readonly Edit[]): readonly ClusterChange[] {
  return edits.flatMap((edit): ClusterChange[] => {
    const object = parse(edit.object)
    if (object === undefined) return []
    return [
      edit.kind === 'put'
        ? { kind: 'changed', object }
        : { kind: 'deleted', of: object.kind, key: keyOf(object) },
    ]
  })
}

function relist(cluster: RawCluster): readonly ClusterChange[] {
  const objects = Object.values(cluster)
    .flat()
    .flatMap((raw) => parse(raw) ?? [])
  return KINDS.map((of) => ({ kind: 'replaced', of, objects: objects.filter(({ kind }) => kind === of) }))
}

const stateAfter = (start: RawCluster, edits: readonly Edit[]): RawCluster => edits.reduce(edited, start)

/** Ways to tell a history: changes that are compiled together are one list. */
const TELLINGS: Readonly<
  Record<string, (start: RawCluster, edits: readonly Edit[]) => readonly (readonly ClusterChange[])[]>
> = {
  'one by one': (start, edits) => [relist(start), ...edits.map((edit) => changesOf([edit]))],
  'squashed into one': (start, edits) => [relist(start), changesOf(edits)],
  'two by two': (start, edits) => [
    relist(start),
    ...edits.map((_, place) => (place % 2 === 0 ? changesOf(edits.slice(place, place + 2)) : [])),
  ],
  'each twice': (start, edits) => [
    relist(start),
    ...edits.flatMap((edit) => [changesOf([edit]), changesOf([edit])]),
  ],
  'with a relist after each': (start, edits) => [
    relist(start),
    ...edits.flatMap((edit, place) => [
      changesOf([edit]),
      relist(stateAfter(start, edits.slice(0, place + 1))),
    ]),
  ],
  'as relists only, of one kind at a time': (start, edits) =>
    edits.flatMap((_, place) => relist(stateAfter(start, edits.slice(0, place))).map((each) => [each])),
  'there, back and there again': (start, edits) => [
    ...edits.map((_, place) => relist(stateAfter(start, edits.slice(0, place)))),
    ...edits.map((_, place) => relist(stateAfter(start, edits.slice(0, edits.length - place)))),
    ...edits.map((edit) => changesOf([edit])),
  ],
  'backwards, until nothing is left': (start, edits) => {
    const all = Object.values(stateAfter(start, edits)).flat()
    const puts = all.toReversed().map((object): Edit => ({ kind: 'put', resource: 'pods', object }))
    return [...puts, ...puts.map((put): Edit => ({ ...put, kind: 'delete' }))].map((edit) =>
      changesOf([edit]),
    )
  },
}

for (const [name, telling] of Object.entries(TELLINGS)) {
  test(`a history told ${name} is compiled as from scratch at each step`, { timeout: 300_000 }, () => {
    fc.assert(
      fc.property(arbitraryHistory({ length: 8 }), ({ start, edits }) => {
        const both = new Both()
        for (const changes of telling(start, edits)) {
          both.tell(changes)
          both.expectSame()
        }
      }),
      { seed, numRuns: 60 },
    )
  })
}

test('so it is on one node, with attachments that come to be enforced elsewhere and back', {
  timeout: 300_000,
}, () => {
  const parts = fc.tuple(arbitraryHistory({ length: 8 }), fc.array(fc.nat(7), { minLength: 9, maxLength: 9 }))
  fc.assert(
    fc.property(parts, ([{ start, edits }, choices]) => {
      const both = new Both({ ...OPTIONS, node: 'n1', logDrops: true })
      const node = (object: ClusterObject): ClusterObject =>
        object.kind === 'Pod' ? { ...object, node: object.name.endsWith('1') ? 'n2' : 'n1' } : object
      const moved = (change: ClusterChange): ClusterChange => {
        if (change.kind === 'changed') return { ...change, object: node(change.object) }
        return change.kind === 'replaced' ? { ...change, objects: change.objects.map(node) } : change
      }
      for (const [place, changes] of [relist(start), ...edits.map((edit) => changesOf([edit]))].entries()) {
        both.tell(changes.map(moved))
        const choice = choices[place] ?? 0
        const elsewhere: CompileInput['elsewhere'] = (pod, { network }) =>
          (pod.name.length + network.length) % 3 === choice
        both.expectSame(choice > 3 ? INPUT : { ...INPUT, elsewhere })
        if (choice === 7) both.expectSame({ custom: { ...NO_CUSTOM_RULES } })
      }
    }),
    { seed, numRuns: 60 },
  )
})

test('the same changes again change nothing, and the compilation is the same object', {
  timeout: 120_000,
}, () => {
  fc.assert(
    fc.property(arbitraryHistory({ length: 6 }), ({ start, edits }) => {
      const compiler = new IncrementalCompiler(OPTIONS)
      const end = stateAfter(start, edits)
      for (const change of relist(end)) compiler.apply(change)
      const compilation = compiler.compile(INPUT)
      for (const change of [...relist(start), ...relist(end), ...relist(end)]) compiler.apply(change)
      expect(compiler.compile(INPUT)).toBe(compilation)
      expect(compiler.recompiled).toBe(0)
    }),
    { seed, numRuns: 60 },
  )
})

const GOLDEN = join(import.meta.dirname, 'golden')

for (const file of readdirSync(GOLDEN).filter((name) => name.endsWith('.yaml'))) {
  test(`golden ${file}, object by object, forwards and backwards`, async () => {
    const content = await parseManifest(file, readFileSync(join(GOLDEN, file), 'utf8'), 'n1')
    const objects = content.kind === 'parsed' ? content.objects : expect.fail(file)
    for (const order of [objects, objects.toReversed()]) {
      const both = new Both()
      for (const object of order) {
        both.tell([{ kind: 'changed', object }])
        both.expectSame()
      }
      for (const object of order) {
        both.tell([{ kind: 'deleted', of: object.kind, key: keyOf(object) }])
        both.expectSame()
      }
    }
  })
}
