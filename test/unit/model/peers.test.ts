/** P1 to P7: whom a peer stands for. */
import { describe, expect, test } from 'vitest'
import { outcome, type Row } from './small-cluster.ts'

const client = '{ matchLabels: { app: client } }'
const blue = '{ matchLabels: { team: blue } }'
const everybody =
  'in 10.0.0.2 TCP/80, in 10.0.0.3 TCP/80, in 10.0.0.4 TCP/80, in 10.0.0.9 TCP/80, in fd00::9 ICMP'

function from(peers: string, networks = 'net'): string {
  return `a/p: { for: "${networks}", ingress: [{ from: ${peers} }] }`
}

function selecting(selector: string): string {
  return from(`[{ podSelector: { ${selector} } }]`)
}

const shapes: readonly Row[] = [
  {
    title: 'P1: from missing',
    given: 'a/p: { for: net, ingress: [{ ports: [] }] }',
    allow: everybody,
    deny: '',
  },
  { title: 'P1: from null', given: from('null'), allow: everybody, deny: '' },
  { title: 'P1: from empty', given: from('[]'), allow: everybody, deny: '' },
  {
    title: 'P2: podSelector alone, the policy’s namespace',
    given: from(`[{ podSelector: ${client} }]`),
    allow: 'in 10.0.0.2 TCP/80, in fd00::2 ICMP',
    deny: 'in 10.0.0.3 TCP/80, in 10.0.0.4 TCP/80, in 10.0.0.9 TCP/80',
  },
  {
    title: 'P2: an empty podSelector, all pods of the policy’s namespace, itself included',
    given: from('[{ podSelector: {} }]'),
    allow: 'in 10.0.0.1 TCP/80, in 10.0.0.2 TCP/80, in 10.0.0.3 TCP/80',
    deny: 'in 10.0.0.4 TCP/80, in 10.0.0.9 TCP/80',
  },
  {
    title: 'P2: namespaceSelector alone, all pods of the namespaces',
    given: from(`[{ namespaceSelector: ${blue} }]`),
    allow: 'in 10.0.0.4 TCP/80',
    deny: 'in 10.0.0.2 TCP/80, in 10.0.0.9 TCP/80',
  },
  {
    title: 'P2: an empty namespaceSelector, all pods',
    given: from('[{ namespaceSelector: {}, podSelector: null }]'),
    allow: 'in 10.0.0.2 TCP/80, in 10.0.0.3 TCP/80, in 10.0.0.4 TCP/80',
    deny: 'in 10.0.0.9 TCP/80',
  },
  {
    title: 'P2: both, the pods that match in the namespaces that match',
    given: from(`[{ namespaceSelector: {}, podSelector: ${client} }]`),
    allow: 'in 10.0.0.2 TCP/80, in 10.0.0.4 TCP/80',
    deny: 'in 10.0.0.3 TCP/80',
  },
  {
    title: 'P2: two entries are ORed',
    given: from(`[{ namespaceSelector: ${blue} }, { podSelector: { matchLabels: { app: server } } }]`),
    allow: 'in 10.0.0.4 TCP/80, in 10.0.0.1 TCP/80',
    deny: 'in 10.0.0.2 TCP/80',
  },
  {
    title: 'P2: the name is a label of every namespace, defined or not, whatever it says itself',
    given: `
namespaces: { a: { kubernetes.io/metadata.name: forged } }
pods: { c/pod: { net1: a/net 10.0.0.5 } }
policies: { ${from('[{ namespaceSelector: { matchExpressions: [{ key: kubernetes.io/metadata.name, operator: In, values: [a, c] }] } }]')} }`,
    allow: 'in 10.0.0.2 TCP/80, in 10.0.0.5 TCP/80',
    deny: 'in 10.0.0.4 TCP/80',
  },
]

