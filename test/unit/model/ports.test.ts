/** T1 to T5: which packets an entry of `ports` stands for. */
import { describe, expect, test } from 'vitest'
import { outcome, type Row } from './small-cluster.ts'

const client = '{ podSelector: { matchLabels: { app: client } } }'

function ports(entries: string): string {
  return `a/p: { for: net, ingress: [{ ports: ${entries} }] }`
}

const numbers: readonly Row[] = [
  {
    title: 'T1: ports missing, every protocol',
    given: 'a/p: { for: net, ingress: [{}] }',
    allow: 'in 10.0.0.9 ICMP, in 10.0.0.9 OTHER, in 10.0.0.9 SCTP/1',
    deny: '',
  },
  {
    title: 'T1: ports empty',
    given: ports('[]'),
    allow: 'in 10.0.0.9 ICMP, in 10.0.0.9 OTHER, in 10.0.0.9 UDP/1',
    deny: '',
  },
  {
    title: 'T1: ports null',
    given: ports('null'),
    allow: 'in 10.0.0.9 ICMP, in 10.0.0.9 OTHER, in 10.0.0.9 UDP/1',
    deny: '',
  },
  {
    title: 'T2: a protocol without port',
    given: ports('[{ protocol: UDP }]'),
    allow: 'in 10.0.0.9 UDP/1, in 10.0.0.9 UDP/65535',
    deny: 'in 10.0.0.9 TCP/1, in 10.0.0.9 ICMP, in 10.0.0.9 OTHER',
  },
  {
    title: 'T2: an empty entry is all of TCP',
    given: ports('[{}]'),
    allow: 'in 10.0.0.9 TCP/1, in 10.0.0.9 TCP/65535',
    deny: 'in 10.0.0.9 UDP/1, in 10.0.0.9 ICMP',
  },
  {
    title: 'T2: TCP is the default',
    given: ports('[{ port: 80 }]'),
    allow: 'in 10.0.0.9 TCP/80',
    deny: 'in 10.0.0.9 UDP/80, in 10.0.0.9 TCP/79, in 10.0.0.9 TCP/81',
  },
  {
    title: 'T2: SCTP is its own',
    given: ports('[{ port: 80, protocol: SCTP }]'),
    allow: 'in 10.0.0.9 SCTP/80',
    deny: 'in 10.0.0.9 TCP/80, in 10.0.0.9 UDP/80',
  },
  {
    title: 'T2: entries are ORed',
    given: ports('[{ protocol: TCP }, { protocol: UDP, port: 53 }]'),
    allow: 'in 10.0.0.9 TCP/9, in 10.0.0.9 UDP/53',
    deny: 'in 10.0.0.9 UDP/54',
  },
  {
    title: 'T2: a wide entry is not narrowed by the next',
    given: ports('[{ protocol: TCP }, { port: 80 }]'),
    allow: 'in 10.0.0.9 TCP/81',
    deny: 'in 10.0.0.9 UDP/80',
  },
  {
    title: 'T3: a range, both ends in it',
    given: ports('[{ port: 80, endPort: 82 }]'),
    allow: 'in 10.0.0.9 TCP/80, in 10.0.0.9 TCP/81, in 10.0.0.9 TCP/82',
    deny: 'in 10.0.0.9 TCP/79, in 10.0.0.9 TCP/83, in 10.0.0.9 UDP/81',
  },
  {
    title: 'T3: a range of one',
    given: ports('[{ port: 80, endPort: 80 }]'),
    allow: 'in 10.0.0.9 TCP/80',
    deny: 'in 10.0.0.9 TCP/81',
  },
  {
    title: 'T3: endPort null is not given',
    given: ports('[{ port: 80, endPort: null }]'),
    allow: 'in 10.0.0.9 TCP/80',
    deny: 'in 10.0.0.9 TCP/81',
  },
]

const ingressNames = `
pods:
  a/server:
    net1: net 10.0.0.1
    ports: [{ web: 80/TCP }, { web: 8080/TCP }, { web: 81/UDP }, { tcp: 82 }, { dns: 53/UDP }]
    initPorts: { early: 90/TCP }
  a/client: { labels: { app: client }, net1: net 10.0.0.2, ports: { web: 99/TCP, theirs: 70/TCP } }
policies:
  a/p: { for: net, ingress: [{ ports: [{ port: web }, { port: early }, { port: tcp }, { port: dns }, { port: theirs }, { port: https }] }] }
`

