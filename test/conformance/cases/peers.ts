/** 9, 10 and 18 to 25: who a rule is for. */
import {
  A_CLOSED,
  allow,
  app,
  B_REACHES_A,
  block,
  deny,
  intoA,
  outOfA,
  policy,
  type SemanticsCase,
  type SemanticsStep,
  team,
} from './vocabulary.ts'

/** An ingress policy for x/a with these peers, and which of all come in; over one family only, if one is given. */
function from(peers: readonly unknown[], in_: readonly string[], family?: 4 | 6): SemanticsStep {
  return {
    policies: [policy(intoA({ from: peers }))],
    reach: [A_CLOSED, ...in_.map((who) => allow({ from: who, to: 'x/a', ...(family && { family }) }))],
  }
}

export const PEER_CASES: readonly SemanticsCase[] = [
  {
    number: '9',
    name: 'from missing or empty: any source, one that is no pod included',
    steps: [
      {
        policies: [policy(intoA({ ports: [{ port: 80 }] }))],
        reach: [A_CLOSED, allow({ to: 'x/a', service: 'TCP/80' })],
      },
      {
        policies: [policy(intoA({ from: [], ports: [{ port: 80 }] }))],
        reach: [A_CLOSED, allow({ to: 'x/a', service: 'TCP/80' })],
      },
    ],
  },
  {
    number: '10',
    name: 'from that matches nobody allows nothing',
    steps: [
      from([app('nobody')], []),
      from([team('nobody')], []),
      {
        policies: [policy(outOfA({ to: [app('nobody')] }))],
        reach: [deny({ from: 'x/a' })],
      },
    ],
  },
  {
    number: '18',
    name: 'podSelector alone: pods of the policy’s namespace',
    steps: [from([app('b')], ['x/b']), from([{ podSelector: {} }], ['x/*'])],
  },
  {
    number: '19',
    name: 'namespaceSelector alone: all pods of the namespaces that match, and nobody who is no pod',
    steps: [from([{ namespaceSelector: {} }], ['x/*', 'y/*']), from([team('y')], ['y/*'])],
  },
  {
    number: '20',
    name: 'both selectors in one item: both must match; two items: either',
    steps: [from([{ ...team('y'), ...app('b') }], ['y/b']), from([team('y'), app('b')], ['y/*', 'x/b'])],
  },
  {
    number: '21',
    name: 'a peer without a field matches nothing',
    steps: [
      { ...from([{}], []), warns: [/spec\.ingress\[0\]\.from\[0\]/] },
      { ...from([{}, app('b')], ['x/b']), warns: [/spec\.ingress\[0\]\.from\[0\]/] },
    ],
  },
  {
    number: '22',
    name: 'ipBlock together with a selector matches nothing',
    steps: [
      {
        ...from([{ ...app('b'), ipBlock: { cidr: '10.1.0.0/24' } }], []),
        warns: [/spec\.ingress\[0\]\.from\[0\]/],
      },
      {
        ...from([{ namespaceSelector: {}, ipBlock: { cidr: '0.0.0.0/0' } }, app('c')], ['x/c']),
        warns: [/spec\.ingress\[0\]\.from\[0\]/],
      },
    ],
  },
  {
    number: '23',
    name: 'an except narrows its own block only: another peer, rule or policy may allow again',
    steps: [
      from([block('10.1.0.0/24', '10.1.0.2/32', '10.1.0.4/30')], ['x/c', 'out'], 4),
      from([block('10.1.0.0/24', '10.1.0.0/30'), block('10.1.0.2/32', '10.1.0.2/32')], ['y/*', 'out'], 4),
      from([block('10.1.0.0/24', '10.1.0.0/30'), block('10.1.0.2/31')], ['x/*', 'y/*', 'out'], 4),
      {
        policies: [policy(intoA({ from: [block('10.1.0.0/24', '10.1.0.2/32')] }, { from: [app('b')] }))],
        reach: [A_CLOSED, allow({ to: 'x/a', family: 4 }), B_REACHES_A],
      },
      {
        policies: [
          policy(intoA({ from: [block('10.1.0.0/24', '10.1.0.2/32')] })),
          policy(intoA({ from: [block('10.1.0.2/32')] })),
        ],
        reach: [A_CLOSED, allow({ to: 'x/a', family: 4 })],
      },
      {
        ...from([block('10.1.0.0/30', '10.1.0.4/32'), block('10.1.0.4/32')], ['y/a'], 4),
        warns: [/spec\.ingress\[0\]\.from\[0\]\.ipBlock/],
      },
    ],
  },
  {
    number: '24',
    name: 'an ipBlock covers the addresses of pods, and of those who are no pods',
    steps: [
      from([block('10.1.0.2/32')], ['x/b'], 4),
      from([block('10.1.0.9/32')], ['out'], 4),
      from([block('fd00:1::2/127')], ['x/b', 'x/c'], 6),
      {
        policies: [policy(outOfA({ to: [block('10.1.0.4/31')] }))],
        reach: [deny({ from: 'x/a' }), allow({ from: 'x/a', to: 'y/*', family: 4 })],
      },
    ],
  },
  {
    number: '25',
    name: 'host bits are cleared, spellings may overlap, each family by itself, a bad CIDR matches nothing',
    steps: [
      from([block('10.1.0.5/30')], ['y/*'], 4),
      from([block('10.1.0.5/24'), block('10.1.0.0/24'), block('10.1.0.2/32')], ['*'], 4),
      from([block('0.0.0.0/0')], ['*'], 4),
      from([block('::/0')], ['*'], 6),
      from([block('0.0.0.0/0'), block('::/0')], ['*']),
      {
        policies: [policy(intoA({ from: [block('10.1.0.2/32'), block('fd00:1::3/128')] }))],
        reach: [
          A_CLOSED,
          allow({ from: 'x/b', to: 'x/a', family: 4 }),
          allow({ from: 'x/c', to: 'x/a', family: 6 }),
        ],
      },
      ...['10.1.0.0/33', '10.1.0/24', '10.1.0.0', 'fd00:1::/129', 'all', ''].map((cidr) => ({
        ...from([block(cidr), app('b')], ['x/b']),
        warns: [/spec\.ingress\[0\]\.from\[0\]\.ipBlock/],
      })),
    ],
  },
]
