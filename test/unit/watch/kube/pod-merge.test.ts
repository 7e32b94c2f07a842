/** Two streams of pods as one picture, whatever the order between them. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Cluster, type ClusterChange } from '../../../../src/compile/cluster.ts'
import { PodMerge, type Side, type VersionedPod } from '../../../../src/watch/kube/pod-merge.ts'
import { parsePod } from '../../../../src/watch/parse/pod.ts'
import { seed } from '../../../seed.ts'

function pod(name: string, uid: string, version: string): VersionedPod {
  return { ...(parsePod({ metadata: { name, uid } }) as VersionedPod), version }
}

const mapOf = (...pods: readonly VersionedPod[]): Map<string, VersionedPod> =>
  new Map(pods.map((each) => [`default/${each.name}`, each]))

function short(changes: readonly ClusterChange[]): string[] {
  const name = (each: object): string => `${(each as VersionedPod).uid}@${(each as VersionedPod).version}`
  return changes.map((change) => {
    if (change.kind === 'replaced') return `replaced ${change.objects.map(name).join(' ')}`
    return change.kind === 'changed' ? `changed ${name(change.object)}` : `deleted ${change.key}`
  })
}

function merged(local: readonly VersionedPod[], remote: readonly VersionedPod[]): PodMerge {
  const merge = new PodMerge()
  merge.replace({ local: mapOf(...local), remote: mapOf(...remote) })
  return merge
}

describe('two streams of pods', () => {
  test('are told together, once both were listed', () => {
    const merge = new PodMerge()
    expect(short(merge.replace({ local: mapOf(pod('a', 'a1', '5')) }))).toEqual([])
    expect(short(merge.set('local', 'default/b', pod('b', 'b1', '6')))).toEqual([])
    expect(short(merge.replace({ remote: mapOf(pod('c', 'c1', '4')) }))).toEqual(['replaced c1@4 a1@5 b1@6'])
  })

  test('tell a pod that is scheduled here by its local object, whichever comes first', () => {
    const [unscheduled, scheduled] = [pod('a', 'a1', '5'), pod('a', 'a1', '7')]
    const gone = merged([], [unscheduled])
    expect(short(gone.set('remote', 'default/a', undefined))).toEqual(['deleted default/a'])
    expect(short(gone.set('local', 'default/a', scheduled))).toEqual(['changed a1@7'])
    const both = merged([], [unscheduled])
    expect(short(both.set('local', 'default/a', scheduled))).toEqual(['changed a1@7'])
    expect(short(both.set('remote', 'default/a', undefined))).toEqual([])
  })

  test('keep a pod that was made anew elsewhere when the end of the old one comes late', () => {
    const merge = merged([pod('a', 'a1', '5')], [])
    expect(short(merge.set('remote', 'default/a', pod('a', 'a2', '9')))).toEqual(['changed a2@9'])
    expect(short(merge.set('local', 'default/a', undefined))).toEqual([])
    expect(short(merge.set('remote', 'default/a', undefined))).toEqual(['deleted default/a'])
  })

  test('do not let late news of an old pod hide the new one that is here', () => {
    const merge = merged([pod('a', 'a2', '9')], [])
    expect(short(merge.set('remote', 'default/a', pod('a', 'a1', '7')))).toEqual([])
    expect(short(merge.set('remote', 'default/a', undefined))).toEqual([])
  })

  test('tell of a list only what differs', () => {
    const [same, changed] = [pod('same', 's', '1'), pod('changed', 'c', '2')]
    const merge = merged([], [same, changed, pod('gone', 'g', '3')])
    const next = mapOf(same, pod('changed', 'c', '4'), pod('new', 'n', '5'))
    expect(short(merge.replace({ remote: next })).sort()).toEqual([
      'changed c@4',
      'changed n@5',
      'deleted default/gone',
    ])
    expect(merge.replace({ remote: new Map(next) })).toEqual([])
  })

  test('come to the same picture in any order between them, lists included', () => {
    const step = fc.record({
      side: fc.constantFrom<Side>('local', 'remote'),
      name: fc.constantFrom('a', 'b', 'c'),
      uid: fc.constantFrom('1', '2', '3'),
      kind: fc.constantFrom('set', 'set', 'delete', 'list'),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const told = new Cluster()
        const merge = new PodMerge()
        const held: Record<Side, Map<string, VersionedPod>> = { local: new Map(), remote: new Map() }
        const take = (changes: readonly ClusterChange[]): void => {
          for (const change of changes) told.apply(change)
        }
        take(merge.replace({ local: new Map() }))
        take(merge.replace({ remote: new Map() }))
        steps.forEach(({ side, name, uid, kind }, version) => {
          const key = `default/${name}`
          if (kind === 'set') held[side].set(key, pod(name, uid, String(version + 1)))
          else if (kind === 'delete') held[side].delete(key)
          take(
            kind === 'list'
              ? merge.replace({ [side]: new Map(held[side]) })
              : merge.set(side, key, held[side].get(key)),
          )
        })
        for (const key of ['default/a', 'default/b', 'default/c'] as const) {
          const [local, remote] = [held.local.get(key), held.remote.get(key)]
          const newer =
            local && remote && Number(remote.version) > Number(local.version) && remote.uid !== local.uid
          expect(told.pods.get(key)).toBe(newer ? remote : (local ?? remote))
        }
      }),
      { seed, numRuns: 500 },
    )
  })
})
