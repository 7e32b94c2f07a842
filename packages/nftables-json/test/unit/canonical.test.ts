import { describe, expect, test } from 'vitest'
import {
  accept,
  canonical,
  type ListedTable,
  match,
  payload,
  prefix,
  type Statement,
  sameTable,
} from '../../src/index.ts'
import { HOLDERS, RULES, tableHolding, tableWith } from '../constructs.ts'

/** Constructs whose canonical forms are the same, by name. */
function twins(forms: Readonly<Record<string, string>>): readonly (readonly string[])[] {
  const groups = Object.groupBy(Object.keys(forms), (name) => forms[name] ?? '')
  return Object.values(groups)
    .filter((group) => group !== undefined)
    .filter((group) => group.length > 1)
}

const formOf = (table: ListedTable): string => JSON.stringify(canonical(table))

test('of all rules in these tests, only those that mean the same are the same', () => {
  const forms = Object.entries(RULES).map(
    ([name, rule]) => [name, formOf(tableWith(rule)[1].contents)] as const,
  )
  expect(twins(Object.fromEntries(forms))).toEqual([
    ['an address', 'the family before an address'],
    [
      'a range of one',
      'a set of one',
      'a protocol before its port',
      'a protocol after its port',
      'a protocol twice',
    ],
    ['both ports', 'both ports the other way round'],
    ['a log', 'a log at its default level'],
  ])
})

test('of all sets and maps in these tests none is the same as another', () => {
  const forms = Object.entries(HOLDERS).map(
    ([name, add]) => [name, formOf(tableHolding(add)[1].contents)] as const,
  )
  expect(twins(Object.fromEntries(forms))).toEqual([])
})

describe('two spellings of one value are the same', () => {
  const saddr = payload('ip', 'saddr')
  const rule = (value: Parameters<typeof match>[1]): ListedTable =>
    tableWith([match(saddr, value), accept])[1].contents

  test.each([
    [prefix('10.0.0.1', 32), '10.0.0.1'],
    [prefix('10.0.0.77', 24), prefix('10.0.0.0', 24)],
    [{ range: ['10.0.1.0', '10.0.1.7'] }, prefix('10.0.1.0', 29)],
    [{ set: [{ range: ['10.0.0.0', '10.0.0.127'] }, prefix('10.0.0.128', 25)] }, prefix('10.0.0.0', 24)],
    [{ set: ['10.0.0.1'] }, '10.0.0.1'],
    [{ set: ['10.0.0.2', '10.0.0.1'] }, { set: ['10.0.0.1', '10.0.0.2', '10.0.0.1'] }],
  ] as const)('%j and %j', (a, b) => {
    expect(sameTable(rule(a), rule(b))).toBe(true)
  })
})

describe('the canonical form can be read', () => {
  test.each<[string, readonly Statement[], readonly string[]]>([
    [
      'of a rule',
      RULES['a protocol and other matches before its port'] ?? [],
      ['meta iifname == { "net1" }', 'tcp dport == { 80 }', '{"accept":null}'],
    ],
    [
      'of a rule in two runs',
      RULES['a protocol, a counter and its port'] ?? [],
      ['meta l4proto == { 6 }', 'counter', 'tcp dport == { 80 }', '{"accept":null}'],
    ],
    [
      'of sets',
      RULES['a set of overlapping prefixes'] ?? [],
      ['ip saddr == { 10.0.0.0-10.0.1.255 }', '{"accept":null}'],
    ],
  ])('%s', (_, rule, form) => {
    expect(canonical(tableWith(rule)[1].contents)).toMatchObject({
      chains: { 'under-test': { rules: [form] } },
    })
  })
})
