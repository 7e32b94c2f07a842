/** Asking JSON of unknown origin for a shape, so that what a listing holds is looked at before it is believed. */
import type { Json } from './expression-types.ts'

export type JsonObject = { readonly [key: string]: Json }

type Kind = 'string' | 'number' | 'boolean' | 'any'

/** Property names to kinds; a name that ends in `?` may be absent. */
export type Shape = { readonly [property: string]: Kind }

export function isObject(json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

/** Whether the object has all of the shape's properties, and no other. */
export function fits(json: Json | undefined, shape: Shape): json is JsonObject {
  if (!isObject(json)) return false
  const allowed = new Set<string>()
  for (const [property, kind] of Object.entries(shape)) {
    const name = property.replace('?', '')
    allowed.add(name)
    const value = json[name]
    if (value === undefined ? name === property : kind !== 'any' && typeof value !== kind) return false
  }
  return Object.keys(json).every((name) => allowed.has(name))
}

/** The properties that are not among the known ones, or undefined when there are none. */
export function others(json: JsonObject, known: readonly string[]): JsonObject | undefined {
  const rest = Object.entries(json).filter(([name]) => !known.includes(name))
  return rest.length === 0 ? undefined : Object.fromEntries(rest)
}
