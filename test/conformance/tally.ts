/** What a suite did, for its last words: cases by tag, and what was asked in which way. */
import type { StepResult } from './run-step.ts'

export class Tally {
  readonly #title: string
  readonly #tags = new Map<string, { passed: number; failed: number }>()
  readonly #notes = new Map<string, number>()
  readonly #begin = performance.now()
  #cases = 0
  #failed = 0
  #steps = 0
  #probes = 0
  #asked = 0
  #sctp = 0
  #unasked = 0

  constructor(title: string) {
    this.#title = title
  }

  addStep({ probes, asked, sctp, unasked }: StepResult): void {
    this.#steps += 1
    this.#probes += probes
    this.#asked += asked
    this.#sctp += sctp
    this.#unasked += unasked
  }

  addCase(tags: readonly string[], passed: boolean): void {
    this.#cases += 1
    if (!passed) this.#failed += 1
    for (const tag of tags) {
      const counts = this.#tags.get(tag) ?? { passed: 0, failed: 0 }
      counts[passed ? 'passed' : 'failed'] += 1
      this.#tags.set(tag, counts)
    }
  }

  /** Counts something that is to be said at the end, such as an expectation that was replaced. */
  note(what: string, count: number): void {
    if (count > 0) this.#notes.set(what, (this.#notes.get(what) ?? 0) + count)
  }

  toString(): string {
    const seconds = ((performance.now() - this.#begin) / 1000).toFixed(0)
    const rows = [...this.#tags]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([tag, { passed, failed }]) => `  ${tag.padEnd(32)}${count(passed)}${count(failed)}`)
    return [
      `${this.#title}: ${this.#cases} cases, ${this.#failed} failed; ${this.#steps} steps in ${seconds} s`,
      `  ${this.#probes} probes by packets; ${this.#asked} expectations held against mnpd matrix`,
      `  ${this.#sctp} expectations of SCTP not probed by packets, because the lab has no SCTP sockets: held against mnpd matrix only`,
      `  ${this.#unasked} expectations not asked at all: SCTP between a pod and itself or an address of no pod, of which mnpd matrix does not speak`,
      ...[...this.#notes].map(([what, times]) => `  ${times} ${what}`),
      ...(rows.length === 0 ? [] : [`  ${'tag'.padEnd(32)}${'passed'.padStart(8)}${'failed'.padStart(8)}`]),
      ...rows,
    ].join('\n')
  }
}

function count(value: number): string {
  return String(value).padStart(8)
}
