/**
 * The Issues that hold, on the log: one line when one appears and one when it is gone, however often the state they
 * follow from is computed anew.
 */
import type { Logger } from 'pino'
import type { Issue, ObjectReference } from './compile/model.ts'
import { once } from './compile/once.ts'

/**
 * New Issues of one namespace that are logged one by one at a time; beyond that they are counted, so that a flood cannot
 * fill a disk, nor one tenant's hide another's.
 */
const MAX_LINES = 100

export class IssueLog {
  readonly #log: Logger
  #standing: ReadonlyMap<string, Issue> = new Map()

  constructor(log: Logger) {
    this.#log = log
  }

  /** States all Issues that hold now. */
  set(issues: Iterable<Issue>): void {
    const now = new Map([...issues].map((issue) => [keyOf(issue), issue] as const))
    this.#write(
      'warn',
      'not enforced as written',
      [...now].filter(([key]) => !this.#standing.has(key)),
    )
    this.#write(
      'info',
      'no longer an issue',
      [...this.#standing].filter(([key]) => !now.has(key)),
    )
    this.#standing = now
  }

  #write(level: 'warn' | 'info', what: string, issues: readonly (readonly [string, Issue])[]): void {
    for (const [namespace = '', own] of Map.groupBy(issues, ([, { object }]) => object.namespace)) {
      for (const [, issue] of own.slice(0, MAX_LINES)) {
        const { object, field, value, reason } = issue
        this.#log[level](
          { object: nameObject(object), field, value, reason },
          `${what}: ${describeIssue(issue)}`,
        )
      }
      if (own.length > MAX_LINES)
        this.#log[level](`${what}: ${own.length - MAX_LINES} more in namespace ${namespace}`)
    }
  }
}

/** Issues that hold on are the same objects. */
const keyOf: (issue: Issue) => string = once((issue) => JSON.stringify(issue))

/** One line: object, field, value, reason. */
export function describeIssue({ object, field, value, reason }: Issue): string {
  const what = [field, value === undefined ? '' : JSON.stringify(value)]
    .filter((part) => part !== '')
    .join(' ')
  return [nameObject(object), ...(what === '' ? [] : [what]), reason].join(': ')
}

function nameObject({ kind, namespace, name }: ObjectReference): string {
  return `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`
}
