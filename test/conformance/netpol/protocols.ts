/** The three cases that are asked again for UDP and for SCTP. */
import { allow, deny, EVERYTHING, ingress, type NetpolCase, namespaceNamed, podNamed } from './vocabulary.ts'

const A = podNamed('a')

/** @param first the number of the first of the three */
function casesOf(protocol: 'UDP' | 'SCTP', first: number): readonly NetpolCase[] {
  const fromY = { namespaceSelector: namespaceNamed('y') }
  return [
    {
      number: first,
      name: `default deny of ingress, ${protocol}`,
      asserts: 'an ingress policy without rules closes x to everyone',
      steps: [
        { policies: [ingress('deny', EVERYTHING, [])], reach: { [`${protocol}/80`]: [deny('*', 'x/*')] } },
      ],
    },
    {
      number: first + 1,
      name: `one port for one namespace, ${protocol}`,
      asserts: 'peers and ports of one rule must both match',
      steps: [
        {
          policies: [ingress('p', A, [{ peers: [fromY], ports: [{ protocol, port: 81 }] }])],
          reach: { [`${protocol}/81`]: [deny('x/*', 'x/a'), deny('z/*', 'x/a')] },
        },
      ],
    },
    {
      number: first + 2,
      name: `one pod of another namespace, ${protocol}`,
      asserts: 'a podSelector inside a namespaceSelector reaches across, and nobody else comes in',
      steps: [
        {
          policies: [ingress('p', A, [{ peers: [{ ...fromY, podSelector: A }] }])],
          reach: { [`${protocol}/80`]: [deny('*', 'x/a'), allow('y/a', 'x/a')] },
        },
      ],
    },
  ]
}

export const PROTOCOL_CASES: readonly NetpolCase[] = [...casesOf('UDP', 43), ...casesOf('SCTP', 46)]
