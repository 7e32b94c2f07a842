/** What happens when policies and labels change under way. */
import {
  allow,
  bothWays,
  deny,
  EVERYTHING,
  ingress,
  labelled,
  type NetpolCase,
  podNamed,
} from './vocabulary.ts'

const A = podNamed('a')

export const CHANGE_CASES: readonly NetpolCase[] = [
  {
    number: 20,
    name: 'a policy that is edited',
    asserts: 'from allow all to deny all, under the same name',
    steps: [
      { policies: [ingress('p', labelled({}), [{}])], reach: { 'TCP/81': [] } },
      { policies: [ingress('p', labelled({}), [])], reach: { 'TCP/81': [deny('*', 'x/*')] } },
    ],
  },
  {
    number: 21,
    name: 'a namespace that gets a label',
    asserts: 'its pods come in as soon as the namespace matches',
    steps: [
      {
        policies: [ingress('p', A, [{ peers: [{ namespaceSelector: labelled({ ns2: 'updated' }) }] }])],
        reach: { 'TCP/80': [deny('*', 'x/a')] },
      },
      {
        policies: [ingress('p', A, [{ peers: [{ namespaceSelector: labelled({ ns2: 'updated' }) }] }])],
        namespaceLabels: { y: { ns2: 'updated' } },
        reach: { 'TCP/80': [deny('*', 'x/a'), allow('y/*', 'x/a')] },
      },
    ],
  },
  {
    number: 22,
    name: 'a peer that gets a label',
    asserts: 'the pod comes in as soon as it matches; of two labels both are needed',
    steps: [
      {
        policies: [ingress('p', A, [{ peers: [{ podSelector: labelled({ pod: 'b', pod2: 'updated' }) }] }])],
        reach: { 'TCP/80': [deny('*', 'x/a')] },
      },
      {
        policies: [ingress('p', A, [{ peers: [{ podSelector: labelled({ pod: 'b', pod2: 'updated' }) }] }])],
        podLabels: { 'x/b': { pod2: 'updated' } },
        reach: { 'TCP/80': [deny('*', 'x/a'), allow('x/b', 'x/a')] },
      },
    ],
  },
  {
    number: 24,
    name: 'a target that gets a label',
    asserts: 'the pod is closed as soon as the policy selects it',
    steps: [
      { policies: [ingress('p', labelled({ target: 'isolated' }), [])], reach: { 'TCP/80': [] } },
      {
        policies: [ingress('p', labelled({ target: 'isolated' }), [])],
        podLabels: { 'x/a': { target: 'isolated' } },
        reach: { 'TCP/80': [deny('*', 'x/a')] },
      },
    ],
  },
  {
    number: 33,
    name: 'a policy that is deleted',
    asserts: 'everything is open again',
    steps: [
      {
        policies: [bothWays('deny', EVERYTHING, { ingress: [], egress: [] })],
        reach: { 'TCP/80': [deny('x/*', '*'), deny('*', 'x/*')] },
      },
      { policies: [], reach: { 'TCP/80': [] } },
    ],
  },
]
