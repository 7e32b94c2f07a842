/**
 * P6 and "When input is bad": the policy keeps isolating, the bad part allows nothing, the good part beside
 * it still does.
 */
import { describe, expect, test } from 'vitest'
import { allowed, cluster, fourPods } from './small-cluster.ts'

const asked = 'in 10.0.0.2 TCP/80, in 10.0.0.2 TCP/443, in fd00::2 UDP/53, in 10.0.0.9 ICMP'

const badPeers: readonly string[] = [
  'null',
  '7',
  '[]',
  '{}',
  '{ podSelector: null }',
  '{ podselector: {} }',
  '{ ipBlock: { cidr: 0.0.0.0/0 }, podSelector: {} }',
  '{ ipBlock: { cidr: 0.0.0.0/0 }, namespaceSelector: {} }',
  '{ ipBlock: {} }',
  '{ ipBlock: 10.0.0.0/24 }',
  '{ ipBlock: { cidr: 10.0.0.0 } }',
  '{ ipBlock: { cidr: 10.0.0.0/33 } }',
  '{ ipBlock: { cidr: 10.0.0.0/ } }',
  '{ ipBlock: { cidr: 10.0.0.0/+8 } }',
  '{ ipBlock: { cidr: 10.0.0.0/08 } }',
  '{ ipBlock: { cidr: 10.0.0.0/8/8 } }',
  '{ ipBlock: { cidr: " 10.0.0.0/8" } }',
  '{ ipBlock: { cidr: 010.0.0.0/8 } }',
  '{ ipBlock: { cidr: 10.0.0/8 } }',
  '{ ipBlock: { cidr: "::ffff:10.0.0.0/104" } }',
  '{ ipBlock: { cidr: "::ffff:10.0.0.0/0" } }',
  '{ ipBlock: { cidr: "fd00::%net1/64" } }',
  '{ ipBlock: { cidr: "fd00::/129" } }',
  '{ ipBlock: { cidr: 7 } }',
  '{ ipBlock: { cidr: 10.0.0.0/24, except: [10.0.1.0/28] } }',
  '{ ipBlock: { cidr: 10.0.0.0/24, except: [10.0.0.0/16] } }',
  '{ ipBlock: { cidr: 10.0.0.0/24, except: [10.0.0.0/24] } }',
  '{ ipBlock: { cidr: 10.0.0.0/24, except: ["fd00::/64"] } }',
  '{ ipBlock: { cidr: 10.0.0.0/24, except: [rubbish] } }',
  '{ ipBlock: { cidr: 10.0.0.0/24, except: [null] } }',
  '{ ipBlock: { cidr: 10.0.0.0/24, except: 10.0.0.128/25 } }',
  '{ podSelector: all }',
  '{ podSelector: [] }',
  '{ podSelector: {}, namespaceSelector: all }',
  '{ podSelector: { matchLabels: [app] } }',
  '{ podSelector: { matchLabels: { app: null } } }',
  '{ podSelector: { matchLabels: { app: 1 } } }',
  '{ podSelector: { matchExpressions: {} } }',
  '{ podSelector: { matchExpressions: [null] } }',
  '{ podSelector: { matchExpressions: [{ key: none, operator: NotIn }] } }',
  '{ podSelector: { matchExpressions: [{ key: none, operator: NotIn, values: [] }] } }',
  '{ podSelector: { matchExpressions: [{ key: none, operator: NotIn, values: x }] } }',
  '{ podSelector: { matchExpressions: [{ key: none, operator: NotIn, values: [7] }] } }',
  '{ podSelector: { matchExpressions: [{ key: none, operator: NotIn, values: ["no label!"] }] } }',
  '{ podSelector: { matchExpressions: [{ key: app, operator: In, values: [] }] } }',
  '{ podSelector: { matchExpressions: [{ key: app, operator: Exists, values: [client] }] } }',
  '{ podSelector: { matchExpressions: [{ key: none, operator: DoesNotExist, values: [x] }] } }',
  '{ podSelector: { matchExpressions: [{ key: app, operator: exists }] } }',
  '{ podSelector: { matchExpressions: [{ key: "no key!", operator: DoesNotExist }] } }',
  '{ podSelector: { matchExpressions: [{ operator: DoesNotExist }] } }',
]

const badPorts: readonly string[] = [
  'null',
  '80',
  '[]',
  '{ protocol: tcp }',
  '{ protocol: ICMP }',
  '{ protocol: "" }',
  '{ protocol: 6 }',
  '{ port: 0 }',
  '{ port: 70000 }',
  '{ port: -1 }',
  '{ port: 80.5 }',
  '{ port: "80" }',
  '{ port: "" }',
  '{ port: true }',
  '{ port: "-web" }',
  '{ port: Web }',
  '{ port: 80, endPort: 79 }',
  '{ port: 80, endPort: 70000 }',
  '{ port: 80, endPort: 0 }',
  '{ port: 80, endPort: "443" }',
  '{ port: 80, endPort: 443.5 }',
  '{ port: web, endPort: 443 }',
  '{ endPort: 443 }',
]

function judged(spec: string): string {
  return allowed(cluster(fourPods, `policies: { a/p: { for: net, ${spec} } }`), asked)
}

describe('P6: a bad peer allows nothing', () => {
  test.each(badPeers)('%s', (peer) => {
    expect(judged(`ingress: [{ from: [${peer}] }]`)).toBe('')
    expect(judged(`ingress: [{ from: [${peer}, { ipBlock: { cidr: fd00::2/128 } }] }]`)).toBe(
      'in fd00::2 UDP/53',
    )
  })
})

describe('T3 and bad input: a bad port allows nothing', () => {
  test.each(badPorts)('%s', (port) => {
    expect(judged(`ingress: [{ ports: [${port}] }]`)).toBe('')
    expect(judged(`ingress: [{ ports: [${port}, { protocol: UDP, port: 53 }] }]`)).toBe('in fd00::2 UDP/53')
  })
})

const badRules: readonly string[] = [
  'ingress: all',
  'ingress: {}',
  'ingress: [null]',
  'ingress: [all]',
  'ingress: [[]]',
  'ingress: [{ from: all }]',
  'ingress: [{ from: {} }]',
  'ingress: [{ ports: 80 }]',
  'ingress: [{ ports: {} }]',
  'policyTypes: [Ingress], ingress: 7',
]

describe('bad input: a list or rule of the wrong type allows nothing', () => {
  test.each(badRules)('%s', (spec) => {
    expect(judged(spec)).toBe('')
    expect(judged(spec.replace(/ingress: \[(.*)\]$/, 'ingress: [$1, { ports: [{ port: 80 }] }]'))).toBe(
      /ingress: \[/.test(spec) ? 'in 10.0.0.2 TCP/80' : '',
    )
  })
})

describe('bad input: a podSelector of the policy that is invalid selects nothing', () => {
  test.each(['all', '[]', '{ matchLabels: 7 }', '{ matchExpressions: [{ key: app, operator: In }] }'])(
    '%s',
    (selector) => {
      expect(judged(`podSelector: ${selector}`)).toBe(asked)
    },
  )

  test.each(['null', '{}', '{ matchLabels: null, matchExpressions: null }'])('%s is empty', (selector) => {
    expect(judged(`podSelector: ${selector}`)).toBe('')
  })
})
