/** 11 to 17: ports and protocols. */
import {
  A_CLOSED,
  allow,
  app,
  B_REACHES_A,
  deny,
  intoA,
  policy,
  port,
  type SemanticsCase,
  type SemanticsStep,
} from './vocabulary.ts'

/** An ingress policy for x/a with these ports for everyone, and the services that get in. */
function ports(list: readonly unknown[], in_: readonly string[], warn = false): SemanticsStep {
  return {
    policies: [policy(intoA({ ports: list }))],
    reach: [A_CLOSED, ...in_.map((service) => allow({ to: 'x/a', service }))],
    ...(warn && { warns: [/spec\.ingress\[0\]\.ports\[0\]/] }),
  }
}

const SCTP = ['SCTP/80', 'SCTP/81'] as const

const WEB = {
  'x/a': { ports: [port('web', 80), port('alt', 81)] },
  'x/b': { ports: [port('web', 81)] },
  'x/c': { initPorts: [port('web', 80)] },
  'y/a': {},
  'y/b': { ports: [port('web', 80, 'UDP')] },
}

export const PORT_CASES: readonly SemanticsCase[] = [
  {
    number: '11',
    name: 'ports missing or empty: every protocol, ICMP included',
    steps: [
      { policies: [policy(intoA({ from: [app('b')], ports: [] }))], reach: [A_CLOSED, B_REACHES_A] },
      { policies: [policy(intoA({ from: [app('b')] }))], reach: [A_CLOSED, B_REACHES_A] },
    ],
  },
  { number: '12', name: 'a port without a protocol is of TCP', steps: [ports([{ port: 80 }], ['TCP/80'])] },
  {
    number: '13',
    name: 'a protocol without a port: all its ports, and entries add up',
    steps: [
      ports([{ protocol: 'UDP' }], ['UDP']),
      ports([{ protocol: 'TCP' }, { protocol: 'TCP', port: 80 }], ['TCP']),
      ports([{ protocol: 'TCP' }, { protocol: 'UDP', port: 80 }], ['TCP', 'UDP/80']),
      ports([{}], ['TCP']),
    ],
  },
  {
    number: '14',
    name: 'endPort: a range that holds both ends, with a numeric port not above it',
    steps: [
      ports([{ port: 80, endPort: 81 }], ['TCP/80', 'TCP/81']),
      ports([{ port: 81, endPort: 90 }], ['TCP/81']),
      ports([{ port: 1, endPort: 80, protocol: 'UDP' }], ['UDP/80']),
      ports([{ port: 80, endPort: 80 }], ['TCP/80']),
      ports([{ port: 81, endPort: 80 }], [], true),
      { ...ports([{ port: 'web', endPort: 81 }], [], true), pods: WEB },
      ports([{ endPort: 81 }], [], true),
      ports([{ port: 81, endPort: 80 }, { port: 80 }], ['TCP/80'], true),
    ],
  },
  {
    number: '15',
    name: 'a named port: the governed pod’s own on ingress, each peer’s own on egress, protocol included',
    steps: [
      {
        pods: WEB,
        policies: [policy({ podSelector: {}, ingress: [{ ports: [{ port: 'web' }] }] })],
        reach: [
          deny({ to: 'x/*' }),
          allow({ to: 'x/a', service: 'TCP/80' }),
          allow({ to: 'x/b', service: 'TCP/81' }),
          allow({ to: 'x/c', service: 'TCP/80' }),
        ],
      },
      {
        pods: WEB,
        policies: [policy({ ...app('c'), policyTypes: ['Egress'], egress: [{ ports: [{ port: 'web' }] }] })],
        reach: [
          deny({ from: 'x/c' }),
          allow({ from: 'x/c', to: 'x/a', service: 'TCP/80' }),
          allow({ from: 'x/c', to: 'x/b', service: 'TCP/81' }),
        ],
      },
      {
        pods: WEB,
        policies: [
          policy({
            ...app('c'),
            policyTypes: ['Egress'],
            egress: [
              { to: [{ ipBlock: { cidr: '10.1.0.2/32' } }], ports: [{ port: 'web' }] },
              { to: [{ namespaceSelector: {} }], ports: [{ port: 'web', protocol: 'UDP' }] },
            ],
          }),
        ],
        reach: [
          deny({ from: 'x/c' }),
          allow({ from: 'x/c', to: 'x/b', service: 'TCP/81', family: 4 }),
          allow({ from: 'x/c', to: 'y/b', service: 'UDP/80' }),
        ],
      },
      {
        pods: { ...WEB, 'x/a': { ports: [port('web', 80)], initPorts: [port('web', 81)] } },
        policies: [policy(intoA({ ports: [{ port: 'web' }] }))],
        reach: [A_CLOSED, allow({ to: 'x/a', service: 'TCP' })],
      },
    ],
  },
  {
    number: '16',
    name: 'a named port that nobody has matches nothing until a pod gets it; never a name of the services file',
    steps: [
      ports([{ port: 'web' }], []),
      { ...ports([{ port: 'web' }], ['TCP/80']), pods: { 'x/a': { ports: [port('web', 80)] } } },
      ports([{ port: 'http' }], []),
      {
        policies: [policy({ ...app('b'), policyTypes: ['Egress'], egress: [{ ports: [{ port: 'http' }] }] })],
        reach: [deny({ from: 'x/b' })],
      },
    ],
  },
  {
    number: '17',
    name: 'SCTP is a protocol of its own',
    steps: [
      { ...ports([{ protocol: 'SCTP', port: 80 }], ['SCTP/80']), asks: SCTP },
      { ...ports([{ protocol: 'SCTP' }, { protocol: 'TCP', port: 81 }], ['SCTP', 'TCP/81']), asks: SCTP },
    ],
  },
]
