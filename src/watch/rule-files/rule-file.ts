/** One rule file over time: its last good version stays in force until there is a better one. */
import type { Family } from '../../compile/address.ts'
import { type LineProblem, MOST_BYTES, wholeFile } from '../../compile/custom/lines.ts'
import type { CustomRule } from '../../compile/custom/rules.ts'
import type { Issue } from '../../compile/model.ts'
import { shorten } from '../parse/report.ts'
import { type FileText, readRuleFile } from './read-file.ts'
import { MOST_NAMED, type RuleBackend, validateRules } from './validate.ts'

export class WatchedRuleFile {
  readonly path: string
  readonly family: Family
  readonly #backend: RuleBackend
  readonly #signal: AbortSignal
  /** Undefined until a version of it was good. */
  #good: readonly CustomRule[] | undefined
  /** What was read last; undefined where it has to be looked at again whatever it is. */
  #seen: string | undefined
  #issues: readonly Issue[] = []

  constructor(path: string, family: Family, backend: RuleBackend, signal: AbortSignal) {
    this.path = path
    this.family = family
    this.#backend = backend
    this.#signal = signal
  }

  get rules(): readonly CustomRule[] {
    return this.#good ?? []
  }

  get issues(): readonly Issue[] {
    return this.#issues
  }

  /** Reads the file, and where it differs validates it. Never rejects for what a file or a tool does. */
  async refresh(): Promise<FileText> {
    const found = await readRuleFile(this.path)
    const seen = JSON.stringify(found)
    if (seen !== this.#seen) {
      this.#seen = seen
      await this.#take(found)
    }
    return found
  }

  async #take(found: FileText): Promise<void> {
    if (found.kind === 'unreadable') return this.#keep([wholeFile(found.reason)])
    if (found.kind === 'too-big') return this.#keep([wholeFile(`is larger than ${MOST_BYTES} bytes`)])
    const { path, family } = this
    const options = { path, family, backend: this.#backend, signal: this.#signal }
    const validated = await validateRules(found.text, options)
    if (validated.kind === 'invalid') return this.#keep(validated.problems)
    if (validated.kind === 'valid') {
      this.#good = validated.rules
      this.#issues = []
      return
    }
    this.#seen = undefined
    this.#keep([wholeFile(`cannot be checked: ${validated.reason}`)])
  }

  #keep(problems: readonly LineProblem[]): void {
    const stays =
      this.#good === undefined ? 'the file counts as empty' : 'its last good version stays in force'
    const named = problems.slice(0, MOST_NAMED)
    const rest = named.length === problems.length ? [] : [wholeFile('more of its lines are refused')]
    this.#issues = [...named, ...rest].map(({ line, text, reason }) => ({
      object: { kind: 'File', name: this.path },
      field: line === undefined ? '' : `line ${line}`,
      ...(text === undefined ? {} : { value: shorten(text) }),
      reason: `${reason}; ${stays}`,
    }))
  }
}
