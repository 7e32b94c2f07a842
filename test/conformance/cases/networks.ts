/** P1 to P11: the annotation `policy-for`, and which interfaces it reaches. */
import {
  A,
  A_CLOSED,
  allow,
  app,
  B_REACHES_A,
  deny,
  intoA,
  policy,
  type SemanticsCase,
  type SemanticsStep,
} from './vocabulary.ts'

const BLUE_CLOSED = deny({ to: 'x/a', on: 'blue' })
/** Some of the pods have net2 from y/blue instead of x/blue. */
const ON_Y_BLUE = Object.fromEntries(
  ['x/a', 'x/b', 'x/c', 'y/a', 'y/b'].map((pod) => [pod, { networks: { blue: 'y/blue' } }]),
)

/** x/a lets nobody in on what the annotation names. */
function closedFor(text: string | undefined, reach: SemanticsStep['reach'], warn?: RegExp): SemanticsStep {
  return { policies: [policy(A, { for: text })], reach, ...(warn && { warns: [warn] }) }
}

const POLICY_FOR = /policy-for/

export const NETWORK_CASES: readonly SemanticsCase[] = [
  {
    number: 'P1',
    name: 'no annotation, or an empty one: governs nothing, and says so',
    steps: [
      closedFor(undefined, [], POLICY_FOR),
      closedFor('', [], POLICY_FOR),
      closedFor(' ', [], POLICY_FOR),
    ],
  },
  { number: 'P2', name: 'a bare name is in the policy’s namespace', steps: [closedFor('red', [A_CLOSED])] },
  {
    number: 'P3',
    name: 'a network of another namespace; the targets are still those of the policy’s own',
    steps: [
      {
        pods: ON_Y_BLUE,
        policies: [policy({ podSelector: {} }, { for: 'y/blue' })],
        reach: [deny({ to: 'x/*', on: 'blue' })],
      },
      {
        pods: ON_Y_BLUE,
        policies: [policy({ podSelector: {} }, { namespace: 'y', for: 'blue' })],
        reach: [deny({ to: 'y/*', on: 'blue' })],
      },
    ],
  },
  {
    number: 'P4',
    name: 'a list with blanks: every network in it',
    steps: [
      closedFor('red, blue', [A_CLOSED, BLUE_CLOSED]),
      { ...closedFor(' red ,  y/blue ', [A_CLOSED, BLUE_CLOSED]), pods: ON_Y_BLUE },
      {
        policies: [policy(intoA({ from: [app('b')] }), { for: 'x/red,x/blue' })],
        reach: [A_CLOSED, BLUE_CLOSED, allow({ from: 'x/b', to: 'x/a', on: 'both' })],
      },
    ],
  },
  {
    number: 'P5',
    name: 'malformed and empty items are skipped, and said so; the others count',
    steps: [
      closedFor('a/b/c,red', [A_CLOSED], POLICY_FOR),
      closedFor('red,,', [A_CLOSED], POLICY_FOR),
      closedFor('a/b/c', [], POLICY_FOR),
    ],
  },
  {
    number: 'P6',
    name: 'a missing network governs all the same, one of a foreign CNI type does not until it changes; both are said',
    steps: [
      {
        ...closedFor('red', [A_CLOSED], /no such NetworkAttachmentDefinition/),
        networks: { 'x/red': undefined },
      },
      closedFor('red', [A_CLOSED]),
      {
        ...closedFor('red', [], /not enforced on pod x\/a because .*ipvlan/),
        networks: { 'x/red': 'ipvlan' },
      },
      closedFor('red', [A_CLOSED]),
    ],
  },
  {
    number: 'P7',
    name: 'a pod that is attached twice to one network: both interfaces',
    steps: [
      { ...closedFor('red', [A_CLOSED, BLUE_CLOSED]), pods: { 'x/a': { networks: { blue: 'x/red' } } } },
    ],
  },
  {
    number: 'P8',
    name: 'the default network’s interface is never governed, even where it comes from a network that is named',
    steps: [{ ...closedFor('red, blue', [BLUE_CLOSED]), pods: { 'x/a': { default: 'red' } } }],
  },
  {
    number: 'P9',
    name: 'a selecting peer stands for its addresses on the networks that are named, and for no others',
    steps: [
      {
        pods: { 'x/b': { networks: { red: 'y/blue', blue: 'x/blue' } } },
        policies: [policy(intoA({ from: [app('b')] }), { for: 'red' })],
        reach: [A_CLOSED],
      },
      {
        pods: { 'x/b': { networks: { red: 'y/blue', blue: 'x/blue' } } },
        policies: [policy(intoA({ from: [app('b')] }), { for: 'red, y/blue' })],
        reach: [A_CLOSED, B_REACHES_A],
      },
    ],
  },
  {
    number: 'P10',
    name: 'a pattern is no name: governs nothing, and says so',
    steps: [
      closedFor('red*', [], POLICY_FOR),
      closedFor('*', [], POLICY_FOR),
      closedFor('red,blu*', [A_CLOSED], POLICY_FOR),
    ],
  },
  {
    number: 'P11',
    name: 'an interface that no policy names stays open while another of the same pod is closed',
    steps: [
      {
        policies: [policy({ ...A, policyTypes: ['Ingress', 'Egress'] }, { for: 'red' })],
        reach: [A_CLOSED, deny({ from: 'x/a' })],
      },
      {
        policies: [policy({ ...A, policyTypes: ['Ingress', 'Egress'] }, { for: 'blue' })],
        reach: [BLUE_CLOSED, deny({ from: 'x/a', on: 'blue' })],
      },
    ],
  },
]
