/**
 * A line in iptables syntax: cut into words, and held against the options that a rule file may use. What
 * `iptables-translate` gets is the line less what it cannot say or says wrongly (measured with 1.8.9: it knows no ICMP
 * codes, and forgets `-p tcp` before a range of all ports); that part is written as nft text here.
 *
 *     -s 10.0.0.0/8 -p icmp --icmp-type 3/4 -j ACCEPT
 *     ip saddr 10.0.0.0/8 meta l4proto 1 icmp type 3 icmp code 4     and     -p icmp -j ACCEPT
 */
import type { Family } from '../address.ts'
import { MATCHES, type Option, optionOf, optionProblem, protocolNumber, TARGETS } from './iptables-options.ts'
import { asText } from './iptables-text.ts'
import { type IptablesRule, type Judged, quoted, refused, taken } from './rules.ts'

export interface IptablesLine {
  readonly rule: IptablesRule
  /** For `iptables-translate`, after `-A CHAIN`. */
  readonly translate: readonly string[]
  /** The rest, as matches in nft's text. */
  readonly matches: string
}

export interface Given {
  readonly option: Option
  readonly negated: boolean
  readonly values: readonly string[]
}

export function parseIptablesLine(text: string, family: Family): Judged<IptablesLine> {
  const words = splitWords(text)
  if (words.kind === 'refused') return words
  const given = readOptions(words.value, family)
  if (given.kind === 'refused') return given
  const problem = belongingProblem(given.value, family)
  if (problem !== undefined) return refused(problem)
  const texts = given.value.map((each) => asText(each, family))
  const bad = texts.find((each) => each?.kind === 'refused')
  if (bad?.kind === 'refused') return bad
  return taken({
    rule: ruleOf(given.value),
    translate: wordsFor(given.value, (each) => texts[given.value.indexOf(each)] === undefined),
    matches: texts
      .flatMap((each) => (each?.kind === 'taken' && each.value !== '' ? [each.value] : []))
      .join(' '),
  })
}

/** Words by blanks; quotes of either kind hold what is between them together. */
function splitWords(text: string): Judged<readonly string[]> {
  if (text.includes('\\')) return refused('holds a \\, which has no meaning here')
  const words: string[] = []
  for (let rest = text; rest !== ''; ) {
    const word = /^(?:"([^"]*)"|'([^']*)'|([^\s"']+))(?=\s|$)\s*/.exec(rest)
    if (word === null) return refused('has a quote that is not closed, or stands within a word')
    words.push(word[1] ?? word[2] ?? word[3] ?? '')
    rest = rest.slice(word[0].length)
  }
  return taken(words)
}

function readOptions(words: readonly string[], family: Family): Judged<readonly Given[]> {
  const given: Given[] = []
  const left = words.flatMap((word) => (/^--[a-z0-9-]+=/.test(word) ? splitAssignment(word) : [word]))
  while (left.length > 0) {
    const negated = left[0] === '!'
    if (negated) left.shift()
    const name = left.shift() ?? ''
    const option = optionOf(name)
    if (option === undefined) return refused(`${quoted(name)} ${optionProblem(name)}`)
    if (negated && !option.negatable) return refused(`${name} cannot be negated`)
    const values = left.splice(0, option.values.length)
    if (values.length < option.values.length) return refused(`${name} lacks its value`)
    for (const [index, check] of option.values.entries()) {
      const value = values[index] ?? ''
      const problem = check(value, family)
      if (problem !== undefined) return refused(`${quoted(value)} of ${name} ${problem}`)
    }
    given.push({ option, negated, values })
  }
  return taken(given)
}

function splitAssignment(word: string): readonly string[] {
  const at = word.indexOf('=')
  return [word.slice(0, at), word.slice(at + 1)]
}

