/**
 * The product against the reference model, on made-up clusters: what it prints for nftables, run by an interpreter, and
 * what it says of itself. A failure is shrunk and printed with its seed.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Address } from '../../../src/compile/address.ts'
import { parseAddress } from '../../../src/compile/address.ts'
import type { Compilation } from '../../../src/compile/compilation.ts'
import { printNftables } from '../../../src/compile/nftables/printer.ts'
import { decide } from '../../../src/compile/verdict.ts'
import type { Cluster } from '../../model/cluster.ts'
import { arbitraryCluster, generatedOptions, type Question, questions } from '../../model/generate.ts'
import { isolated, judge, type Verdict } from '../../model/verdict.ts'
import { interpret, loadTable, type Table } from '../../nft-interpreter.ts'
import { clusterOf, compileAll } from '../../product.ts'
import { seed } from '../../seed.ts'

const CLUSTERS = 1_500
const QUESTIONS = 150
const { networkPlugins } = generatedOptions

type Answer = (question: Question) => Verdict

/** Holds every answer against the model's. */
function agrees(cluster: Cluster, answer: Answer): void {
  for (const question of questions(cluster, QUESTIONS)) {
    const expected = judge(cluster, generatedOptions, question.end, question.direction, question.packet)
    if (answer(question) !== expected) {
      expect.fail(
        `the model says ${expected} to ${JSON.stringify(question)} in ${JSON.stringify(cluster, undefined, 1)}`,
      )
    }
  }
}

function compiled(cluster: Cluster): Compilation {
  return compileAll(clusterOf(Object.values(cluster).flat()), networkPlugins)
}

/** By interpreting the table that the pod of each question would have. */
function byRules(cluster: Cluster): Answer {
  const { targets } = compiled(cluster)
  const tables = new Map<string, Table>()
  for (const [pod, { ruleset }] of targets)
    tables.set(pod, loadTable(printNftables(ruleset).transaction.toJSON().nftables))
  return ({ end, direction, packet }) => {
    const table = tables.get(`${end.namespace}/${end.pod}`)
    if (table === undefined) return 'allow'
    const hook = direction === 'ingress' ? 'input' : 'output'
    return interpret(table, { hook, interface: end.interface, ...packet }) === 'accept' ? 'allow' : 'deny'
  }
}

/** By asking the ruleset, as `mnpd explain` does. */
function byExplaining(cluster: Cluster): Answer {
  const { targets } = compiled(cluster)
  return ({ end, direction, packet: { source, destination, protocol, port = 0 } }) => {
    const [own, peer] = (direction === 'ingress' ? [destination, source] : [source, destination]).map(
      canonical,
    ) as [Address, Address]
    const ruleset = targets.get(`${end.namespace}/${end.pod}`)?.ruleset
    return decide(ruleset, end.interface, direction, { own, peer, protocol, port }).kind === 'denied'
      ? 'deny'
      : 'allow'
  }
}

function canonical(text: string): Address {
  return parseAddress(text) ?? expect.fail(`no address: ${text}`)
}

describe('on made-up clusters the product agrees with the reference model', () => {
  for (const [name, shape] of [
    ['with nothing but good parts', { bad: false }],
    ['with bad parts among them', { bad: true }],
  ] as const) {
    test(`${name}: the printed nftables rules, interpreted`, { timeout: 300_000 }, () => {
      fc.assert(
        fc.property(arbitraryCluster(shape), (cluster) => agrees(cluster, byRules(cluster))),
        { seed, numRuns: CLUSTERS },
      )
    })

    test(`${name}: what mnpd explain says`, { timeout: 300_000 }, () => {
      fc.assert(
        fc.property(arbitraryCluster(shape), (cluster) => agrees(cluster, byExplaining(cluster))),
        { seed, numRuns: CLUSTERS },
      )
    })

    test(`${name}: which interfaces are isolated`, { timeout: 300_000 }, () => {
      fc.assert(
        fc.property(arbitraryCluster(shape), (cluster) => {
          for (const [, { pod, ruleset }] of compiled(cluster).targets) {
            const governed = (ruleset?.interfaces ?? []).map(({ name: each, isolatedBy }) => [
              each,
              { ingress: isolatedBy.ingress.length > 0, egress: isolatedBy.egress.length > 0 },
            ])
            const expected = [...isolated(cluster, generatedOptions, pod.namespace, pod.name)].sort(
              ([a], [b]) => (a < b ? -1 : 1),
            )
            expect(governed).toEqual(expected)
          }
        }),
        { seed, numRuns: CLUSTERS },
      )
    })
  }
})
