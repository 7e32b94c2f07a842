/**
 * A rule of iptables as its words, without `-A CHAIN`, and as the text that iptables-restore reads and iptables-save prints.
 *
 *     ['-i', 'a"b', '-m', 'comment', '--comment', 'shop/blue', '-g', 'MULTI-INGRESS-COMMON']
 *     -i "a\"b" -m comment --comment "shop/blue" -g MULTI-INGRESS-COMMON
 *
 * Names of interfaces are data of whoever wrote the pod: iptables-restore gets them in quotes, iptables-save prints them raw.
 */

export type Words = readonly string[]

/** Options whose value is anybody's text. */
const FREE_VALUES: ReadonlySet<string> = new Set(['-i', '-o', '--comment'])

/** Options that iptables-save prints the value of as it is, up to the next blank. */
const RAW_VALUES: ReadonlySet<string> = new Set(['-i', '-o'])

/** What begins a group of words that belong together. */
const GROUP_STARTS: ReadonlySet<string> = new Set(['-s', '-d', '-i', '-o', '-p', '-f', '-m', '-j', '-g'])

export function comment(text: string): Words {
  return ['-m', 'comment', '--comment', text]
}

/** The words as iptables-restore takes them. */
export function ruleText(words: Words): string {
  return words
    .map((word, index) => (FREE_VALUES.has(words[index - 1] ?? '') ? freeText(word) : quotedIfNeeded(word)))
    .join(' ')
}

/** Without quotes only what nothing could take for an option. */
function freeText(word: string): string {
  return /^[A-Za-z0-9_.][A-Za-z0-9_.:/-]*$/.test(word) ? word : quoted(word)
}

function quotedIfNeeded(word: string): string {
  return /^[A-Za-z0-9_.:,/=%[\]!+-]+$/.test(word) ? word : quoted(word)
}

/** A line ends at a line feed, quotes or not, so there is none; nothing that is told apart holds one. */
function quoted(word: string): string {
  return `"${word.replaceAll(/[\n\0]/g, '?').replaceAll(/["\\]/g, '\\$&')}"`
}

/** The words of a rule as iptables-save prints it, one blank apart; undefined where the line ends within quotes. */
export function ruleWords(text: string): Words | undefined {
  const words: string[] = []
  for (let rest = text.replace(/^ +/, ''); rest !== ''; ) {
    const raw = RAW_VALUES.has(words.at(-1) ?? '') || !rest.startsWith('"')
    const [all, word] = (raw ? /^([^ ]+) */ : /^"((?:[^"\\]|\\.)*)" */s).exec(rest) ?? []
    if (all === undefined || word === undefined) return undefined
    words.push(raw ? word : word.replaceAll(/\\(.)/gs, '$1'))
    rest = rest.slice(all.length)
  }
  return words
}

/** The rule's text in one order of its parts: the same for two rules that say the same. */
export function canonicalRule(words: Words): string {
  return ruleText(
    groupsOf(words)
      .sort((a, b) => rankOf(a) - rankOf(b) || (a.join(' ') < b.join(' ') ? -1 : 1))
      .flat(),
  )
}

/** Words that belong together: an option with its values, a match with its options. */
function groupsOf(words: Words): string[][] {
  const groups: string[][] = []
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] as string
    const negated = word === '!' && GROUP_STARTS.has(words[index + 1] ?? '')
    const begins = negated || (GROUP_STARTS.has(word) && words[index - 1] !== '!')
    if (begins || groups.length === 0) groups.push([])
    const group = groups.at(-1) as string[]
    group.push(word)
    if (!FREE_VALUES.has(word)) continue
    index += 1
    group.push(words[index] ?? '')
  }
  return groups
}

/** iptables-save begins with addresses and ends with the target. */
function rankOf(group: Words): number {
  return [...GROUP_STARTS].indexOf(group[0] === '!' ? (group[1] ?? '') : (group[0] ?? ''))
}

/** Where the rule goes: the target of `-j` or `-g`. */
export function targetOf(words: Words): string | undefined {
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] as string
    if (FREE_VALUES.has(word)) index += 1
    else if (word === '-j' || word === '-g') return words[index + 1]
  }
  return undefined
}

/** The rule's comment, if it has one. */
export function commentOf(words: Words): string | undefined {
  const at = words.indexOf('--comment')
  return at < 0 ? undefined : words[at + 1]
}