const egressNames = `
pods:
  a/client: { labels: { app: client }, net1: net 10.0.0.2 fd00::2, net2: side 10.1.0.2, ports: { web: 80/TCP } }
  a/other: { net1: net 10.0.0.3, initPorts: { web: 81/TCP } }
  b/client: { labels: { app: client }, net1: a/net 10.0.0.4, ports: { web: 82/TCP } }
  b/done: { phase: Succeeded, net1: a/net 10.0.0.5, ports: { web: 83/TCP } }
  a/server: { net1: net 10.0.0.1, ports: { web: 84/TCP } }
`

function out(rule: string): string {
  return `${egressNames}policies: { a/p: { for: net, egress: [{ ${rule}, ports: [{ port: web }] }] } }`
}

const names: readonly Row[] = [
  {
    title: 'T4: on ingress a name is the governed pod’s, init containers and several numbers included',
    given: ingressNames,
    allow: 'in 10.0.0.9 TCP/80, in 10.0.0.9 TCP/8080, in 10.0.0.9 TCP/90, in 10.0.0.9 TCP/82',
    deny: 'in 10.0.0.9 UDP/80, in 10.0.0.9 UDP/81, in 10.0.0.9 TCP/81, in 10.0.0.9 TCP/99',
  },
  {
    title: 'T4: a name of the other protocol is another name',
    given: ingressNames,
    allow: '',
    deny: 'in 10.0.0.9 TCP/53, in 10.0.0.9 UDP/53',
  },
  {
    title: 'T5: a name that nothing has matches nothing, not the services file either',
    given: ingressNames,
    allow: '',
    deny: 'in 10.0.0.9 TCP/443, in 10.0.0.9 TCP/70',
  },
  {
    title: 'T4: on egress a name is each peer pod’s own',
    given: out('to: [{ podSelector: {} }]'),
    allow: 'out 10.0.0.2 TCP/80, out fd00::2 TCP/80, out 10.0.0.3 TCP/81',
    deny: 'out 10.0.0.2 TCP/81, out 10.0.0.3 TCP/80, out 10.0.0.4 TCP/82, out 10.0.0.2 UDP/80, out 10.0.0.9 TCP/84, out 10.1.0.2 TCP/80',
  },
  {
    title: 'T4: it narrows with the peer',
    given: out(`to: [${client}]`),
    allow: 'out 10.0.0.2 TCP/80',
    deny: 'out 10.0.0.3 TCP/81',
  },
  {
    title: 'T4: with an ipBlock, the pods within it',
    given: out('to: [{ ipBlock: { cidr: 10.0.0.0/24, except: [10.0.0.3/32] } }]'),
    allow: 'out 10.0.0.2 TCP/80, out 10.0.0.4 TCP/82',
    deny: 'out 10.0.0.3 TCP/81, out fd00::2 TCP/80, out 10.0.0.9 TCP/80, out 10.0.0.5 TCP/83',
  },
  {
    title: 'T4: with no peer, every pod on the policy’s networks',
    given: out('to: []'),
    allow: 'out 10.0.0.2 TCP/80, out fd00::2 TCP/80, out 10.0.0.3 TCP/81, out 10.0.0.4 TCP/82',
    deny: 'out 10.0.0.9 TCP/80, out 10.1.0.2 TCP/80, out 10.0.0.5 TCP/83, out 10.0.0.9 TCP/84',
  },
  {
    title: 'T4: two pods with one address, only the selected one’s name counts',
    given: `
pods:
  a/good: { labels: { app: good }, net1: side 10.0.0.7, ports: { web: 80/TCP } }
  a/bad: { net1: net 10.0.0.7, ports: { web: 81/TCP } }
policies: { a/p: { for: "net,side", egress: [{ to: [{ podSelector: { matchLabels: { app: good } } }], ports: [{ port: web }] }] } }`,
    allow: 'out 10.0.0.7 TCP/80',
    deny: 'out 10.0.0.7 TCP/81',
  },
]

describe.each([
  ['numbers', numbers],
  ['names', names],
])('%s', (_topic, rows) => {
  test.each(rows)('$title', (row) => {
    expect(outcome(row)).toEqual([row.allow, ''])
  })
})
