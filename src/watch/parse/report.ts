/** Collects the Issues of one object while it is parsed; parsing goes on past each of them. */
import { count, MOST_PARTS_OF_A_POLICY } from '../../compile/limits.ts'
import type { Issue, ObjectReference } from '../../compile/model.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** What is wrong with one object is said so many times and no more: its author picks how much is wrong with it. */
const MOST_ISSUES = 20

export class Report {
  readonly issues: Issue[] = []
  readonly #object: ObjectReference
  #parts = 0

  constructor(object: ObjectReference) {
    this.#object = object
  }

  /** Notes an Issue; returns undefined, so that a parser can return what it returns for "nothing". */
  add(field: string, value: unknown, reason: string): undefined {
    const shown = value === undefined ? {} : { value: shorten(value) }
    if (this.issues.length < MOST_ISSUES)
      this.issues.push({ object: this.#object, field: shorten(field), ...shown, reason })
    else if (this.issues.length === MOST_ISSUES)
      this.issues.push({
        object: this.#object,
        field: '',
        reason: `more is wrong with it than the ${MOST_ISSUES} that are named`,
      })
    return undefined
  }

  /** The array at `field`; empty where it is absent or null, undefined with an Issue where it is something else. */
  list(field: string, value: unknown): readonly unknown[] | undefined {
    if (value === undefined || value === null) return []
    return Array.isArray(value) ? value : this.add(field, value, 'expected a list')
  }

  /** A list whose items count as parts of a policy; undefined, which allows nothing, where they are too many. */
  parts(field: string, value: unknown): readonly unknown[] | undefined {
    const list = this.list(field, value)
    return list !== undefined && this.affords(field, list.length) ? list : undefined
  }

  /** Whether the object may have so many parts more. That it may not is said once. */
  affords(field: string, parts: number): boolean {
    const before = this.#parts
    this.#parts += parts
    if (this.#parts <= MOST_PARTS_OF_A_POLICY) return true
    if (before <= MOST_PARTS_OF_A_POLICY) {
      const most = `${count(MOST_PARTS_OF_A_POLICY)} rules, peers, excepts, ports and terms of selectors are the most`
      this.add(
        field,
        undefined,
        `${most}, and here are ${count(this.#parts)}: from here on nothing is allowed`,
      )
    }
    return false
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The property if the object has it as its own; hostile keys such as `__proto__` find nothing. */
export function own(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

/** A value as one printable line of at most 100 characters. */
export function shorten(value: unknown): string {
  const text = typeof value === 'string' ? value : textOf(value)
  const printable = text
    .slice(0, 200)
    .replaceAll(/[^\x20-\x7e]/g, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
  return printable.length > 100 ? `${printable.slice(0, 97)}...` : printable
}

/** A value nested beyond what the stack holds is described by what it is. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return typeof value
  }
}
