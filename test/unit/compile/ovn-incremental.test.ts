/**
 * Rows made change by change are, byte for byte, those made from scratch, after each change of any history of the cluster
 * and of the ports; and a row that is not affected is the same object as before.
 */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Cluster, type ClusterChange, keyOf } from '../../../src/compile/cluster.ts'
import { compileOvn, expectedPorts, type OvnCompilation } from '../../../src/compile/ovn/compile.ts'
import { OvnCompiler } from '../../../src/compile/ovn/compiler.ts'
import type { OvnPort } from '../../../src/compile/ovn/ports.ts'
import type { OvnRows } from '../../../src/compile/ovn/rows.ts'
import { describeIssue } from '../../../src/issue-log.ts'
import { KINDS } from '../../../src/watch/parse/object.ts'
import type { Cluster as RawCluster } from '../../model/cluster.ts'
import { arbitraryHistory, type Edit, edited } from '../../model/generate.ts'
import { parse } from '../../product.ts'
import { seed } from '../../seed.ts'
import { OPTIONS } from './ovn-cluster.ts'

/** What happens to the ports between two steps; each is there at first, or is not. */
interface PortEdit {
  /** One in so many ports is not there. */
  readonly sparse: number
  /** Ports made anew have other UUIDs. */
  readonly epoch: number
  readonly unaddressed: boolean
  readonly byUid: boolean
  readonly left: boolean
  /** Ports outlive their pods. */
  readonly stale: boolean
  readonly told: 'each' | 'replaced'
}

const arbitraryPortEdit: fc.Arbitrary<PortEdit> = fc.record({
  sparse: fc.constantFrom(2, 3, 100, 100, 100),
  epoch: fc.nat(2),
  unaddressed: fc.boolean(),
  byUid: fc.boolean(),
  left: fc.constantFrom(false, false, false, true),
  stale: fc.boolean(),
  told: fc.constantFrom('each', 'replaced'),
})

/** The generator's types of networks, with ovn-kubernetes' in place of the one that is enforced, or of the other too. */
function onOvn<T>(value: T, both: boolean): T {
  const text = JSON.stringify(value).replaceAll('macvlan', 'ovn-k8s-cni-overlay')
  return JSON.parse(both ? text.replaceAll('bridge', 'ovn-k8s-cni-overlay') : text) as T
}

class Both {
  readonly #scratch = new Cluster()
  readonly #track: boolean
  readonly #compiler: OvnCompiler
  #ports: ReadonlyMap<string, OvnPort> = new Map()

  constructor(track: boolean) {
    this.#track = track
    this.#compiler = new OvnCompiler({ ...OPTIONS, track, node: 'n1' })
  }

  tell(changes: readonly ClusterChange[]): void {
    for (const change of changes) {
      this.#scratch.apply(change)
      this.#compiler.apply(change)
    }
  }