/** What only the whole line shows: options without their match, a protocol of the other family, an unknown target. */
function belongingProblem(given: readonly Given[], family: Family): string | undefined {
  const valuesOf = (name: string): readonly string[] =>
    given.filter(({ option }) => option.name === name).flatMap(({ values }) => values)
  const [protocol, second] = given.filter(({ option }) => option.name === '--protocol')
  const targets = valuesOf('--jump')
  const matches = valuesOf('--match')
  if (second !== undefined) return 'has more than one -p'
  if (targets.length > 1) return 'has more than one -j'
  const [target] = targets
  if (target !== undefined && !TARGETS.includes(target))
    return `${quoted(target)} of -j is no target that a rule file may use: ${TARGETS.join(', ')}`
  const unknown = matches.find((name) => !MATCHES.includes(name))
  if (unknown !== undefined)
    return `${quoted(unknown)} of -m is no match that a rule file may use: ${MATCHES.join(', ')}`
  const number = protocol === undefined ? undefined : protocolNumber(protocol.values[0] ?? '')
  const implied = number === undefined || protocol?.negated === true ? [] : (BY_PROTOCOL[number] ?? [])
  const wrong = [...matches, ...implied].find(
    (name) => OF_FAMILY[name] !== undefined && OF_FAMILY[name] !== family,
  )
  if (wrong !== undefined)
    return `${wrong === 'ttl' || wrong === 'hl' ? `-m ${wrong}` : `-p ${protocol?.values[0] ?? wrong}`} is not of IPv${family}`
  const bare = matches.find((name) => NEEDS_PROTOCOL.has(name) && !implied.includes(name))
  if (bare !== undefined) return `-m ${bare} needs ${bare === 'icmp6' ? '-p icmpv6' : `-p ${bare}`}`
  if (matches.includes('multiport') && !PORTED.has(number ?? 0))
    return '-m multiport needs -p tcp, udp, sctp or dccp'
  const there = new Set([...matches, ...implied, ...targets])
  const stray = given.find(
    ({ option }) => option.of !== undefined && !option.of.some((each) => there.has(each)),
  )
  return stray === undefined
    ? undefined
    : `${stray.option.name} is an option of ${stray.option.of?.join(', ')}, which the line does not have`
}

/** The match that `-p` brings along. */
const BY_PROTOCOL: Readonly<Record<number, readonly string[]>> = {
  1: ['icmp'],
  6: ['tcp'],
  17: ['udp'],
  33: ['dccp'],
  58: ['icmp6'],
  132: ['sctp'],
}
const NEEDS_PROTOCOL: ReadonlySet<string> = new Set(Object.values(BY_PROTOCOL).flat())
const PORTED: ReadonlySet<number> = new Set([6, 17, 33, 132])
const OF_FAMILY: Readonly<Record<string, Family>> = { icmp: 4, icmp6: 6, ttl: 4, hl: 6 }

/**
 * The matches and target as iptables takes them, less comments. Negated ports get a match each: of
 * `! --sport 5 ! --dport 7` in one, iptables-nft 1.8.9 makes "not both", which lets packets from port 5 through.
 */
function ruleOf(given: readonly Given[]): IptablesRule {
  const protocol = given.find(({ option }) => option.name === '--protocol')?.values[0] ?? ''
  const matches = given.filter(({ option, values }) => !isComment(option, values) && !isTarget(option))
  const target = given.filter(({ option }) => isTarget(option))
  const jumpFirst = target.toSorted(
    (a, b) => Number(b.option.name === '--jump') - Number(a.option.name === '--jump'),
  )
  const isPort = ({ option, negated }: Given): boolean => negated && /^--[sd]port$/.test(option.name)
  const apart = matches.filter(isPort).length > 1
  const words = matches.flatMap((each) => [
    ...(apart && isPort(each) ? ['-m', protocol.toLowerCase()] : []),
    ...wordsOf(each),
  ])
  return { matches: words, target: jumpFirst.flatMap(wordsOf) }
}

const isComment = (option: Option, values: readonly string[]): boolean =>
  option.name === '--comment' || (option.name === '--match' && values[0] === 'comment')

const isTarget = ({ name, of }: Option): boolean => name === '--jump' || TARGETS.includes(of?.[0] ?? '')

function wordsOf({ option, negated, values }: Given): readonly string[] {
  return [...(negated ? ['!'] : []), option.short ?? option.name, ...values]
}

/** Of the options that stay, with `-p` for the match that it brings, and `-m` only where an option of it stays. */
function wordsFor(given: readonly Given[], stays: (each: Given) => boolean): readonly string[] {
  const staying = given.filter(stays)
  const needed = (name: string | undefined): boolean =>
    staying.some(({ option }) => option.of?.includes(name ?? '') === true) || name === 'limit'
  const words = given.filter((each) => {
    if (each.option.name === '--protocol') return !each.negated
    if (each.option.name === '--match') return needed(each.values[0])
    return stays(each) && !isTarget(each.option)
  })
  const target = given.filter(({ option }) => isTarget(option))
  const jumpFirst = target.toSorted(
    (a, b) => Number(b.option.name === '--jump') - Number(a.option.name === '--jump'),
  )
  return [...words, ...jumpFirst].flatMap(wordsOf)
}
