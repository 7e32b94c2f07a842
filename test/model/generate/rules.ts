/**
 * Rules: peers of every shape beside ports of every shape, lists that are missing, null, empty or bad.
 */
import fc from 'fast-check'
import {
  type ClusterShape,
  choice,
  namespaceLabels,
  podLabels,
  portNames,
  portNumbers,
  printed,
  protocol,
} from './alphabet.ts'
import { badLists, badPeers, badPorts, badRules } from './bad.ts'
import { ipBlock } from './blocks.ts'
import { selector } from './selectors.ts'

/** `undefined` is a list that is not there. */
export function rules(shape: ClusterShape, peers: 'from' | 'to'): fc.Arbitrary<unknown> {
  const fields = fc.record({
    peers: listOf(shape, peer(shape)),
    ports: listOf(shape, port(shape)),
  })
  const good = fields.map((fields) => printed({ [peers]: fields.peers, ports: fields.ports }))
  const rule = choice<unknown>([20, good], [shape.bad ? 1 : 0, fc.constantFrom(...badRules)])
  return listOf(shape, rule)
}

function listOf(shape: ClusterShape, item: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return choice<unknown>(
    [4, fc.constant(undefined)],
    [1, fc.constant([])],
    [1, fc.constant(null)],
    [18, fc.array(item, { minLength: 1, maxLength: 3 })],
    [shape.bad ? 1 : 0, fc.constantFrom(...badLists)],
  )
}

function peer(shape: ClusterShape): fc.Arbitrary<unknown> {
  const podSelector = selector(podLabels)
  const namespaceSelector = selector(namespaceLabels)
  return choice<unknown>(
    [6, podSelector.map((selector) => ({ podSelector: selector }))],
    [3, namespaceSelector.map((selector) => ({ namespaceSelector: selector }))],
    [3, fc.record({ podSelector, namespaceSelector })],
    [1, namespaceSelector.map((selector) => ({ namespaceSelector: selector, podSelector: null }))],
    [7, ipBlock(shape).map((block) => ({ ipBlock: block }))],
    [shape.bad ? 3 : 0, fc.constantFrom(...badPeers)],
  )
}

/** Ranges start and end at the numbers that other entries use, so that they touch and overlap. */
function port(shape: ClusterShape): fc.Arbitrary<unknown> {
  const named = fc.option(protocol(shape), { freq: 2, nil: undefined })
  const number = fc.constantFrom(...portNumbers)
  const name = fc.constantFrom(...portNames, 'nobodys')
  const entry = (fields: object) => printed(fields)
  return choice<unknown>(
    [6, fc.record({ protocol: named, port: number }).map(entry)],
    [3, fc.record({ protocol: named }).map(entry)],
    [5, fc.record({ protocol: named, port: name }).map(entry)],
    [4, fc.record({ protocol: named, one: number, other: number }).map(rangeOf)],
    [shape.bad ? 3 : 0, fc.constantFrom(...badPorts)],
  )
}

function rangeOf(range: {
  readonly protocol: string | undefined
  readonly one: number
  readonly other: number
}): object {
  const [port, endPort] = [Math.min(range.one, range.other), Math.max(range.one, range.other)]
  return printed({ protocol: range.protocol, port, endPort })
}
