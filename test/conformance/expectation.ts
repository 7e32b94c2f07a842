/**
 * What is expected of the packets between two pods, what was seen, and the two side by side:
 *
 *     expected  x/a   x/b   y/a       seen  x/a   x/b   y/a
 *     x/a       ....  ..XX  ....      x/a   ....  ..XX  ....
 *     x/b       .X.X  ....  ....      x/b   .X.X  ....  X...!
 *
 *     in a cell, in this order: TCP/80 TCP/81 UDP/80 UDP/81    . passes  X does not  r refused  ! not as expected
 */
import type { Verdict } from '../lab/protocol.ts'

export type Protocol = 'TCP' | 'UDP' | 'SCTP'
export type Service = `${Protocol}/${number}` | 'ICMP'

export interface Expectation {
  /** `namespace/pod`. */
  readonly from: string
  readonly to: string
  readonly service: Service
  readonly allowed: boolean
  /** Which of the destination's addresses is asked; default its first IPv4 address. */
  readonly on?: { readonly segment: string; readonly family: 4 | 6 }
  /** What comes back if the packet is allowed; default `open`. */
  readonly answer?: 'open' | 'refused'
}

export interface Observation extends Expectation {
  readonly seen: Verdict
}

/** Where the port is served, a refusal would be somebody's reset, and is neither. */
export function asExpected(observation: Observation): boolean {
  return observation.seen === expectedVerdict(observation)
}

/** No packet can be sent for it: not every kernel has SCTP sockets, and the lab has none. */
export function isSctp({ service }: Pick<Expectation, 'service'>): boolean {
  return service.startsWith('SCTP/')
}

function expectedVerdict({ allowed, answer = 'open' }: Expectation): Verdict {
  return allowed ? answer : 'blocked'
}

/** Lines without a newline at the end; nothing where nothing was seen. */
export function sideBySide(observations: readonly Observation[]): string {
  const expected = table('expected', observations, (each) => MARKS[expectedVerdict(each)])
  const seen = table('seen', observations, ({ seen: verdict }) => MARKS[verdict], true)
  const lines = expected.map((line, index) => `${line}      ${seen[index]}`.trimEnd())
  const services = [...new Set(observations.map(({ service }) => service))].sort()
  const legend = `in a cell, in this order: ${services.join(' ')}    ${LEGEND}`
  return [...lines, '', legend].join('\n')
}

const MARKS: Readonly<Record<Verdict, string>> = { open: '.', refused: 'r', blocked: 'X' }
const LEGEND = '. passes  X does not  r refused  ! not as expected'

function table(
  title: string,
  observations: readonly Observation[],
  mark: (observation: Observation) => string,
  judge = false,
): readonly string[] {
  const columns = [...new Set(observations.map(({ to }) => to))].sort()
  const rows = [...Map.groupBy(observations, ({ from }) => from)].sort(([a], [b]) => (a < b ? -1 : 1))
  const cell = (own: readonly Observation[]): string => {
    const marks = [...own].sort((a, b) => (a.service < b.service ? -1 : 1)).map(mark)
    return `${marks.join('')}${judge && !own.every(asExpected) ? '!' : ''}`
  }
  const cells = [
    [title, ...columns],
    ...rows.map(([from, own]) => [
      from,
      ...columns.map((column) => cell(own.filter(({ to }) => to === column))),
    ]),
  ]
  const widths = [title, ...columns].map((_, index) =>
    Math.max(...cells.map((line) => line[index]?.length ?? 0)),
  )
  return cells.map((line) => line.map((text, index) => text.padEnd(widths[index] ?? 0)).join('  '))
}
