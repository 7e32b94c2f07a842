import { expect, test } from 'vitest'
import { checkSchema } from '../../src/schema.ts'

const NB = {
  name: 'OVN_Northbound',
  tables: { ACL: { match: 'string', name: 'optional string', tier: { ifPresent: 'integer' } } },
} as const

const schema = (columns: object): never =>
  ({ name: 'OVN_Northbound', version: '7.0.0', tables: { ACL: { columns } } }) as never

const MATCH = { type: 'string' }
const NAME = { type: { key: { type: 'string', maxLength: 63 }, min: 0, max: 1 } }
const TIER = { type: { key: { type: 'integer', minInteger: 0, maxInteger: 3 } } }

test('a column that may be missing is told, not complained of', () => {
  const checked = checkSchema(NB, schema({ match: MATCH, name: NAME }))
  expect(checked).toMatchObject({
    kind: 'suitable',
    schema: { version: '7.0.0', absent: new Set(['ACL.tier']) },
  })
  expect(checkSchema(NB, schema({ match: MATCH, name: NAME, tier: TIER }))).toMatchObject({
    kind: 'suitable',
    schema: { absent: new Set() },
  })
})

test('every problem is named', () => {
  const tables = { ...NB.tables, Port_Group: { name: 'string' } } as const
  expect(checkSchema({ ...NB, tables }, schema({ name: NAME, tier: MATCH }))).toEqual({
    kind: 'unsuitable',
    problems: [
      'column ACL.match is missing',
      'column ACL.tier is of another type: "string"',
      'table Port_Group is missing',
    ],
  })
  expect(checkSchema(NB, null)).toEqual({ kind: 'unsuitable', problems: ['the schema has no tables'] })
})

test.each([
  ['optional where one is needed', { match: NAME, name: NAME }],
  ['one where it may be none', { match: MATCH, name: MATCH }],
  ['a set', { match: MATCH, name: { type: { key: 'string', min: 0, max: 'unlimited' } } }],
  ['a map', { match: MATCH, name: { type: { key: 'string', value: 'string', min: 0, max: 1 } } }],
])('another type: %s', (_name, columns) => {
  expect(checkSchema(NB, schema(columns)).kind).toBe('unsuitable')
})
