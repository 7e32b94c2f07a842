/**
 * Prints verdicts as a table, a line for each pair and a column for each kind of packet, with what was
 * expected beside what was seen wherever the two differ:
 *
 *     blue             tcp/80 v4  tcp/80 v6  icmp v4
 *     client → server  ✓          ✓          ✗
 *     other → server   ✗          ✓ not ✗    ✗
 *
 *     ✓ open  ○ refused (reached, nothing listens)  ✗ blocked  · not asked    1 of 6 not as expected
 */
import type { Verdict } from './protocol.ts'

export interface Row {
  readonly from: string
  readonly to: string
  /** Rows of one segment stand together, under its name. */
  readonly segment?: string
  readonly family: 4 | 6
  readonly protocol: string
  readonly port?: number
  readonly seen: Verdict
  readonly expected?: Verdict
}

const MARKS: Readonly<Record<Verdict, string>> = { open: '✓', refused: '○', blocked: '✗' }
const LEGEND = '✓ open  ○ refused (reached, nothing listens)  ✗ blocked  · not asked'

/** @returns lines without a newline at the end; the lines of pairs and the columns as they first appear */
export function renderTable(rows: readonly Row[]): string {
  const columns = [...new Set(rows.map(column))]
  const groups = Map.groupBy(rows, ({ segment = '' }) => segment)
  const cells = [...groups].map(([segment, group]) => [
    [segment, ...columns],
    ...[...Map.groupBy(group, pair)].map(([name, own]) => [
      name,
      ...columns.map((title) => mark(own.find((row) => column(row) === title))),
    ]),
  ])
  const widths = ['', ...columns].map((_, index) =>
    Math.max(...cells.flat().map((line) => line[index]?.length ?? 0)),
  )
  const tables = cells.map((lines) => lines.map((line) => aligned(line, widths)).join('\n'))
  return [...tables, `${LEGEND}${summary(rows)}`].join('\n\n')
}

/** Refused is as good as open here: the packets passed, and that is all a policy decides. */
export function asExpected({ seen, expected }: Row): boolean {
  return expected === undefined || (seen === 'blocked') === (expected === 'blocked')
}

function pair({ from, to }: Row): string {
  return `${from} → ${to}`
}

function column({ protocol, port, family }: Row): string {
  return `${protocol}${port === undefined ? '' : `/${port}`} v${family}`
}

function mark(row: Row | undefined): string {
  if (row === undefined) return '·'
  if (row.expected === undefined || asExpected(row)) return MARKS[row.seen]
  return `${MARKS[row.seen]} not ${MARKS[row.expected]}`
}

function aligned(line: readonly string[], widths: readonly number[]): string {
  return line
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join('  ')
    .trimEnd()
}

function summary(rows: readonly Row[]): string {
  const judged = rows.filter(({ expected }) => expected !== undefined)
  if (judged.length === 0) return ''
  const wrong = judged.filter((row) => !asExpected(row)).length
  return wrong === 0 ? `    ${judged.length} as expected` : `    ${wrong} of ${judged.length} not as expected`
}
