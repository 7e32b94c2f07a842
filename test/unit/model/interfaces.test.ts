/** G1 to G6: which interfaces the model says are isolated. */
import { describe, expect, test } from 'vitest'
import { isolated } from '../../model/verdict.ts'
import { cluster, options } from './small-cluster.ts'

const base = `
networks: { a/net: macvlan, a/side: macvlan, b/net: macvlan }
pods: { a/pod: { labels: { app: web }, net1: net 10.0.0.1, net2: side 10.1.0.1, net3: b/net 10.2.0.1 } }
`
const both = '{ policyTypes: [Ingress, Egress], for: '

/** Title, what is laid over the base, the interfaces of a/pod that are then isolated. */
const rows: readonly (readonly [string, string, string])[] = [
  ['G1: an empty selector selects every pod', `policies: { a/p: ${both} net } }`, 'net1'],
  [
    'G1: a selector that matches',
    `policies: { a/p: ${both} net, podSelector: { matchLabels: { app: web } } } }`,
    'net1',
  ],
  [
    'G1: a selector that does not',
    `policies: { a/p: ${both} net, podSelector: { matchLabels: { app: db } } } }`,
    '',
  ],
  ['G1: a policy of another namespace', `policies: { b/p: ${both} 'a/net' } }`, ''],
  ['G2: a bare name is in the policy’s namespace', `policies: { a/p: ${both} side } }`, 'net2'],
  ['G2: a name with a namespace is anywhere', `policies: { a/p: ${both} b/net } }`, 'net3'],
  ['G2: a list, blanks trimmed', `policies: { a/p: ${both} " side ,\\tb/net\\n" } }`, 'net2 net3'],
  [
    'G2: malformed and empty items are skipped',
    `policies: { a/p: ${both} 'a/b/c,,/net,a/,net,,' } }`,
    'net1',
  ],
  ['G2: blanks around the slash are trimmed', `policies: { a/p: ${both} 'a / net' } }`, 'net1'],
  ['G2: blanks within a name are malformed', `policies: { a/p: ${both} 'a/n et' } }`, ''],
  ['G2: an empty annotation governs nothing', `policies: { a/p: ${both} '' } }`, ''],
  ['G2: no annotation governs nothing', 'policies: { a/p: { policyTypes: [Ingress, Egress] } }', ''],
  ['G2: an annotation that is not text governs nothing', `policies: { a/p: ${both} [net] } }`, ''],
  [
    'G3: a type that is not in --network-plugins',
    `networks: { a/net: bridge }\npolicies: { a/p: ${both} net } }`,
    '',
  ],
  [
    'G3: the first plugin’s type',
    `networks: { a/net: { config: '{"plugins":[{"type":"bridge"},{"type":"macvlan"}]}' } }\npolicies: { a/p: ${both} net } }`,
    '',
  ],
  [
    'G3: type before plugins',
    `networks: { a/net: { config: '{"type":"macvlan","plugins":[{"type":"bridge"}]}' } }\npolicies: { a/p: ${both} net } }`,
    'net1',
  ],
  [
    'G3: an unreadable first plugin counts',
    `networks: { a/net: { config: '{"plugins":[{},{"type":"bridge"}]}' } }\npolicies: { a/p: ${both} net } }`,
    'net1',
  ],
  [
    'G3: a NAD without plugins counts',
    `networks: { a/net: { config: '{"plugins":[]}' } }\npolicies: { a/p: ${both} net } }`,
    'net1',
  ],
  [
    'G3: a broken configuration counts',
    `networks: { a/net: { config: '{"type":"bridge"' } }\npolicies: { a/p: ${both} net } }`,
    'net1',
  ],
  [
    'G3: a configuration that is no text counts',
    `networks: { a/net: { config: { type: bridge } } }\npolicies: { a/p: ${both} net } }`,
    'net1',
  ],
  [
    'G3: a type that is no text counts',
    `networks: { a/net: { config: '{"type":7}' } }\npolicies: { a/p: ${both} net } }`,
    'net1',
  ],
  ['G3: a NAD without a spec counts', `networks: { a/net: null }\npolicies: { a/p: ${both} net } }`, 'net1'],
  [
    'G3: a NAD that is missing counts',
    `pods: { a/pod: { net1: gone } }\npolicies: { a/p: ${both} gone } }`,
    'net1',
  ],
  [
    'G4: a bare network is in the pod’s namespace',
    `pods: { a/pod: { net1: net } }\npolicies: { a/p: ${both} a/net } }`,
    'net1',
  ],
  [
    'G4: the same NAD twice',
    `pods: { a/pod: { net1: net, net2: a/net } }\npolicies: { a/p: ${both} net } }`,
    'net1 net2',
  ],
  [
    'G5: a hostNetwork pod',
    `pods: { a/pod: { hostNetwork: true, net1: net } }\npolicies: { a/p: ${both} net } }`,
    '',
  ],
  [
    'G5: a Succeeded pod',
    `pods: { a/pod: { phase: Succeeded, net1: net } }\npolicies: { a/p: ${both} net } }`,
    '',
  ],
  ['G5: a Failed pod', `pods: { a/pod: { phase: Failed, net1: net } }\npolicies: { a/p: ${both} net } }`, ''],
  [
    'G5: a Pending pod',
    `pods: { a/pod: { phase: Pending, net1: net } }\npolicies: { a/p: ${both} net } }`,
    'net1',
  ],
  ['G5: a pod that is gone', `pods: { a/pod: null }\npolicies: { a/p: ${both} net } }`, ''],
  ['G6: what no policy names is left alone', 'policies: {}', ''],
]

