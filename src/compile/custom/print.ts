/**
 * Custom rules as nft rules, in order:
 *
 *     ip saddr 10.0.0.0/8 tcp dport 22 counter accept comment "custom-v4-ingress.txt:3"
 *
 * `accept` ends our table's judgement of the packet, `return` leaves it to the rules after the jump to the chain.
 */
import { counter, type Statement, type TableHandle } from 'nftables-json'
import { MAX_COMMENT, markComment } from '../nftables/comment.ts'
import type { CustomRule } from './rules.ts'
import { isVerdict } from './statements.ts'

/** Adds the rules to a chain that the table has. Throws a TransactionError for what nft would not take. */
export function printCustomRules(table: TableHandle, chain: string, rules: readonly CustomRule[]): void {
  for (const rule of rules) table.addRule(chain, withCounter(rule.statements), customRuleComment(rule))
}

/** The file's name and line: printable, without quotes, and short; two that differ never look alike. */
export function customRuleComment({ file, line }: Pick<CustomRule, 'file' | 'line'>): string {
  const name = file.split('/').at(-1) ?? file
  const rest = `:${line}`
  const printable = name.replaceAll(/[^\x20-\x7e]|["\\$]/g, '?')
  if (printable === name && name.length + rest.length <= MAX_COMMENT) return `${name}${rest}`
  return markComment(printable, file, rest)
}

/** Counts what the matches and the limit let through, before it is logged or judged. */
function withCounter(statements: readonly Statement[]): readonly Statement[] {
  const at = statements.findIndex((statement) => 'log' in statement || isVerdict(statement))
  const place = at < 0 ? statements.length : at
  return [...statements.slice(0, place), counter(), ...statements.slice(place)]
}
