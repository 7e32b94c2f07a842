/** What is kept of a pod, by the form in which it was asked for. */
import { describe, expect, test } from 'vitest'
import type { VersionedPod } from '../../../../src/watch/kube/pod-merge.ts'
import { PodReader, podResource } from '../../../../src/watch/kube/pod-stream.ts'

const status = JSON.stringify([
  { name: 'cbr0', interface: 'eth0', ips: ['10.244.0.1'], default: true },
  { name: 'red', interface: 'net1', ips: ['10.0.0.1'], mac: '02:00:00:00:00:01' },
])

function raw(name: string, more: object = {}): object {
  const annotations = { 'k8s.v1.cni.cncf.io/network-status': status, 'multi-networkpolicyd/netns': '/n' }
  const labels = { app: 'web' }
  const createdAt = { creationTimestamp: '2026-01-01T00:00:00Z' }
  return {
    metadata: { name, uid: `${name}-uid`, resourceVersion: '7', labels, annotations, ...createdAt },
    ...more,
  }
}

const whole = {
  spec: { nodeName: 'n1', containers: [{ ports: [{ name: 'web', containerPort: 80 }] }] },
  status: { phase: 'Running' },
}
const reader = (
  form: 'local' | 'metadata' | 'ports' | 'all',
  known = new Map<string, VersionedPod>(),
): PodReader => new PodReader(form, 'n1', () => known)

describe('a pod', () => {
  test('of this node is kept whole', () => {
    expect(reader('local').read(raw('a', whole))).toMatchObject({
      ...{ name: 'a', node: 'n1', netns: '/n', version: '7', defaultInterfaces: ['eth0'] },
      attachments: [{ mac: '02:00:00:00:00:01' }],
      ports: [{ name: 'web', port: 80 }],
    })
  })

  test('of another node is kept as a peer', () => {
    expect(reader('metadata').read(raw('a'))).toMatchObject({
      ...{ name: 'a', node: undefined, netns: undefined, createdAt: 0, defaultInterfaces: [], ports: [] },
      labels: new Map([['app', 'web']]),
      attachments: [{ network: 'default/red', interface: 'net1', addresses: ['10.0.0.1'], mac: undefined }],
    })
    expect(reader('ports').read(raw('a', whole))).toMatchObject({ node: undefined, ports: [{ port: 80 }] })
  })

  test.for([
    ['is on no network', { metadata: { name: 'a' } }],
    ['is on the host’s', raw('a', { spec: { hostNetwork: true } })],
    ['is done', raw('a', { status: { phase: 'Failed' } })],
  ] as const)('of another node is absent where it %s', ([, object]) => {
    expect(reader('all').read(object)).toEqual({ kind: 'absent', key: 'default/a' })
  })

  test('with labels like another’s shares them, until the next list', () => {
    const read = reader('metadata')
    const [a, b] = [read.read(raw('a')), read.read(raw('b'))] as VersionedPod[]
    expect(a?.labels).toBe(b?.labels)
    expect(a?.attachments[0]?.network).toBe(b?.attachments[0]?.network)
  })

  test('that is known in this version is taken as it is', () => {
    const known = new Map<string, VersionedPod>()
    const read = reader('metadata', known)
    const first = read.read(raw('a')) as VersionedPod
    known.set('default/a', first)
    expect(read.read(raw('a'))).toBe(first)
    known.set('default/a', { ...first, version: '6' })
    expect(read.read(raw('a'))).not.toBe(first)
  })

  test('without a usable name is said to be unreadable', () => {
    expect(reader('metadata').read({ metadata: { name: 'A B' } })).toMatchObject({ kind: 'unreadable' })
  })
})

test('a node’s name is said as field selectors want it', () => {
  expect(podResource('local', 'a,b=c\\').fieldSelector).toMatch(/^spec\.nodeName=a\\,b\\=c\\\\,status/)
})
