/** On which ports and protocols: numbers, names, protocols alone, and several policies for one pod. */
import {
  allow,
  deny,
  EVERYTHING,
  ingress,
  labelled,
  type NetpolCase,
  namespaceNamed,
  podNamed,
  type Rule,
} from './vocabulary.ts'

const A = podNamed('a')
const FROM_Y = [{ namespaceSelector: namespaceNamed('y') }]
const ONLY_Y = [deny('x/*', 'x/a'), deny('z/*', 'x/a')]

function fromY(port: number | string): Rule {
  return { peers: FROM_Y, ports: [{ protocol: 'TCP', port }] }
}

export const PORT_CASES: readonly NetpolCase[] = [
  {
    number: 14,
    name: 'one port for one namespace',
    asserts: 'peers and ports of one rule must both match',
    steps: [{ policies: [ingress('p', A, [fromY(81)])], reach: { 'TCP/81': ONLY_Y } }],
  },
  {
    number: 15,
    name: 'stacked policies for one pod',
    asserts: 'a second policy adds the port that the first left closed',
    steps: [
      {
        policies: [ingress('port-81', A, [fromY(81)])],
        reach: { 'TCP/81': ONLY_Y, 'TCP/80': [deny('*', 'x/a')] },
      },
      {
        policies: [ingress('port-81', A, [fromY(81)]), ingress('port-80', A, [fromY(80)])],
        reach: { 'TCP/81': ONLY_Y, 'TCP/80': ONLY_Y },
      },
    ],
  },
  {
    number: 16,
    name: 'allow all',
    asserts: 'one rule without peers and ports leaves everything open',
    steps: [{ policies: [ingress('open', labelled({}), [{}])], reach: { 'TCP/80': [], 'TCP/81': [] } }],
  },
  {
    number: 17,
    name: 'one named port',
    asserts:
      'the name stands for the port of the pods’ own container, and TCP is meant where nothing is said',
    steps: [
      {
        policies: [ingress('p', labelled({}), [{ ports: [{ port: 'serve-81-tcp' }] }])],
        reach: { 'TCP/81': [], 'TCP/80': [deny('*', 'x/*')] },
      },
    ],
  },
  {
    number: 18,
    name: 'one named port for one namespace',
    asserts: 'a named port narrows by its peers like a numbered one',
    steps: [
      {
        policies: [ingress('p', A, [fromY('serve-80-tcp')])],
        reach: { 'TCP/80': ONLY_Y, 'TCP/81': [deny('*', 'x/a')] },
      },
    ],
  },
  {
    number: 30,
    name: 'any port of one protocol',
    asserts: 'a protocol without a port lets in all its ports and no other protocol',
    steps: [
      {
        policies: [ingress('p', A, [{ ports: [{ protocol: 'TCP' }] }])],
        reach: { 'TCP/80': [], 'UDP/80': [deny('*', 'x/a')] },
      },
    ],
  },
  {
    number: 31,
    name: 'an ingress policy that allows all beside a narrow one',
    asserts: 'the wider policy wins once it is there',
    steps: [
      {
        policies: [ingress('port-80', labelled({}), [{ ports: [{ port: 80 }] }])],
        reach: { 'TCP/81': [deny('*', 'x/*')] },
      },
      {
        policies: [
          ingress('port-80', labelled({}), [{ ports: [{ port: 80 }] }]),
          ingress('open', labelled({}), [{}]),
        ],
        reach: { 'TCP/81': [] },
      },
    ],
  },
  {
    number: 38,
    name: 'SCTP is not TCP',
    asserts: 'a port allowed for SCTP stays closed for TCP in a closed namespace',
    steps: [
      {
        policies: [
          ingress('deny', EVERYTHING, []),
          ingress('sctp-81', A, [{ ports: [{ protocol: 'SCTP', port: 81 }] }]),
        ],
        reach: { 'TCP/81': [deny('*', 'x/*')], 'SCTP/81': [deny('*', 'x/*'), allow('*', 'x/a')] },
      },
    ],
  },
  {
    number: 39,
    name: 'a policy that allows SCTP alone isolates',
    asserts: 'the pod is closed for TCP, on other ports as well',
    steps: [
      {
        policies: [ingress('sctp-80', A, [{ ports: [{ protocol: 'SCTP', port: 80 }] }])],
        reach: { 'TCP/81': [deny('*', 'x/a')], 'SCTP/80': [] },
      },
    ],
  },
  {
    number: 40,
    name: 'UDP is not TCP',
    asserts: 'a port allowed for UDP stays closed for TCP',
    steps: [
      {
        policies: [ingress('udp-81', A, [{ ports: [{ protocol: 'UDP', port: 81 }] }])],
        reach: { 'TCP/81': [deny('*', 'x/a')], 'UDP/81': [] },
      },
    ],
  },
]