const addresses: readonly Row[] = [
  {
    title: 'P3: addresses on the policy’s networks, not on others',
    given: from('[{ namespaceSelector: {} }]'),
    allow: 'in 10.0.0.2 TCP/80, in 10.0.0.4 TCP/80',
    deny: 'in 10.1.0.2 TCP/80, in 10.2.0.4 TCP/80',
  },
  {
    title: 'P3: any of the policy’s networks',
    given: from('[{ namespaceSelector: {} }]', 'net, side, b/net'),
    allow: 'in 10.0.0.2 TCP/80, in 10.1.0.2 TCP/80, in 10.2.0.4 TCP/80',
    deny: 'in 10.0.0.9 TCP/80',
  },
  {
    title: 'P3: a network whose type does not count gives no peers',
    given: `pods: { a/far: { net1: foreign 10.3.0.1 } }\npolicies: { ${from('[{ podSelector: {} }]', 'net,foreign')} }`,
    allow: 'in 10.0.0.2 TCP/80',
    deny: 'in 10.3.0.1 TCP/80',
  },
  {
    title: 'P3: a network that is missing gives peers',
    given: `pods: { a/far: { net1: gone 10.3.0.1 } }\npolicies: { ${from('[{ podSelector: {} }]', 'net,gone')} }`,
    allow: 'in 10.3.0.1 TCP/80',
    deny: '',
  },
  {
    title: 'P3: one address on two segments is one peer',
    given: `
pods:
  a/good: { labels: { app: good }, net1: side 10.0.0.7 }
  a/bad: { labels: { app: bad }, net1: net 10.0.0.7 }
policies: { ${from('[{ podSelector: { matchLabels: { app: good } } }]', 'net,side')} }`,
    allow: 'in 10.0.0.7 TCP/80',
    deny: 'in 10.0.0.2 TCP/80',
  },
  {
    title: 'P3: spellings of an address are one address',
    given: `pods: { a/six: { net1: net FD00:0:0::0007 } }\npolicies: { ${from('[{ podSelector: {} }]')} }`,
    allow: 'in fd00::7 TCP/80',
    deny: 'in fd00::8 TCP/80',
  },
  {
    title: 'P3: mapped, scoped and malformed addresses make no peer, the others of the entry do',
    given: `pods: { a/odd: { net1: net ::ffff:10.0.0.7 fe80::7%net1 10.0.0.07 10.0.0.8/24 10.0.0.6 } }\npolicies: { ${from('[{ podSelector: {} }]')} }`,
    allow: 'in 10.0.0.6 TCP/80',
    deny: 'in 10.0.0.7 TCP/80, in fe80::7 TCP/80, in 10.0.0.8 TCP/80',
  },
  {
    title: 'P4: a selector that matches no pod is not everyone',
    given: from('[{ podSelector: { matchLabels: { app: nobody } } }]'),
    allow: '',
    deny: everybody,
  },
  {
    title: 'G5: hostNetwork and finished pods are no peers, pending ones are',
    given: `
pods:
  a/host: { hostNetwork: true, net1: net 10.0.0.5 }
  a/done: { phase: Succeeded, net1: net 10.0.0.6 }
  a/dead: { phase: Failed, net1: net 10.0.0.7 }
  a/soon: { phase: Pending, net1: net 10.0.0.8 }
policies: { ${from('[{ podSelector: {} }]')} }`,
    allow: 'in 10.0.0.8 TCP/80',
    deny: 'in 10.0.0.5 TCP/80, in 10.0.0.6 TCP/80, in 10.0.0.7 TCP/80',
  },
]