  tellPorts(edit: PortEdit): void {
    const all = expectedPorts(this.#scratch).map((port, place): OvnPort => {
      const pod = this.#scratch.pods.get(port.pod)
      return {
        ...port,
        id: `${port.name}/${place % 3 === 0 ? edit.epoch : 0}`,
        podUid: edit.byUid ? pod?.uid : undefined,
        addresses: edit.unaddressed ? [] : (pod?.attachments[0]?.addresses ?? []),
      }
    })
    const ports = new Map([
      ...[...this.#ports].filter(() => edit.stale),
      ...all
        .filter((_, place) => place % edit.sparse !== 1)
        .map((port): [string, OvnPort] => [port.id, port]),
    ])
    if (edit.told === 'replaced') this.#compiler.replacePorts(ports)
    else {
      for (const id of this.#ports.keys()) if (!ports.has(id)) this.#compiler.setPort(id, undefined)
      for (const [id, port] of ports)
        if (!isDeepStrictEqual(port, this.#ports.get(id))) this.#compiler.setPort(id, port)
    }
    this.#ports = ports
  }

  /** @returns how much was compared */
  expectSame(edit: PortEdit): number {
    const leftToOvnKubernetes = new Set(edit.left ? [...this.#scratch.networks.keys()].slice(0, 1) : [])
    const options = { ...OPTIONS, track: this.#track, node: 'n1', leftToOvnKubernetes }
    const expected = compileOvn(this.#scratch, this.#ports.values(), options)
    const compiled = this.#compiler.compile(leftToOvnKubernetes)
    const lines = everything(compiled)
    expect(lines).toEqual(everything(expected))
    expect(sorted(this.#compiler.ports)).toEqual(sorted(expected.ports))
    const again = new Set(rowsOf(this.#compiler.compile(leftToOvnKubernetes).rows))
    expect(rowsOf(compiled.rows).every((row) => again.has(row))).toBe(true)
    return lines.length
  }
}

const sorted = <T>(map: ReadonlyMap<string, T>): unknown => [...map].sort(([a], [b]) => (a < b ? -1 : 1))

const rowsOf = ({ portGroups, addressSets }: OvnRows): readonly object[] => [
  ...portGroups.values(),
  ...addressSets.values(),
]

/** Every byte that could reach the database, a row a line; what OVSDB holds as sets is sorted. */
function everything({ rows, issues }: Pick<OvnCompilation, 'rows' | 'issues'>): readonly string[] {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_, each: unknown) => {
      if (each instanceof Map) return [...each]
      return each instanceof Set ? [...each].sort() : each
    })
  const groups = [...rows.portGroups.values()].map((group) =>
    text({ ...group, acls: group.acls.map(text).sort() }),
  )
  return [
    ...groups.sort(),
    ...[...rows.addressSets.values()].map(text).sort(),
    ...issues.map(describeIssue).sort(),
  ]
}

function changesOf(edit: Edit): readonly ClusterChange[] {
  const object = parse(edit.object)
  if (object === undefined) return []
  return [
    edit.kind === 'put'
      ? { kind: 'changed', object }
      : { kind: 'deleted', of: object.kind, key: keyOf(object) },
  ]
}

function relist(cluster: RawCluster): readonly ClusterChange[] {
  const objects = Object.values(cluster)
    .flat()
    .flatMap((raw) => parse(raw) ?? [])
  return KINDS.map((of) => ({ kind: 'replaced', of, objects: objects.filter(({ kind }) => kind === of) }))
}

for (const telling of ['one by one', 'with a relist after each', 'every third compiled']) {
  test(`a history told ${telling} gives the rows of a compile from scratch`, { timeout: 300_000 }, () => {
    let lines = 0
    const parts = fc.record({
      history: arbitraryHistory({ length: 12 }),
      both: fc.boolean(),
      track: fc.boolean(),
      first: arbitraryPortEdit,
      // Most often the ports stay as they are.
      ports: fc.array(
        fc.oneof(
          { weight: 4, arbitrary: fc.constant(undefined) },
          { weight: 1, arbitrary: arbitraryPortEdit },
        ),
        { minLength: 13, maxLength: 13 },
      ),
    })
    fc.assert(
      fc.property(parts, ({ history, both, track, first, ports }) => {
        const { start, edits } = onOvn(history, both)
        const sides = new Both(track)
        sides.tell(relist(start))
        let raw = start
        let last = first
        for (const [place, portEdit] of ports.entries()) {
          const edit = edits[place - 1]
          if (edit !== undefined) {
            raw = edited(raw, edit)
            sides.tell(changesOf(edit))
            if (telling === 'with a relist after each') sides.tell(relist(raw))
          }
          last = portEdit ?? last
          sides.tellPorts(last)
          if (telling !== 'every third compiled' || place % 3 === 2) lines += sides.expectSame(last)
        }
      }),
      { seed, numRuns: 150 },
    )
    expect(lines).toBeGreaterThan(2_000)
  })
}
