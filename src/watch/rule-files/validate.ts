/**
 * A file's text as rules, or what is wrong with it, line by line. The tools parse, and what they made of a line is
 * held against what a rule file may say: all lines are tried at once, and where that fails half of them and so on, to
 * name the bad ones.
 */
import { Transaction, TransactionError } from 'nftables-json'
import type { Family } from '../../compile/address.ts'
import { toIptables } from '../../compile/custom/iptables.ts'
import { parseIptablesLine } from '../../compile/custom/iptables-line.ts'
import { type LineProblem, type RuleLine, ruleLines } from '../../compile/custom/lines.ts'
import { parseNftLine } from '../../compile/custom/nft-line.ts'
import { printCustomRules } from '../../compile/custom/print.ts'
import type { CustomRule, IptablesRule, Judged } from '../../compile/custom/rules.ts'
import { refused, taken } from '../../compile/custom/rules.ts'
import { checkStatements } from '../../compile/custom/statements.ts'
import { type Loaded, listBack, loadIptables, loadPrinted } from './scratch.ts'
import { translate } from './translate.ts'

/** Where the rules go: what that backend cannot say is refused. */
export type RuleBackend = 'nftables' | 'iptables'

export interface ValidateOptions {
  readonly path: string
  readonly family: Family
  readonly backend: RuleBackend
  readonly signal: AbortSignal
}

export type Validated =
  | { readonly kind: 'valid'; readonly rules: readonly CustomRule[] }
  /** Nothing of the file is to be used. */
  | { readonly kind: 'invalid'; readonly problems: readonly LineProblem[] }
  /** The tools could not be used, so nothing is known of the file. */
  | { readonly kind: 'unchecked'; readonly reason: string }

/** When so many lines are known to be bad, no more are looked for. */
export const MOST_NAMED = 20

/** Processes at once. */
const AT_ONCE = 4

export async function validateRules(text: string, options: ValidateOptions): Promise<Validated> {
  const { lines, problems } = ruleLines(text)
  const check = new Check(options, problems)
  const read = await check.each(lines, (line) => check.read(line))
  const listed = await check.load(read, (some) =>
    listBack(
      some.map(({ nft }) => nft),
      options.signal,
    ),
  )
  const rules = await check.each(listed, async ([line, statements]) => check.rule(line, statements))
  await check.load(rules, (some) => loadPrinted(some, options.signal))
  if (options.backend === 'iptables') await check.load(rules, (some) => loadAsIptables(some, options))
  return check.result(rules)
}

interface ReadLine extends RuleLine {
  readonly nft: string
  /** As written, where it is in iptables syntax. */
  readonly iptables: IptablesRule | undefined
}

type Outcome<T> = Judged<T> | { readonly kind: 'failed'; readonly reason: string }

/** What has been found out of one file. A line that was refused goes no further; the others do, to be told as well. */
class Check {
  readonly #options: ValidateOptions
  readonly #problems: LineProblem[]
  #failure: string | undefined

  constructor(options: ValidateOptions, problems: readonly LineProblem[]) {
    this.#options = options
    this.#problems = [...problems]
  }

  result(rules: readonly CustomRule[]): Validated {
    if (this.#failure !== undefined) return { kind: 'unchecked', reason: this.#failure }
    if (this.#problems.length === 0) return { kind: 'valid', rules }
    return { kind: 'invalid', problems: this.#problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)) }
  }

  /** The line as nft's text. */
  async read(line: RuleLine): Promise<Outcome<ReadLine>> {
    const parsed = line.syntax === 'nft' ? undefined : parseIptablesLine(line.text, this.#options.family)
    if (parsed?.kind === 'refused') return parsed
    let text = line.text
    if (parsed !== undefined) {
      const translated = await translate(parsed.value.translate, this.#options.family, this.#options.signal)
      if (translated.kind !== 'taken') return translated
      text = `${parsed.value.matches} ${translated.value}`
    }
    const nft = parseNftLine(text)
    return nft.kind === 'refused' ? nft : taken({ ...line, nft: nft.value, iptables: parsed?.value.rule })
  }

  /** The rule of what nft made of the line. */
  rule(line: ReadLine, listed: Parameters<typeof checkStatements>[0]): Outcome<CustomRule> {
    const { family, path, backend } = this.#options
    const statements = checkStatements(listed, family)
    if (statements.kind === 'refused') return statements
    const rule: CustomRule = {
      ...{ family, file: path, line: line.line, text: line.text, statements: statements.value },
      iptables:
        line.iptables === undefined
          ? toIptables(statements.value, family)
          : { kind: 'rules', rules: [line.iptables] },
    }
    if (backend === 'iptables' && rule.iptables.kind === 'unsayable')
      return refused(`cannot be said in iptables: ${rule.iptables.reason}`)
    return printable(rule)
  }

  /** What `judge` takes of the items, in their order; a few at a time. */
  async each<T extends object, U>(
    items: readonly T[],
    judge: (item: T) => Promise<Outcome<U>>,
  ): Promise<readonly U[]> {
    const outcomes: Outcome<U>[] = []
    for (let from = 0; from < items.length && this.#failure === undefined; from += AT_ONCE)
      outcomes.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(judge))))
    return outcomes.flatMap((outcome, index) => {
      if (outcome.kind === 'taken') return [outcome.value]
      if (outcome.kind === 'failed') this.#failure ??= outcome.reason
      else this.#refuse(items[index], outcome.reason)
      return []
    })
  }

  /** Loads all, or where that is refused each half, down to the bad ones. @returns the good ones and their values. */
  async load<T extends RuleLine | CustomRule, U>(
    items: readonly T[],
    load: (items: readonly T[]) => Promise<Loaded<readonly U[] | undefined>>,
  ): Promise<readonly (readonly [T, U])[]> {
    if (items.length === 0 || this.#failure !== undefined || this.#problems.length > MOST_NAMED) return []
    const loaded = await load(items)
    if (loaded.kind === 'loaded')
      return items.map((item, index) => [item, loaded.value?.[index] as U] as const)
    const [first] = items
    const before = this.#problems.length
    if (loaded.kind === 'failed') this.#failure = loaded.reason
    else if (items.length === 1) this.#refuse(first, loaded.reason)
    if (loaded.kind === 'failed' || items.length === 1) return []
    const half = items.length >> 1
    const good = [
      ...(await this.load(items.slice(0, half), load)),
      ...(await this.load(items.slice(half), load)),
    ]
    if (this.#problems.length === before)
      this.#failure ??= `its rules load apart, not together: ${loaded.reason}`
    return good
  }

  #refuse(item: object | undefined, reason: string): void {
    const about = Array.isArray(item) ? (item[0] as RuleLine) : (item as RuleLine)
    this.#problems.push({ line: about.line, text: about.text, reason })
  }
}

/** Whether our own printer takes the rule: it knows what nft would misread. */
function printable(rule: CustomRule): Judged<CustomRule> {
  const table = new Transaction().replaceTable({ family: 'inet', name: 'scratch' })
  table.addChain({ name: 'c' })
  try {
    printCustomRules(table, 'c', [rule])
    return taken(rule)
  } catch (error) {
    if (error instanceof TransactionError) return refused(error.message)
    throw error
  }
}

function loadAsIptables(
  rules: readonly CustomRule[],
  { family, signal }: ValidateOptions,
): Promise<Loaded<undefined>> {
  const lines = rules.flatMap(({ iptables }) => (iptables.kind === 'rules' ? iptables.rules : []))
  return loadIptables(lines, family, signal)
}