const blocks: readonly Row[] = [
  {
    title: 'P5: the CIDR, whether pods are in it or not',
    given: from('[{ ipBlock: { cidr: 10.0.0.0/30 } }]'),
    allow: 'in 10.0.0.0 TCP/80, in 10.0.0.2 TCP/80, in 10.0.0.3 TCP/80',
    deny: 'in 10.0.0.4 TCP/80, in 9.255.255.255 TCP/80, in fd00::2 TCP/80',
  },
  {
    title: 'P5: less its own except',
    given: from('[{ ipBlock: { cidr: 10.0.0.0/24, except: [10.0.0.2/32, 10.0.0.128/25] } }]'),
    allow: 'in 10.0.0.1 TCP/80, in 10.0.0.3 TCP/80, in 10.0.0.127 TCP/80',
    deny: 'in 10.0.0.2 TCP/80, in 10.0.0.128 TCP/80, in 10.0.0.255 TCP/80',
  },
  {
    title: 'P5: another peer of the rule may allow again what an except takes out',
    given: from(`[{ ipBlock: { cidr: 10.0.0.0/24, except: [10.0.0.0/28] } }, { podSelector: ${client} }]`),
    allow: 'in 10.0.0.2 TCP/80, in 10.0.0.16 TCP/80',
    deny: 'in 10.0.0.3 TCP/80',
  },
  {
    title: 'P5: 0.0.0.0/0 is IPv4 only',
    given: from('[{ ipBlock: { cidr: 0.0.0.0/0 } }]'),
    allow: 'in 10.0.0.9 TCP/80, in 255.255.255.255 TCP/80, in 0.0.0.0 TCP/80',
    deny: 'in fd00::2 TCP/80, in :: TCP/80',
  },
  {
    title: 'P5: ::/0 is IPv6 only',
    given: from('[{ ipBlock: { cidr: "::/0", except: ["fd00::2/127"] } }]'),
    allow: 'in fd00::1 TCP/80, in ff02::1 TCP/80',
    deny: 'in 10.0.0.2 TCP/80, in fd00::2 TCP/80, in fd00::3 TCP/80',
  },
  {
    title: 'P5: host bits are cleared, in an except too',
    given: from('[{ ipBlock: { cidr: 10.0.0.77/24, except: [10.0.0.5/30] } }]'),
    allow: 'in 10.0.0.1 TCP/80, in 10.0.0.8 TCP/80',
    deny: 'in 10.0.0.4 TCP/80, in 10.0.0.7 TCP/80',
  },
  {
    title: 'P5: excepts that take all leave nothing',
    given: from('[{ ipBlock: { cidr: 10.0.0.0/31, except: [10.0.0.0/32, 10.0.0.1/32] } }]'),
    allow: '',
    deny: 'in 10.0.0.0 TCP/80, in 10.0.0.1 TCP/80',
  },
]

const selectors: readonly Row[] = [
  {
    title: 'P7: In',
    given: selecting('matchExpressions: [{ key: app, operator: In, values: [client, server] }]'),
    allow: 'in 10.0.0.1 TCP/80, in 10.0.0.2 TCP/80',
    deny: 'in 10.0.0.3 TCP/80',
  },
  {
    title: 'P7: NotIn matches where the key is absent',
    given: selecting('matchExpressions: [{ key: app, operator: NotIn, values: [client] }]'),
    allow: 'in 10.0.0.1 TCP/80, in 10.0.0.3 TCP/80',
    deny: 'in 10.0.0.2 TCP/80',
  },
  {
    title: 'P7: Exists, null values being none',
    given: selecting('matchExpressions: [{ key: app, operator: Exists, values: null }]'),
    allow: 'in 10.0.0.1 TCP/80, in 10.0.0.2 TCP/80',
    deny: 'in 10.0.0.3 TCP/80',
  },
  {
    title: 'P7: DoesNotExist',
    given: selecting('matchExpressions: [{ key: app, operator: DoesNotExist }]'),
    allow: 'in 10.0.0.3 TCP/80',
    deny: 'in 10.0.0.1 TCP/80, in 10.0.0.2 TCP/80',
  },
  {
    title: 'P7: all of it is ANDed',
    given: selecting(
      'matchLabels: { app: server }, matchExpressions: [{ key: tier, operator: In, values: [back] }, { key: app, operator: Exists }]',
    ),
    allow: 'in 10.0.0.1 TCP/80',
    deny: 'in 10.0.0.2 TCP/80, in 10.0.0.3 TCP/80',
  },
  {
    title: 'P7: a key that is also a word of JavaScript is absent',
    given: selecting('matchExpressions: [{ key: constructor, operator: Exists }]'),
    allow: '',
    deny: 'in 10.0.0.1 TCP/80, in 10.0.0.2 TCP/80',
  },
]

describe.each([
  ['shapes', shapes],
  ['addresses', addresses],
  ['blocks', blocks],
  ['selectors', selectors],
])('%s', (_topic, rows) => {
  test.each(rows)('$title', (row) => {
    expect(outcome(row)).toEqual([row.allow, ''])
  })
})
