/** What `iptables-save -c` prints, read: the chains of each table with the words of their rules, and what these have counted. */
import { ruleWords, type Words } from './rule.ts'

/** Chains of one table by name, in order. */
export type FilterTable = ReadonlyMap<string, readonly Words[]>

export interface Saved {
  /** By name; a table that is not printed is not there. */
  readonly tables: ReadonlyMap<string, FilterTable>
  /** Of all rules of the filter table. */
  readonly counted: readonly CountedRule[]
}

export interface CountedRule {
  readonly chain: string
  readonly words: Words
  readonly packets: number
  readonly bytes: number
}

/** iptables-save prints nothing of a table in which somebody has put rules of nft that iptables cannot say. */
export class IncompatibleTable extends Error {}

/** @throws IncompatibleTable for the filter table */
export function parseSaved(saved: string): Saved {
  const tables = new Map<string, Map<string, Words[]>>()
  const counted: CountedRule[] = []
  let [table, name] = [new Map<string, Words[]>(), '']
  for (const line of linesOf(saved)) {
    if (/^# Table `filter' is incompatible/.test(line))
      throw new IncompatibleTable('the filter table holds rules of nft that iptables cannot list')
    if (line.startsWith('*')) {
      name = line.slice(1)
      table = new Map()
      tables.set(name, table)
    } else if (line.startsWith(':')) {
      table.set(line.slice(1).split(' ')[0] ?? '', [])
    } else if (RULE.test(line)) {
      const [, packets, bytes, chain = '', rule = ''] = RULE.exec(line) ?? []
      // What cannot be read is no rule of ours; it keeps its place, since ours must be the first.
      const words = ruleWords(rule) ?? ['unreadable']
      table.get(chain)?.push(words)
      if (name === 'filter')
        counted.push({ chain, words, packets: Number(packets ?? 0), bytes: Number(bytes ?? 0) })
    }
  }
  return { tables, counted }
}

const RULE = /^(?:\[(\d+):(\d+)\] )?-A (\S+) ?(.*)$/s

/**
 * Lines, but that a line feed within the quotes of a comment ends none: the comment of a rule of the application must not
 * pass for a rule of ours.
 */
function linesOf(text: string): readonly string[] {
  const lines: string[] = []
  const all = text.split('\n')
  for (let index = 0; index < all.length; index += 1) {
    const line = all[index] as string
    const end = RULE.test(line) && ruleWords(line) === undefined ? endOfQuotes(all, index) : index
    lines.push(all.slice(index, end + 1).join('\n'))
    index = end
  }
  return lines
}

/** A comment has at most 255 bytes, so as many lines. @returns the line itself where no later one ends the quotes */
function endOfQuotes(lines: readonly string[], from: number): number {
  for (let to = from + 1; to < lines.length && to <= from + 255; to += 1) {
    if (ruleWords(lines.slice(from, to + 1).join('\n')) !== undefined) return to
  }
  return from
}
