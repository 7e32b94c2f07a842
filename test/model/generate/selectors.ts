/**
 * Label selectors over an alphabet of labels: empty ones, matchLabels, all four operators, keys that nothing
 * has, and both forms together.
 */
import fc from 'fast-check'
import type { JsonObject } from '../json.ts'
import { choice, labels } from './alphabet.ts'

type Alphabet = Readonly<Record<string, readonly string[]>>

export function selector(alphabet: Alphabet): fc.Arbitrary<JsonObject> {
  const expressions = fc.array(expression(alphabet), { minLength: 1, maxLength: 2 })
  return choice<JsonObject>(
    [2, fc.constant({})],
    [4, labels(alphabet).map((matchLabels) => ({ matchLabels }))],
    [4, expressions.map((matchExpressions) => ({ matchExpressions }))],
    [1, fc.record({ matchLabels: labels(alphabet), matchExpressions: expressions })],
  )
}

function expression(alphabet: Alphabet): fc.Arbitrary<JsonObject> {
  return fc
    .record({
      key: fc.constantFrom(...Object.keys(alphabet), 'absent'),
      operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
      /** Which of the key's values, as bits; never none of them. */
      values: fc.integer({ min: 1, max: 7 }),
    })
    .map(({ key, operator, values }) => {
      if (operator === 'Exists' || operator === 'DoesNotExist') return { key, operator }
      const known = alphabet[key] ?? ['nobody']
      const chosen = known.filter((_, index) => ((values >> index) & 1) === 1)
      return { key, operator, values: chosen.length > 0 ? chosen : known.slice(0, 1) }
    })
}