describe('which interfaces are isolated', () => {
  test.each(rows)('%s', (_title, text, interfaces) => {
    const map = isolated(cluster(base, text), options, 'a', 'pod')
    expect([...map.keys()].join(' ')).toBe(interfaces)
    expect([...map.values()].every((directions) => directions.ingress && directions.egress)).toBe(true)
  })
})

const newer = 'k8s.v1.cni.cncf.io/network-status'
const older = 'k8s.v1.cni.cncf.io/networks-status'
const on = (name: string, device: string) => ({ name, interface: device, ips: ['10.0.0.1'] })

/** Title, annotations as values, interfaces that a policy for a/net isolates. */
const statuses: readonly (readonly [string, Record<string, unknown>, string])[] = [
  ['G4: the older annotation when the newer is absent', { [older]: [on('net', 'net1')] }, 'net1'],
  ['G4: the newer before the older', { [newer]: [on('net', 'net1')], [older]: [on('net', 'net2')] }, 'net1'],
  [
    'G4: a malformed newer one is not replaced by the older',
    { [newer]: '[', [older]: [on('net', 'net1')] },
    '',
  ],
  ['G4: a status that is no list', { [newer]: on('net', 'net1') }, ''],
  ['G4: the default entry is never governed', { [newer]: [{ ...on('a/net', 'eth0'), default: true }] }, ''],
  ['G4: default: false is not default', { [newer]: [{ ...on('net', 'net1'), default: false }] }, 'net1'],
  ['G4: a bad entry is skipped, the others stand', { [newer]: [null, 7, {}, on('net', 'net1')] }, 'net1'],
  ['G4: a malformed network is skipped', { [newer]: [on('a/b/net', 'net1'), on('net', 'net2')] }, 'net2'],
  ['G4: no interface, nothing to govern', { [newer]: [{ name: 'net', ips: ['10.0.0.1'] }] }, ''],
  [
    'G4: an interface that Linux cannot have',
    { [newer]: [on('net', 'a/b'), on('net', 'sixteen-letters-')] },
    '',
  ],
  [
    'G4: one interface, two attachments, either one',
    { [newer]: [on('other', 'net1'), on('net', 'net1')] },
    'net1',
  ],
]

test.each(statuses)('%s', (_title, status, interfaces) => {
  const annotations = Object.entries(status).map(([key, value]) => [
    key,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  const pod = { metadata: { namespace: 'a', name: 'pod', annotations: Object.fromEntries(annotations) } }
  const asked = { ...cluster('policies: { a/p: { for: net } }'), pods: [pod] }
  expect([...isolated(asked, options, 'a', 'pod').keys()].join(' ')).toBe(interfaces)
})
