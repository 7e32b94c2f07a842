/**
 * What `iptables-translate` makes of a line, remembered: a file that is read again costs no process for lines that it
 * had before.
 */
import { LRUCache } from 'lru-cache'
import type { Family } from '../../compile/address.ts'
import { type Judged, refused, taken } from '../../compile/custom/rules.ts'
import { runProgram } from './process.ts'

export type Translated = Judged<string> | { readonly kind: 'failed'; readonly reason: string }

/** Twice what four files may hold. */
const remembered = new LRUCache<string, Judged<string>>({ max: 4_000 })

/** @param words the rule as iptables has it after `-A CHAIN`. @returns the rule in nft's text, with a counter in it. */
export async function translate(
  words: readonly string[],
  family: Family,
  signal: AbortSignal,
): Promise<Translated> {
  if (words.length === 0) return taken('')
  const key = JSON.stringify([family, words])
  const known = remembered.get(key)
  if (known !== undefined) return known
  const program = family === 4 ? 'iptables-translate' : 'ip6tables-translate'
  const ended = await runProgram(program, ['-A', 'C', ...words], signal)
  if (ended.kind === 'failed') return ended
  const translated = ended.code === 0 ? readTranslation(ended.stdout) : refused(whyNot(ended.stderr))
  remembered.set(key, translated)
  return translated
}

/** `nft 'add rule ip filter C tcp dport 22 counter accept'`, or `nft # -A C …` for what it cannot say. */
function readTranslation(printed: string): Judged<string> {
  const rule = /^nft 'add rule ip6? filter C (.*)'$/.exec(printed.trim())?.[1]
  return rule === undefined || rule.includes("'")
    ? refused('has no translation to nft that iptables-translate knows')
    : taken(rule)
}

function whyNot(stderr: string): string {
  const line = stderr.split('\n').find((each) => each.trim() !== '') ?? 'refused'
  return `iptables refuses it: ${line.replace(/^ip6?tables-translate v\S+ \(\w+\): /, '').trim()}`
}
