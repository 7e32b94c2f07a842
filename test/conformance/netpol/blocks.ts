/** Egress to blocks of addresses, made from the addresses that the pods have. */
import { allow, deny, egress, type NetpolCase, podNamed } from './vocabulary.ts'

/** Nine pods of one /24. */
export const ADDRESSES: ReadonlyMap<string, string> = new Map(
  ['x', 'y', 'z'].flatMap((namespace, high) =>
    ['a', 'b', 'c'].map((name, low) => [`${namespace}/${name}`, `10.9.1.${16 * high + low + 1}`] as const),
  ),
)

const A = podNamed('a')
/** The /4 that all pods are in, and much else. */
const WIDE = '0.0.0.0/4'
const only = (pod: string) => `${ADDRESSES.get(pod)}/32`
const allButB = egress('all-but-b', A, [{ peers: [{ ipBlock: { cidr: WIDE, except: [only('x/b')] } }] }])

export const BLOCK_CASES: readonly NetpolCase[] = [
  {
    number: 34,
    name: 'egress to a block that is one pod',
    asserts: 'an ipBlock covers the addresses of pods',
    steps: [
      {
        policies: [egress('p', A, [{ peers: [{ ipBlock: { cidr: only('y/b') } }] }])],
        reach: { 'TCP/80': [deny('x/a', '*'), allow('x/a', 'y/b')] },
      },
    ],
  },
  {
    number: 35,
    name: 'egress to a block except one pod',
    asserts: 'the except is taken out, the rest of the block stays open',
    steps: [{ policies: [allButB], reach: { 'TCP/80': [deny('x/a', 'x/b')] } }],
  },
  {
    number: 36,
    name: 'an address that one block holds and another excepts',
    asserts:
      'edited to a block of just that address the policy allows it; and so does the pair of them (our own step)',
    steps: [
      { policies: [allButB], reach: { 'TCP/80': [deny('x/a', 'x/b')] } },
      {
        policies: [egress('all-but-b', A, [{ peers: [{ ipBlock: { cidr: only('x/b') } }] }])],
        reach: { 'TCP/80': [deny('x/a', '*'), allow('x/a', 'x/b')] },
      },
      {
        policies: [allButB, egress('b', A, [{ peers: [{ ipBlock: { cidr: only('x/b') } }] }])],
        reach: { 'TCP/80': [] },
      },
    ],
  },
]
