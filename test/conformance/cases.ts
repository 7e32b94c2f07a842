/**
 * Our own table: what each part of a MultiNetworkPolicy means, 31 cases on its spec and 11 on `policy-for`, each with
 * the verdicts stated by hand. Case 28, a connection that outlives its policy, is no table and stands in the test.
 */
import { EVERYONE } from './cases/cluster.ts'
import { LIFE_CASES } from './cases/life.ts'
import { NETWORK_CASES } from './cases/networks.ts'
import { PEER_CASES } from './cases/peers.ts'
import { PORT_CASES } from './cases/ports.ts'
import { SELECTION_CASES } from './cases/selection.ts'
import {
  type Line,
  type Segment,
  type SemanticsCase,
  type SemanticsStep,
  UNSERVED,
} from './cases/vocabulary.ts'
import type { Expectation, Service } from './expectation.ts'
import { fits } from './pod-pattern.ts'

export const SEMANTICS_CASES: readonly SemanticsCase[] = [
  ...[...SELECTION_CASES, ...PEER_CASES, ...PORT_CASES, ...LIFE_CASES].sort(
    (a, b) => Number(a.number) - Number(b.number),
  ),
  ...NETWORK_CASES,
]

/** What is asked of every pair in every step. */
const ASKED: readonly {
  readonly on: { readonly segment: Segment; readonly family: 4 | 6 }
  readonly services: readonly Service[]
}[] = [
  { on: { segment: 'red', family: 4 }, services: ['TCP/80', 'TCP/81', 'UDP/80', 'UDP/81', 'ICMP'] },
  { on: { segment: 'red', family: 6 }, services: ['TCP/80', 'TCP/81', 'UDP/80', 'ICMP'] },
  { on: { segment: 'blue', family: 4 }, services: ['TCP/80', 'UDP/80'] },
]

/** Every ordered pair, a pod and itself included, on everything; the step's own questions on red over IPv4. */
export function semanticsExpectations({ reach, asks = [] }: SemanticsStep): readonly Expectation[] {
  return ASKED.flatMap(({ on, services }, index) =>
    [...services, ...(index === 0 ? asks : [])].flatMap((service) =>
      EVERYONE.flatMap((from) =>
        EVERYONE.map((to): Expectation => {
          const last = reach.findLast((line) => speaksOf(line, { from, to, service, on }))
          const allowed = from === to || (last?.allowed ?? true)
          return { from, to, service, on, allowed, answer: service === UNSERVED ? 'refused' : 'open' }
        }),
      ),
    ),
  )
}

function speaksOf(line: Line, asked: Required<Pick<Expectation, 'from' | 'to' | 'service' | 'on'>>): boolean {
  return (
    fits(line.from, asked.from) &&
    fits(line.to, asked.to) &&
    (line.on === 'both' || line.on === asked.on.segment) &&
    (line.family === undefined || line.family === asked.on.family) &&
    (line.service === undefined ||
      line.service === asked.service ||
      asked.service.startsWith(`${line.service}/`))
  )
}
