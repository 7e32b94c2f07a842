/** Where pods may go, and the two directions together. */
import {
  allow,
  bothWays,
  deny,
  EVERYTHING,
  egress,
  ingress,
  labelled,
  type NetpolCase,
  namespaceIs,
  namespaceNamed,
  podNamed,
} from './vocabulary.ts'

const A = podNamed('a')
const X_A = { namespaceSelector: namespaceNamed('x'), podSelector: A }
const Y_A = { namespaceSelector: namespaceNamed('y'), podSelector: A }

export const EGRESS_CASES: readonly NetpolCase[] = [
  {
    number: 19,
    name: 'egress to one named port',
    asserts: 'the name is looked up on the pods at the other end, in every namespace',
    steps: [
      {
        policies: [egress('p', labelled({}), [{ ports: [{ port: 'serve-80-tcp' }] }])],
        reach: { 'TCP/80': [], 'TCP/81': [deny('x/*', '*')] },
      },
    ],
  },
  {
    number: 25,
    name: 'no egress for one pod',
    asserts: 'an egress policy without rules holds back the pod it selects and no other',
    steps: [{ policies: [egress('p', A, [])], reach: { 'TCP/80': [deny('x/a', '*')] } }],
  },
  {
    number: 26,
    name: 'no egress for a namespace',
    asserts: 'nobody of x gets out, to its own namespace neither; others still come in',
    steps: [{ policies: [egress('p', EVERYTHING, [])], reach: { 'TCP/80': [deny('x/*', '*')] } }],
  },
  {
    number: 27,
    name: 'ingress and egress in one policy',
    asserts: 'each direction has its own rules: b comes in on any port, a goes out on 80',
    steps: [
      {
        policies: [
          bothWays('p', A, {
            ingress: [{ peers: [{ podSelector: podNamed('b') }] }],
            egress: [{ ports: [{ port: 80 }] }],
          }),
        ],
        reach: {
          'TCP/80': [deny('*', 'x/a'), allow('x/b', 'x/a')],
          'TCP/81': [deny('*', 'x/a'), deny('x/a', '*'), allow('x/b', 'x/a')],
        },
      },
    ],
  },
  {
    number: 28,
    name: 'held back by the client’s policy although the server’s allows',
    asserts: 'both ends must allow a connection',
    steps: [
      {
        policies: [
          egress('to-y-a', A, [{ peers: [Y_A] }]),
          ingress('from-x-a', A, [{ peers: [X_A] }], 'y'),
          ingress('b-from-x-a', podNamed('b'), [{ peers: [X_A] }], 'y'),
        ],
        reach: {
          'TCP/80': [deny('x/a', '*'), deny('*', 'y/a'), allow('x/a', 'y/a'), deny('*', 'y/b')],
        },
      },
    ],
  },
  {
    number: 29,
    name: 'egress to one pod of another namespace',
    asserts: 'both selectors of one item of to must match',
    steps: [
      {
        policies: [egress('p', A, [{ peers: [Y_A] }])],
        reach: { 'TCP/80': [deny('x/a', '*'), allow('x/a', 'y/a')] },
      },
    ],
  },
  {
    number: 32,
    name: 'an egress policy that allows all beside a narrow one',
    asserts: 'the wider policy wins once it is there',
    steps: [
      {
        policies: [egress('port-80', labelled({}), [{ ports: [{ port: 80 }] }])],
        reach: { 'TCP/81': [deny('x/*', '*')] },
      },
      {
        policies: [
          egress('port-80', labelled({}), [{ ports: [{ port: 80 }] }]),
          egress('open', labelled({}), [{}]),
        ],
        reach: { 'TCP/81': [] },
      },
    ],
  },
  {
    number: 37,
    name: 'the directions are independent',
    asserts: 'a policy that lets a go everywhere and one that lets nobody in to a do not touch each other',
    steps: [
      { policies: [egress('open', A, [{}])], reach: { 'TCP/80': [] } },
      {
        policies: [egress('open', A, [{}]), ingress('deny', A, [])],
        reach: { 'TCP/80': [deny('*', 'x/a')] },
      },
    ],
  },
  {
    number: 42,
    name: 'all namespaces but one, by the label that Kubernetes gives them',
    asserts: 'kubernetes.io/metadata.name in matchExpressions, NotIn',
    steps: [
      {
        policies: [egress('p', A, [{ peers: [{ namespaceSelector: namespaceIs('NotIn', 'y') }] }])],
        reach: { 'TCP/80': [deny('x/a', 'y/*')] },
      },
    ],
  },
]
