/** 1 to 8: which pods and directions a policy isolates, and the two ends of what it can allow. */
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

const FROM_A = deny({ from: 'x/a' })

/** Who comes in to x/a by one expression over `tier`, which x/a has as front, x/b as back and x/c not at all. */
function tier(
  operator: string,
  values: readonly string[] | undefined,
  in_: readonly string[],
): SemanticsStep {
  const expression = { key: 'tier', operator, ...(values && { values }) }
  return {
    pods: TIERS,
    policies: [policy(intoA({ from: [{ podSelector: { matchExpressions: [expression] } }] }))],
    reach: [A_CLOSED, ...in_.map((from) => allow({ from, to: 'x/a' }))],
  }
}

const TIERS = {
  'x/a': { labels: { app: 'a', tier: 'front' } },
  'x/b': { labels: { app: 'b', tier: 'back' } },
}

export const SELECTION_CASES: readonly SemanticsCase[] = [
  {
    number: '1',
    name: 'no policyTypes: ingress always, egress too where there are egress rules',
    steps: [
      { policies: [policy(A)], reach: [A_CLOSED] },
      {
        policies: [policy({ ...A, policyTypes: [], egress: [{ to: [app('b')] }] })],
        reach: [A_CLOSED, FROM_A, allow({ from: 'x/a', to: 'x/b' })],
      },
      { policies: [policy({ ...A, egress: [] })], reach: [A_CLOSED] },
    ],
  },
  {
    number: '2',
    name: 'policyTypes Ingress: egress rules are not looked at',
    steps: [
      {
        policies: [policy({ ...A, policyTypes: ['Ingress'], egress: [{ to: [app('b')] }] })],
        reach: [A_CLOSED],
      },
    ],
  },
  {
    number: '3',
    name: 'policyTypes Egress: ingress is not isolated, whatever stands under ingress',
    steps: [
      { policies: [policy({ ...A, policyTypes: ['Egress'], ingress: [] })], reach: [FROM_A] },
      {
        policies: [policy({ ...A, policyTypes: ['Egress'], ingress: [{ from: [app('b')] }] })],
        reach: [FROM_A],
      },
    ],
  },
  {
    number: '4',
    name: 'an empty podSelector is for all pods of the policy’s namespace',
    steps: [
      { policies: [policy({ podSelector: {} })], reach: [deny({ to: 'x/*' })] },
      {
        policies: [policy({ podSelector: {} }, { namespace: 'y', for: 'x/red' })],
        reach: [deny({ to: 'y/*' })],
      },
    ],
  },
  {
    number: '5',
    name: 'a podSelector that matches no pod has no effect',
    steps: [{ policies: [policy({ ...app('nobody'), policyTypes: ['Ingress', 'Egress'] })], reach: [] }],
  },
  {
    number: '6',
    name: 'matchExpressions; NotIn and DoesNotExist match where the key is absent, all of them must match',
    steps: [
      tier('In', ['back', 'middle'], ['x/b']),
      tier('NotIn', ['back'], ['x/c']),
      tier('Exists', undefined, ['x/b']),
      tier('DoesNotExist', undefined, ['x/c']),
      {
        pods: TIERS,
        policies: [
          policy({
            podSelector: {
              matchLabels: { app: 'c' },
              matchExpressions: [
                { key: 'tier', operator: 'NotIn', values: ['front'] },
                { key: 'app', operator: 'Exists' },
              ],
            },
          }),
        ],
        reach: [deny({ to: 'x/c' })],
      },
      { ...tier('In', [], []), warns: [/ingress\[0\]\.from\[0\]\.podSelector\.matchExpressions\[0\]/] },
      {
        ...tier('Exists', ['back'], []),
        warns: [/ingress\[0\]\.from\[0\]\.podSelector\.matchExpressions\[0\]/],
      },
    ],
  },
  {
    number: '7',
    name: 'no ingress rules: nobody comes in',
    steps: [
      { policies: [policy(intoA())], reach: [A_CLOSED] },
      { policies: [policy({ ...A, policyTypes: ['Ingress'] })], reach: [A_CLOSED] },
    ],
  },
  {
    number: '8',
    name: 'one empty rule: everyone comes in',
    steps: [
      { policies: [policy(intoA({}))], reach: [] },
      { policies: [policy(intoA({ from: [app('b')] }))], reach: [A_CLOSED, B_REACHES_A] },
    ],
  },
]
