/**
 * A rule file's text as lines that hold rules. A file may be anything, a program by mistake as well as an attack: what
 * is too big, or no text, is refused here, before any tool sees it.
 */
import { type Judged, quoted, refused, taken } from './rules.ts'

/** A file of that many bytes, rules of that many lines, and lines of that many characters are taken, and no more. */
export const MOST_BYTES: number = 256 * 1024
export const MOST_RULES = 500
const MOST_CHARACTERS = 1_024

export interface RuleLine {
  /** Counted from 1. */
  readonly line: number
  /** Without blanks around it, and without the comment that followed it. */
  readonly text: string
  readonly syntax: 'iptables' | 'nft'
}

export interface LineProblem {
  /** Undefined where the whole file is meant. */
  readonly line: number | undefined
  readonly text: string | undefined
  readonly reason: string
}

export interface RuleLines {
  readonly lines: readonly RuleLine[]
  readonly problems: readonly LineProblem[]
}

/** Blank lines and those that begin with `#` hold no rule; a `#` after a blank begins a comment, unless quoted. */
export function ruleLines(text: string): RuleLines {
  const lines: RuleLine[] = []
  const problems: LineProblem[] = []
  for (const [index, raw] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    const written = raw.trim()
    if (written === '' || written.startsWith('#')) continue
    const judged = judgeLine(written)
    if (judged.kind === 'taken') lines.push({ line: index + 1, ...judged.value })
    else problems.push({ line: index + 1, text: written, reason: judged.reason })
    if (lines.length > MOST_RULES)
      return { lines: [], problems: [wholeFile(`holds more than ${MOST_RULES} rules`)] }
  }
  return { lines, problems }
}

export function wholeFile(reason: string): LineProblem {
  return { line: undefined, text: undefined, reason }
}

function judgeLine(written: string): Judged<Omit<RuleLine, 'line'>> {
  if (written.length > MOST_CHARACTERS) return refused(`is longer than ${MOST_CHARACTERS} characters`)
  const odd = /[^\x20-\x7e\t]/.exec(written)?.[0]
  if (odd !== undefined) return refused(`holds ${quoted(odd)}; rules are printable ASCII`)
  const text = withoutComment(written)
  return taken({ text, syntax: /^[-!]/.test(text) ? 'iptables' : 'nft' })
}

function withoutComment(written: string): string {
  const parts = /^(?:"[^"]*"|'[^']*'|[^"'#]|(?<=\S)#|["'])*?(?=\s#|$)/.exec(written)
  return (parts?.[0] ?? written).trimEnd()
}
