/** Who may come in: isolation, and peers by pod, by namespace, by both and by either. */
import {
  allow,
  bothWays,
  deny,
  EVERYTHING,
  ingress,
  type NetpolCase,
  namespaceIs,
  namespaceNamed,
  podIn,
  podNamed,
} from './vocabulary.ts'

const A = podNamed('a')

export const PEER_CASES: readonly NetpolCase[] = [
  {
    number: 1,
    name: 'default deny of ingress',
    asserts: 'an ingress policy without rules for all pods of x closes x to everyone, x included',
    steps: [{ policies: [ingress('deny', EVERYTHING, [])], reach: { 'TCP/80': [deny('*', 'x/*')] } }],
  },
  {
    number: 2,
    name: 'default deny of both directions',
    asserts: 'a policy of both types without rules closes x in and out',
    steps: [
      {
        policies: [bothWays('deny', EVERYTHING, { ingress: [], egress: [] })],
        reach: { 'TCP/80': [deny('*', 'x/*'), deny('x/*', '*')] },
      },
    ],
  },
  {
    number: 3,
    name: 'from pods of the same namespace by label',
    asserts: 'a podSelector alone lets in the pod of the own namespace, not its namesakes elsewhere',
    steps: [
      {
        policies: [ingress('p', A, [{ peers: [{ podSelector: podNamed('b') }] }])],
        reach: { 'TCP/80': [deny('*', 'x/a'), allow('x/b', 'x/a')] },
      },
    ],
  },
  {
    number: 4,
    name: 'an allow for one target beside a deny for all',
    asserts:
      'what one policy allows for a pod, a policy that isolates the whole namespace does not take back',
    steps: [
      {
        policies: [
          ingress('deny', EVERYTHING, []),
          ingress('open-a', A, [{ peers: [{ podSelector: EVERYTHING, namespaceSelector: EVERYTHING }] }]),
        ],
        reach: { 'TCP/80': [deny('*', 'x/*'), allow('*', 'x/a')] },
      },
    ],
  },
  {
    number: 5,
    name: 'from all namespaces',
    asserts: 'an empty namespaceSelector lets in the pods of every namespace, the own one included',
    steps: [
      {
        policies: [ingress('p', A, [{ peers: [{ namespaceSelector: { matchLabels: {} } }] }])],
        reach: { 'TCP/80': [] },
      },
    ],
  },
  {
    number: 6,
    name: 'from another namespace only',
    asserts: 'a namespaceSelector alone lets in all pods of that namespace and nobody of the own',
    steps: [
      {
        policies: [ingress('p', A, [{ peers: [{ namespaceSelector: namespaceNamed('y') }] }])],
        reach: { 'TCP/80': [deny('x/*', 'x/a'), deny('z/*', 'x/a')] },
      },
    ],
  },
  {
    number: 7,
    name: 'podSelector with an expression',
    asserts: 'matchExpressions In selects pods as matchLabels does',
    steps: [
      {
        policies: [ingress('p', A, [{ peers: [{ podSelector: podIn('b') }] }])],
        reach: { 'TCP/80': [deny('*', 'x/a'), allow('x/b', 'x/a')] },
      },
    ],
  },
  {
    number: 8,
    name: 'namespaceSelector with an expression',
    asserts: 'matchExpressions In selects namespaces as matchLabels does',
    steps: [
      {
        policies: [ingress('p', A, [{ peers: [{ namespaceSelector: namespaceIs('In', 'y') }] }])],
        reach: { 'TCP/80': [deny('x/*', 'x/a'), deny('z/*', 'x/a')] },
      },
    ],
  },
  {
    number: 9,
    name: 'podSelector or namespaceSelector',
    asserts: 'two items of from are alternatives: other namespaces whole, and b of the own',
    steps: [
      {
        policies: [
          ingress('p', A, [
            { peers: [{ namespaceSelector: namespaceIs('NotIn', 'x') }, { podSelector: podNamed('b') }] },
          ]),
        ],
        reach: { 'TCP/80': [deny('x/c', 'x/a')] },
      },
    ],
  },
  {
    number: 10,
    name: 'podSelector and namespaceSelector',
    asserts: 'both in one item must match: b, and only of other namespaces',
    steps: [
      {
        policies: [
          ingress('p', A, [
            { peers: [{ namespaceSelector: namespaceIs('NotIn', 'x'), podSelector: podNamed('b') }] },
          ]),
        ],
        reach: { 'TCP/80': [deny('*', 'x/a'), allow('y/b', 'x/a'), allow('z/b', 'x/a')] },
      },
    ],
  },
  {
    number: 11,
    name: 'several pods of several namespaces',
    asserts: 'with expressions on both: b and c of all namespaces but the own',
    steps: [
      {
        policies: [
          ingress('p', A, [
            { peers: [{ namespaceSelector: namespaceIs('NotIn', 'x'), podSelector: podIn('b', 'c') }] },
          ]),
        ],
        reach: { 'TCP/80': [deny('x/*', 'x/a'), deny('y/a', 'x/a'), deny('z/a', 'x/a')] },
      },
    ],
  },
  {
    number: 12,
    name: 'any of several podSelectors',
    asserts: 'two podSelectors as items of from are alternatives',
    steps: [
      {
        policies: [
          ingress('p', A, [{ peers: [{ podSelector: podNamed('b') }, { podSelector: podNamed('c') }] }]),
        ],
        reach: { 'TCP/80': [deny('*', 'x/a'), allow('x/b', 'x/a'), allow('x/c', 'x/a')] },
      },
    ],
  },
  {
    number: 13,
    name: 'one pod of another namespace',
    asserts: 'a podSelector inside a namespaceSelector reaches across, and nobody else comes in',
    steps: [
      {
        policies: [
          ingress('p', A, [{ peers: [{ namespaceSelector: namespaceNamed('y'), podSelector: A }] }]),
        ],
        reach: { 'TCP/80': [deny('*', 'x/a'), allow('y/a', 'x/a')] },
      },
    ],
  },
  {
    number: 23,
    name: 'closed to other namespaces',
    asserts: 'an empty podSelector stands for the own namespace whole, and for nobody else',
    steps: [
      {
        policies: [ingress('p', EVERYTHING, [{ peers: [{ podSelector: { matchLabels: {} } }] }])],
        reach: { 'TCP/80': [deny('y/*', 'x/*'), deny('z/*', 'x/*')] },
      },
    ],
  },
  {
    number: 41,
    name: 'namespaces by the label that Kubernetes gives them',
    asserts: 'kubernetes.io/metadata.name is a label like any other, in matchLabels',
    steps: [
      {
        policies: [ingress('p', A, [{ peers: [{ namespaceSelector: namespaceNamed('y') }] }])],
        reach: { 'TCP/80': [deny('x/*', 'x/a'), deny('z/*', 'x/a')] },
      },
    ],
  },
]
