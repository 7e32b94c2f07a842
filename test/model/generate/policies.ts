/**
 * MultiNetworkPolicies, mostly ones that govern something: selectors are often empty and the networks are
 * often the one that most pods are attached to.
 */
import fc from 'fast-check'
import type { JsonObject } from '../json.ts'
import { type ClusterShape, choice, podLabels, printed, weighted } from './alphabet.ts'
import { badNetworks, badPolicyTypes, badSelectors } from './bad.ts'
import { rules } from './rules.ts'
import { selector } from './selectors.ts'

/** `policy-INDEX`. */
export function policyObject(shape: ClusterShape, index: number): fc.Arbitrary<JsonObject> {
  return fc
    .record({
      namespace: weighted([8, 'alpha'], [3, 'beta'], [1, 'gamma']),
      networks: networks(shape),
      podSelector: choice<unknown>(
        [8, fc.constant({})],
        [4, selector(podLabels)],
        [1, fc.constantFrom(null, undefined)],
        [shape.bad ? 1 : 0, fc.constantFrom(...badSelectors)],
      ),
      policyTypes: policyTypes(shape),
      ingress: rules(shape, 'from'),
      egress: rules(shape, 'to'),
    })
    .map(({ namespace, networks, ...spec }) =>
      printed({
        ...{ apiVersion: 'k8s.cni.cncf.io/v1beta1', kind: 'MultiNetworkPolicy' },
        metadata: {
          ...{ namespace, name: `policy-${index}`, uid: `00000000-0000-4000-9000-00000000000${index}` },
          annotations: networks === undefined ? {} : { 'k8s.v1.cni.cncf.io/policy-for': networks },
        },
        spec,
      }),
    )
}

function networks(shape: ClusterShape): fc.Arbitrary<string | undefined> {
  const item = choice<string>(
    [12, fc.constant('alpha/net')],
    [4, fc.constant('net')],
    [8, fc.constantFrom('alpha/side', 'beta/net', 'gamma/far', 'side', 'gone', 'alpha/gone')],
    [shape.bad ? 2 : 0, fc.constantFrom(...badNetworks)],
  )
  const list = fc.array(item, { minLength: 1, maxLength: 3 })
  return choice<string | undefined>(
    [12, fc.tuple(list, weighted([3, ','], [1, ', '], [1, ' ,\n'])).map(([all, comma]) => all.join(comma))],
    [shape.bad ? 1 : 0, fc.constantFrom(undefined, '')],
  )
}

function policyTypes(shape: ClusterShape): fc.Arbitrary<unknown> {
  return choice<unknown>(
    [4, fc.constant(['Ingress'])],
    [4, fc.constant(['Egress'])],
    [3, fc.constant(['Ingress', 'Egress'])],
    [4, fc.constant(undefined)],
    [1, fc.constantFrom([], null, ['Egress', 'Egress'])],
    [shape.bad ? 1 : 0, fc.constantFrom(...badPolicyTypes)],
  )
}
