/** That the generator reaches the corners it was made for, keeps to its knobs, and asks bounded questions. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../model/address.ts'
import { badPeers, badPorts } from '../../model/generate/bad.ts'
import {
  arbitraryCluster,
  arbitraryEdit,
  arbitraryHistory,
  edited,
  generatedOptions,
  questions,
} from '../../model/generate.ts'
import { boundariesOf } from '../../model/number-line.ts'
import { type Cluster, isolated, judge } from '../../model/verdict.ts'
import {
  blockCorners,
  type Corners,
  networkCorners,
  podCorners,
  policyCorners,
  ruleCorners,
} from './corners.ts'
import { peers, ports } from './parts.ts'

const fixed = { seed: 20260731 }
const clusters: readonly Cluster[] = fc.sample(arbitraryCluster(), { ...fixed, numRuns: 2000 })

describe.each<readonly [string, Corners]>([
  ['pods', podCorners],
  ['networks', networkCorners],
  ['policies', policyCorners],
  ['rules', ruleCorners],
  ['blocks', blockCorners],
])('2,000 clusters reach every corner of their %s', (_topic, corners) => {
  test('none is missing', () => {
    const missing = Object.entries(corners).filter(([, isAt]) => !clusters.some(isAt))
    expect(missing.map(([name]) => name)).toEqual([])
  })
})

describe('the knobs', () => {
  test('bad: false leaves the bad parts out', () => {
    const found = fc
      .sample(arbitraryCluster({ bad: false }), { ...fixed, numRuns: 200 })
      .flatMap((cluster) => [
        ...peers(cluster).filter((peer) => isAmong(peer, badPeers)),
        ...ports(cluster).filter((port) => isAmong(port, badPorts)),
      ])
    expect(found).toEqual([])
  })

  test('sctp: false leaves SCTP out', () => {
    const text = JSON.stringify(fc.sample(arbitraryCluster({ sctp: false }), { ...fixed, numRuns: 200 }))
    expect(text.includes('SCTP')).toBe(false)
    expect(JSON.stringify(clusters).includes('SCTP')).toBe(true)
  })

  test.each([
    [4, 'fd00:'],
    [6, '10.0.'],
  ] as const)('families [%i] leaves the other out', (family, other) => {
    const shape = { bad: false, families: [family] }
    const text = JSON.stringify(fc.sample(arbitraryCluster(shape), { ...fixed, numRuns: 200 })).toLowerCase()
    expect(text.includes(other)).toBe(false)
  })
})

function isAmong(value: unknown, values: readonly unknown[]): boolean {
  return values.some((candidate) => JSON.stringify(candidate) === JSON.stringify(value))
}

describe('edits', () => {
  test('an edit changes one object and nothing else', () => {
    const drawn = fc
      .tuple(arbitraryCluster(), fc.nat())
      .chain(([cluster]) => fc.record({ cluster: fc.constant(cluster), edit: arbitraryEdit(cluster) }))
    fc.assert(
      fc.property(drawn, ({ cluster, edit }) => {
        const after = edited(cluster, edit)
        for (const resource of ['pods', 'namespaces', 'policies', 'networkAttachmentDefinitions'] as const) {
          const lost = cluster[resource].filter((object) => !after[resource].includes(object))
          const won = after[resource].filter((object) => !cluster[resource].includes(object))
          const touched = resource === edit.resource
          expect(lost.length).toBeLessThanOrEqual(touched ? 1 : 0)
          expect(won).toEqual(touched && edit.kind === 'put' ? [edit.object] : [])
        }
      }),
      fixed,
    )
  })

  test('every sort of edit occurs in histories', () => {
    const histories = fc.sample(arbitraryHistory({ length: 8 }), { ...fixed, numRuns: 300 })
    const sorts = histories.flatMap(({ edits }) => edits.map((edit) => `${edit.kind} ${edit.resource}`))
    expect([...new Set(sorts)].sort()).toEqual([
      'delete namespaces',
      'delete networkAttachmentDefinitions',
      'delete pods',
      'delete policies',
      'put namespaces',
      'put networkAttachmentDefinitions',
      'put pods',
      'put policies',
    ])
  })

  test('a history’s edits follow from one another', () => {
    fc.assert(
      fc.property(arbitraryHistory({ length: 6 }), ({ start, edits }) => {
        const end = edits.reduce(edited, start)
        for (const { resource, object } of edits.slice(-1).filter((edit) => edit.kind === 'put')) {
          expect(end[resource]).toContain(object)
        }
      }),
      { ...fixed, numRuns: 50 },
    )
  })
})

describe('questions', () => {
  const some = clusters.slice(0, 60)

  test('are bounded, the same every time, and of one family each', () => {
    for (const cluster of some.slice(0, 20)) {
      const asked = questions(cluster, 300)
      expect(asked.length).toBeLessThanOrEqual(300)
      expect(questions(cluster, 300)).toEqual(asked)
      for (const { source, destination } of asked.map((question) => question.packet)) {
        expect(parseAddress(source)?.family).toBe(parseAddress(destination)?.family)
      }
    }
  })

  test('have both answers, in governed directions', () => {
    const answers = some.flatMap((cluster) =>
      questions(cluster, 300).flatMap(({ end, direction, packet }) => {
        const governed = isolated(cluster, generatedOptions, end.namespace, end.pod).get(end.interface)
        return governed?.[direction] ? [judge(cluster, generatedOptions, end, direction, packet)] : []
      }),
    )
    const allowed = answers.filter((answer) => answer === 'allow').length
    expect(answers.length).toBeGreaterThan(2000)
    expect(allowed / answers.length).toBeGreaterThan(0.1)
    expect(allowed / answers.length).toBeLessThan(0.6)
  })

  test('cover the edges of a block and all protocols', () => {
    expect(boundariesOf('10.0.0.9/30')).toEqual(['10.0.0.7', '10.0.0.8', '10.0.0.11', '10.0.0.12'])
    expect(boundariesOf('0.0.0.0/0')).toEqual(['0.0.0.0', '255.255.255.255'])
    expect(boundariesOf('fd00::2/127')).toEqual(['fd00::1', 'fd00::2', 'fd00::3', 'fd00::4'])
    const protocols = some.flatMap((cluster) => questions(cluster, 200).map(({ packet }) => packet.protocol))
    expect([...new Set(protocols)].sort()).toEqual(['ICMP', 'OTHER', 'SCTP', 'TCP', 'UDP'])
  })
})
