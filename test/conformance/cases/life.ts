/** 26, 27 and 29 to 31: several policies at once, replies, and pods as they come, change and go. */
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
  UNSERVED,
} from './vocabulary.ts'

const FROM_A = deny({ from: 'x/a' })
const FROM_B = [policy(intoA({ from: [app('b')] }))]
const FROM_Y = [policy(intoA({ from: [team('y')] }))]

/** Between two steps that only a pod's going could join: what was enforced is taken away while the pod is there. */
const NOTHING: SemanticsStep = { policies: [], reach: [] }

export const LIFE_CASES: readonly SemanticsCase[] = [
  {
    number: '26',
    name: 'rules and policies add up, in each direction by itself',
    steps: [
      {
        policies: [policy(intoA({ from: [app('b')] }, { from: [team('y')], ports: [{ port: 80 }] }))],
        reach: [A_CLOSED, B_REACHES_A, allow({ from: 'y/*', to: 'x/a', service: 'TCP/80' })],
      },
      {
        policies: [
          policy(intoA()),
          policy(intoA({ from: [app('b')] })),
          policy(intoA({ from: [team('y')], ports: [{ port: 80 }] })),
        ],
        reach: [A_CLOSED, B_REACHES_A, allow({ from: 'y/*', to: 'x/a', service: 'TCP/80' })],
      },
      {
        policies: [policy(intoA({ from: [app('b')] })), policy(outOfA({ to: [app('c')] }))],
        reach: [A_CLOSED, B_REACHES_A, FROM_A, allow({ from: 'x/a', to: 'x/c' })],
      },
      {
        policies: [policy(intoA({ from: [app('b')] })), policy(intoA({}))],
        reach: [],
      },
    ],
  },
  {
    number: '27',
    name: 'replies pass, and errors related to what was allowed: a closed port still answers that it is closed',
    steps: [
      { asks: [UNSERVED], policies: [policy(intoA())], reach: [A_CLOSED] },
      {
        asks: [UNSERVED],
        policies: [policy({ podSelector: {}, policyTypes: ['Egress'] })],
        reach: [deny({ from: 'x/*' })],
      },
      {
        asks: [UNSERVED],
        policies: [policy(intoA()), policy(outOfA({ to: [app('b')] }))],
        reach: [A_CLOSED, FROM_A, allow({ from: 'x/a', to: 'x/b' })],
      },
    ],
  },
  {
    number: '29',
    name: 'hostNetwork pods and finished ones are neither governed nor peers, pending ones are both',
    steps: [
      { policies: FROM_B, pods: { 'x/b': { hostNetwork: true } }, reach: [A_CLOSED] },
      { policies: FROM_B, pods: { 'x/b': { phase: 'Succeeded' } }, reach: [A_CLOSED] },
      { policies: FROM_B, pods: { 'x/b': { phase: 'Failed' } }, reach: [A_CLOSED] },
      { policies: FROM_B, pods: { 'x/b': { phase: 'Pending' } }, reach: [A_CLOSED, B_REACHES_A] },
      { policies: FROM_B, pods: { 'x/a': { phase: 'Pending' } }, reach: [A_CLOSED, B_REACHES_A] },
      { policies: FROM_B, pods: { 'x/b': { phase: 'Unknown' } }, reach: [A_CLOSED, B_REACHES_A] },
      NOTHING,
      { policies: FROM_B, pods: { 'x/a': { hostNetwork: true } }, reach: [] },
      { policies: FROM_B, pods: { 'x/a': { phase: 'Succeeded' } }, reach: [] },
      { policies: FROM_B, pods: { 'x/a': { phase: 'Failed' } }, reach: [] },
    ],
  },
  {
    number: '30',
    name: 'what changes is judged anew at once: labels of pods and namespaces, pods that come and go, policies',
    steps: [
      { policies: FROM_B, reach: [A_CLOSED, B_REACHES_A] },
      { policies: FROM_B, pods: { 'x/b': { labels: { app: 'other' } } }, reach: [A_CLOSED] },
      {
        policies: FROM_B,
        pods: { 'x/c': { labels: { app: 'b' } } },
        reach: [A_CLOSED, B_REACHES_A, allow({ from: 'x/c', to: 'x/a' })],
      },
      {
        policies: FROM_B,
        pods: { 'x/a': { labels: { app: 'other' } }, 'x/c': { labels: { app: 'a' } } },
        reach: [deny({ to: 'x/c' }), allow({ from: 'x/b', to: 'x/c' })],
      },
      {
        policies: FROM_Y,
        pods: { 'y/b': { absent: true } },
        reach: [A_CLOSED, allow({ from: 'y/a', to: 'x/a' })],
      },
      { policies: FROM_Y, reach: [A_CLOSED, allow({ from: 'y/*', to: 'x/a' })] },
      { policies: FROM_Y, namespaces: { y: {} }, reach: [A_CLOSED] },
      {
        policies: FROM_Y,
        namespaces: { x: { team: 'y' } },
        reach: [A_CLOSED, allow({ to: 'x/a' }), deny({ from: 'out', to: 'x/a' })],
      },
      {
        policies: [policy(intoA({ from: [block('10.1.0.9/32')] }))],
        reach: [A_CLOSED, allow({ from: 'out', to: 'x/a', family: 4 })],
      },
      NOTHING,
    ],
  },
  {
    number: '31',
    name: 'a pod reaches its own addresses whatever the policies say',
    steps: [
      {
        policies: [policy({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] }, { for: 'red,blue' })],
        reach: [deny({ from: 'x/*', on: 'both' }), deny({ to: 'x/*', on: 'both' })],
      },
    ],
  },
]
