/**
 * Namespaces and NetworkAttachmentDefinitions: which of the fixed names exist, with what in them.
 */
import fc from 'fast-check'
import type { JsonObject } from '../json.ts'
import {
  type ClusterShape,
  choice,
  definitions,
  labels,
  namespaceLabels,
  namespaces,
  printed,
  weighted,
} from './alphabet.ts'
import { badConfigurations } from './bad.ts'

/** The three names; sometimes nobody has defined one of them, though pods may be in it. */
export function namespaceList(): fc.Arbitrary<readonly JsonObject[]> {
  const list = fc.tuple(...namespaces.map((name) => fc.option(namespaceObject(name), { freq: 5 })))
  return list.map((objects) => objects.filter((object) => object !== null))
}

/** Sometimes without its own label, as in a file that somebody wrote by hand. */
export function namespaceObject(name: string): fc.Arbitrary<JsonObject> {
  return fc.tuple(labels(namespaceLabels), weighted([4, true], [1, false])).map(([own, labelled]) =>
    printed({
      ...{ apiVersion: 'v1', kind: 'Namespace' },
      metadata: { name, labels: { ...own, ...(labelled ? { 'kubernetes.io/metadata.name': name } : {}) } },
    }),
  )
}

export function definitionList(shape: ClusterShape): fc.Arbitrary<readonly JsonObject[]> {
  const objects = definitions.map((name) => definitionObject(shape, name))
  return fc
    .tuple(
      fc.subarray(
        definitions.map((_, index) => index),
        { minLength: 2 },
      ),
      fc.tuple(...objects),
    )
    .map(([present, all]) => all.filter((_, index) => present.includes(index)))
}

export function definitionObject(shape: ClusterShape, text: string): fc.Arbitrary<JsonObject> {
  const [namespace, name] = text.split('/')
  return configuration(shape).map((config) =>
    printed({
      ...{ apiVersion: 'k8s.cni.cncf.io/v1', kind: 'NetworkAttachmentDefinition' },
      metadata: { namespace, name },
      spec: config === undefined ? undefined : { config },
    }),
  )
}

/** Mostly macvlan; `bridge` is what `--network-plugins` is taken not to hold. */
function configuration(shape: ClusterShape): fc.Arbitrary<unknown> {
  const macvlan = { type: 'macvlan' }
  const bridge = { type: 'bridge' }
  const good = weighted(
    [12, { cniVersion: '1.0.0', ...macvlan, master: 'eth1', mode: 'bridge' }],
    [2, bridge],
    [1, { type: 'ipvlan' }],
    [3, { cniVersion: '1.0.0', plugins: [macvlan, { type: 'tuning' }] }],
    [1, { plugins: [bridge, macvlan] }],
    [1, { ...macvlan, plugins: [bridge] }],
  ).map((config) => JSON.stringify(config))
  return choice<unknown>(
    [18, good],
    [shape.bad ? 3 : 0, fc.constantFrom(...badConfigurations)],
    [shape.bad ? 1 : 0, fc.constant(undefined)],
  )
}
