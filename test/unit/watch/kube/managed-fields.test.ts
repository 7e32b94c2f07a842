/** What is left of an object's text without its managers' fields, whatever its strings look like. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { withoutManagedFields } from '../../../../src/watch/kube/managed-fields.ts'
import { seed } from '../../../seed.ts'

describe('managedFields', () => {
  test('are an empty list', () => {
    const text =
      '{"metadata":{"name":"a","managedFields":[{"fieldsV1":{"f:k":{"k:[\\"x]\\\\":[[]]}}}],"uid":"u"}}'
    expect(withoutManagedFields(text)).toBe('{"metadata":{"name":"a","managedFields":[],"uid":"u"}}')
  })

  test.for([
    ['there are none', '{"metadata":{"name":"a"}}'],
    ['they are no list', '{"metadata":{"labels":{"managedFields":"[x]"}}}'],
    ['they do not end', '{"metadata":{"managedFields":[{"a":"]"}'],
    ['a string of theirs does not end', '{"metadata":{"managedFields":["a]}}'],
  ] as const)('are left as they are where %s', ([, text]) => {
    expect(withoutManagedFields(text)).toBe(text)
  })

  test('are all that is cut out, whatever else the object says', () => {
    const hostile = fc.oneof(
      fc.string(),
      fc.constantFrom('"managedFields":[', '\\"managedFields\\":[', '"', '\\', ']', '[{"', '\\"]'),
    )
    const object = fc.record({
      before: fc.dictionary(hostile, hostile),
      managedFields: fc.array(fc.dictionary(hostile, fc.array(hostile))),
      after: fc.dictionary(hostile, hostile),
    })
    fc.assert(
      fc.property(object, ({ before, managedFields, after }) => {
        const made = (fields: unknown[]): object => ({ metadata: { before, managedFields: fields, after } })
        expect(JSON.parse(withoutManagedFields(JSON.stringify(made(managedFields))))).toEqual(
          JSON.parse(JSON.stringify(made([]))),
        )
      }),
      { seed, numRuns: 2_000 },
    )
  })
})
