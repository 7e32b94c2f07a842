/**
 * P7: label selectors. One that is invalid in any part matches nothing at all.
 */
import type { Labels } from './cluster.ts'
import { asObject, asText, at, isGiven, items } from './json.ts'

/**
 * `selector` is given: what a missing one means differs from field to field, so the caller decides that.
 * Reading: as in Kubernetes, a key or a value that no label can have makes the selector invalid, and so does
 * a value that is not text. (It matters for NotIn and DoesNotExist, which would match everything.)
 */
export function matches(selector: unknown, labels: Labels): boolean {
  if (asObject(selector) === undefined) return false
  const wanted = at(selector, 'matchLabels')
  const expressions = at(selector, 'matchExpressions')
  if (isGiven(wanted) && asObject(wanted) === undefined) return false
  if (isGiven(expressions) && !Array.isArray(expressions)) return false
  const pairs = Object.entries(asObject(wanted) ?? {})
  if (!pairs.every(([key, value]) => isKey(key) && isValue(value))) return false
  if (!items(expressions).every(isValidExpression)) return false
  return (
    pairs.every(([key, value]) => labels.get(key) === value) &&
    items(expressions).every((expression) => holds(expression, labels))
  )
}

function isValidExpression(expression: unknown): boolean {
  const values = at(expression, 'values')
  if (!isKey(at(expression, 'key'))) return false
  if (isGiven(values) && !Array.isArray(values)) return false
  if (!items(values).every(isValue)) return false
  switch (at(expression, 'operator')) {
    case 'In':
    case 'NotIn':
      return items(values).length > 0
    case 'Exists':
    case 'DoesNotExist':
      return items(values).length === 0
    default:
      return false
  }
}

function holds(expression: unknown, labels: Labels): boolean {
  const label = labels.get(asText(at(expression, 'key')) ?? '')
  const values = items(at(expression, 'values'))
  switch (at(expression, 'operator')) {
    case 'In':
      return label !== undefined && values.includes(label)
    case 'NotIn':
      return label === undefined || !values.includes(label)
    case 'Exists':
      return label !== undefined
    case 'DoesNotExist':
      return label === undefined
    default:
      return false
  }
}

const word: RegExp = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
const domain: RegExp = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

/** `name` or `domain/name`. */
function isKey(key: unknown): boolean {
  if (typeof key !== 'string') return false
  const parts = key.split('/')
  const name = parts.pop() ?? ''
  const prefixed = parts.length === 0 || (parts.length === 1 && domain.test(parts[0] ?? ''))
  return prefixed && (parts[0] ?? '').length <= 253 && word.test(name)
}

function isValue(value: unknown): boolean {
  return typeof value === 'string' && (value === '' || word.test(value))
}
