/** D1, D2 and D4: directions, the union of policies, and a pod's own address. */
import { describe, expect, test } from 'vitest'
import { isolated, reaches } from '../../model/verdict.ts'
import { cluster, fourPods, options, outcome, type Row, server } from './small-cluster.ts'

const peer = '[{ podSelector: { matchLabels: { app: client } } }]'

/** Title, spec, directions in which a/server net1 is isolated. */
const types: readonly (readonly [string, string, string])[] = [
  ['D1: policyTypes [Ingress]', 'policyTypes: [Ingress], egress: [{}]', 'ingress'],
  ['D1: policyTypes [Egress]', 'policyTypes: [Egress], ingress: [{}]', 'egress'],
  ['D1: both', 'policyTypes: [Egress, Ingress]', 'ingress egress'],
  ['D1: not given', 'ingress: [{}]', 'ingress'],
  ['D1: not given, nothing else either', 'podSelector: {}', 'ingress'],
  ['D1: empty', 'policyTypes: []', 'ingress'],
  ['D1: null', 'policyTypes: null, egress: null', 'ingress'],
  ['D1: not given, with an egress rule', 'egress: [{}]', 'ingress egress'],
  ['D1: not given, with an empty egress', 'egress: []', 'ingress'],
  ['D1: unknown items are skipped', 'policyTypes: [Egress, Sideways, null]', 'egress'],
  ['D1: names are exact', 'policyTypes: [ingress, EGRESS], egress: [{}]', 'ingress egress'],
  ['D1: only unknown items, like not given', 'policyTypes: [Sideways]', 'ingress'],
  ['D1: the wrong type, like not given', 'policyTypes: Egress', 'ingress'],
  ['D1: an egress of null rules isolates', 'egress: [null]', 'ingress egress'],
  ['D1: an egress of the wrong type isolates', 'egress: all', 'ingress egress'],
  ['D1: an egress that is a map isolates', 'egress: {}', 'ingress egress'],
  ['D1: a spec that is missing', 'spec: null', 'ingress'],
]

test.each(types)('%s', (_title, spec, directions) => {
  const asked = cluster(fourPods, `policies: { a/p: { for: net, ${spec} } }`)
  const found = isolated(asked, options, 'a', 'server').get('net1')
  const names = Object.entries(found ?? {}).flatMap(([name, is]) => (is ? [name] : []))
  expect(names.join(' ')).toBe(directions)
})

const onBoth = JSON.stringify(['net', 'side'].map((name) => ({ name, interface: 'net1', ips: ['10.0.0.1'] })))
/** `a/server` of {@link fourPods}, told to be on both networks by net1. */
const told = `pods: { a/server: { annotations: { k8s.v1.cni.cncf.io/network-status: '${onBoth}' } } }`

const rows: readonly Row[] = [
  {
    title: 'D2: an isolated direction drops what nobody allows, the other stays open (G6)',
    given: 'a/p: { for: net, policyTypes: [Ingress] }',
    allow: 'out 10.0.0.2 TCP/80, out 10.0.0.9 OTHER',
    deny: 'in 10.0.0.2 TCP/80, in fd00::2 UDP/53, in 10.0.0.2 ICMP, in 10.0.0.2 OTHER, in 10.0.0.2 SCTP/1',
  },
  {
    title: 'D2: egress likewise',
    given: 'a/p: { for: net, policyTypes: [Egress] }',
    allow: 'in 10.0.0.2 TCP/80',
    deny: 'out 10.0.0.2 TCP/80, out fd00::2 ICMP',
  },
  {
    title: 'D2: rules add up',
    given: `a/p: { for: net, ingress: [{ from: ${peer} }, { ports: [{ port: 80 }] }] }`,
    allow: 'in 10.0.0.2 UDP/9, in 10.0.0.9 TCP/80',
    deny: 'in 10.0.0.9 TCP/81, in 10.0.0.9 UDP/80',
  },
  {
    title: 'D2: policies add up',
    given: `a/p: { for: net, ingress: [{ from: ${peer} }] }, a/q: { for: net }, a/r: { for: net, ingress: [{ ports: [{ port: 80 }] }] }`,
    allow: 'in 10.0.0.2 UDP/9, in 10.0.0.9 TCP/80',
    deny: 'in 10.0.0.9 TCP/81',
  },
  {
    title: 'D2: rules of a direction that policyTypes leaves out say nothing',
    given:
      'a/p: { for: net, policyTypes: [Ingress], egress: [{}] }, a/q: { for: net, policyTypes: [Egress] }',
    allow: '',
    deny: 'in 10.0.0.2 TCP/80, out 10.0.0.2 TCP/80',
  },
  {
    title: 'D2: a policy for another network adds nothing to this one',
    given: 'a/p: { for: net }, a/q: { for: side, ingress: [{}] }',
    allow: '',
    deny: 'in 10.0.0.2 TCP/80',
  },
  {
    title: 'G4: told to be on two networks, policies for one of them only isolate',
    given: `${told}\npolicies: { a/p: { for: net }, a/q: { for: side, ingress: [{}], egress: [{}] } }`,
    allow: '',
    deny: 'in 10.0.0.2 TCP/80, out 10.0.0.2 TCP/80',
  },
  {
    title: 'G4: and those for both allow',
    given: `${told}\npolicies: { a/p: { for: net, ingress: [{}] }, a/q: { for: "side,net", ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.9/32 } }] }] } }`,
    allow: 'in 10.0.0.9 TCP/80, out 10.0.0.2 TCP/80',
    deny: 'in 10.0.0.2 TCP/80',
  },
  {
    title: 'D2: no rule allows nothing, an empty rule allows everything',
    given: 'a/p: { for: net, policyTypes: [Ingress, Egress], ingress: [], egress: [{}] }',
    allow: 'out 10.0.0.9 OTHER, out fd00::9 TCP/1',
    deny: 'in 10.0.0.2 TCP/80',
  },
]

describe('the union', () => {
  test.each(rows)('$title', (row) => {
    expect(outcome(row)).toEqual([row.allow, ''])
  })
})

const client = { namespace: 'a', pod: 'client', interface: 'net1' }

test('D2: egress of one end and ingress of the other are both asked', () => {
  const ingress = cluster(
    fourPods,
    'policies: { a/p: { for: net, podSelector: { matchLabels: { app: server } } } }',
  )
  expect(reaches(ingress, options, client, server, 4, 'TCP', 80)).toBe('deny')
  expect(reaches(ingress, options, server, client, 4, 'TCP', 80)).toBe('allow')
  const egress = cluster(
    fourPods,
    `policies: { a/p: { for: net, egress: [{ to: ${peer} }], policyTypes: [Egress] } }`,
  )
  expect(reaches(egress, options, client, server, 6, 'TCP', 80)).toBe('deny')
  expect(reaches(egress, options, server, client, 6, 'ICMP')).toBe('allow')
})

test('D4: a pod reaches its own address whatever the policies say', () => {
  const asked = cluster(fourPods, 'policies: { a/p: { for: "net,side", policyTypes: [Ingress, Egress] } }')
  expect(reaches(asked, options, server, server, 4, 'TCP', 80)).toBe('allow')
  expect(reaches(asked, options, server, { ...server, interface: 'net2' }, 4, 'TCP', 80)).toBe('allow')
})

test('an address that an end does not have is a bug of the question', () => {
  const side = { ...server, interface: 'net2' }
  expect(() => reaches(cluster(fourPods), options, client, side, 6, 'TCP', 80)).toThrow('no IPv6 address')
})
