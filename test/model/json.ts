/**
 * Reading JSON of which nothing is known. The model takes the objects as kubectl prints them, and every
 * field of a MultiNetworkPolicy may hold anything at all, because its CRD has no enums and no validation:
 * so each look at a field says which type it expects, and gets `undefined` for any other.
 */
export type JsonObject = Readonly<Record<string, unknown>>

/** The value at a path of field names; own fields only, so a label called `constructor` is not a function. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  const [field, ...rest] = path
  if (field === undefined) return value
  const object = asObject(value)
  return object !== undefined && Object.hasOwn(object, field) ? at(object[field], ...rest) : undefined
}

export function asObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined
}

export function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** The items of a list; a value of any other type has none. */
export function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Kubernetes reads `null` as "field not given". */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

/** Neither given nor an empty list: where the Kubernetes API then has a default. */
export function isAbsentOrEmpty(value: unknown): boolean {
  return !isGiven(value) || (Array.isArray(value) && value.length === 0)
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * The same answer for the same object, worked out once. A cluster is asked thousands of questions and each
 * walks every pod again; only the parsing is kept. Objects must therefore never be changed in place.
 */
export function oncePerObject<Answer>(work: (object: JsonObject) => Answer): (object: JsonObject) => Answer {
  const answers = new WeakMap<JsonObject, { readonly answer: Answer }>()
  return (object) => {
    const known = answers.get(object) ?? { answer: work(object) }
    answers.set(object, known)
    return known.answer
  }
}
