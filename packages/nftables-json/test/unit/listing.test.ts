import { describe, expect, test } from 'vitest'
import { accept, match, meta, parseListing, payload, setRef, wildcard } from '../../src/index.ts'

const metainfo = { metainfo: { version: '1.0.6', release_name: 'Lester Gooch #5', json_schema_version: 1 } }
const table = { table: { family: 'inet', name: 'example', handle: 1 } }
const IN = { family: 'inet', table: 'example' }

test('a listing is parsed to tables with what is in them', () => {
  const saddr = { payload: { protocol: 'ip', field: 'saddr' } }
  const listed = {
    nftables: [
      metainfo,
      table,
      { set: { ...IN, name: 's', type: 'ipv4_addr', handle: 2, flags: ['interval'], elem: ['10.0.0.1'] } },
      {
        map: {
          ...IN,
          name: 'm',
          type: 'ifname',
          map: 'verdict',
          handle: 3,
          elem: [['eth0', { accept: null }]],
        },
      },
      { counter: { ...IN, name: 'k', handle: 4, packets: 5, bytes: 6 } },
      { chain: { ...IN, name: 'c', handle: 7, type: 'filter', hook: 'input', prio: 0, policy: 'drop' } },
      {
        rule: {
          ...IN,
          chain: 'c',
          handle: 8,
          comment: 'why',
          expr: [
            { match: { op: '==', left: saddr, right: '@s' } },
            { match: { op: '==', left: { meta: { key: 'iifname' } }, right: 'net*' } },
            { accept: null },
          ],
        },
      },
    ],
  }
  expect(parseListing(JSON.stringify(listed))).toEqual({
    unknown: [],
    tables: [
      {
        family: 'inet',
        name: 'example',
        handle: 1,
        unknown: [],
        sets: [{ name: 's', type: 'ipv4_addr', handle: 2, flags: ['interval'], elem: ['10.0.0.1'] }],
        maps: [{ name: 'm', type: 'ifname', map: 'verdict', handle: 3, elem: [['eth0', accept]] }],
        counters: [{ name: 'k', handle: 4, packets: 5, bytes: 6 }],
        chains: [
          {
            name: 'c',
            handle: 7,
            hook: { type: 'filter', hook: 'input', prio: 0, policy: 'drop' },
            rules: [
              {
                handle: 8,
                comment: 'why',
                expr: [
                  match(payload('ip', 'saddr'), setRef('s')),
                  match(meta('iifname'), wildcard('net')),
                  accept,
                ],
              },
            ],
          },
        ],
      },
    ],
  })
})

describe('what is not known is kept', () => {
  const parsed = (...objects: object[]): ReturnType<typeof parseListing> =>
    parseListing({ nftables: [metainfo, table, { chain: { ...IN, name: 'c' } }, ...objects] })
  const rule = (...expr: unknown[]): object => ({ rule: { ...IN, chain: 'c', expr } })

  test('an object of a table, with the table', () => {
    const flowtable = { flowtable: { ...IN, name: 'f', hook: 'ingress', prio: 0 } }
    expect(parsed(flowtable).tables[0]?.unknown).toEqual([{ unknown: flowtable }])
  })

  test('an object of no table that is listed', () => {
    const stray = { chain: { family: 'ip', table: 'elsewhere', name: 'c' } }
    expect(parsed(stray).unknown).toEqual([{ unknown: stray }])
  })

  test.each([{ newer: 1 }, { a: 1, b: 2 }, {}, 'text', 7, null, [1]])(
    'an object that is none: %j',
    (object) => {
      expect(parseListing({ nftables: [object] })).toEqual({ tables: [], unknown: [{ unknown: object }] })
    },
  )

  test('a property, under "other"', () => {
    const dormant = { table: { family: 'inet', name: 'example', flags: 'dormant' } }
    expect(parseListing({ nftables: [dormant] }).tables[0]?.other).toEqual({ flags: 'dormant' })
  })

  test.each([
    [{ newer: { a: 1 } }],
    [{ xt: { type: 'match', name: 'comment' } }],
    [{ accept: null, drop: null }],
    [{ accept: 1 }],
    [{ match: { op: '==', left: 1 } }],
    [{ limit: 'by-name' }],
    [{ log: { newer: 1 } }],
    ['text'],
    [null],
    [{}],
  ])('a statement: %j', (statement) => {
    expect(parsed(rule(statement)).tables[0]?.chains[0]?.rules[0]?.expr).toEqual([{ unknown: statement }])
  })

  test.each([
    [{ newer: 1 }],
    [{ payload: { protocol: 'tcp' } }],
    [{ range: [1] }],
    [{ prefix: { addr: '10.0.0.0' } }],
    [{ elem: { val: 1, newer: 1 } }],
    [{ numgen: { mode: 'inc', mod: 2, offset: 0 } }],
    [null],
  ])('an expression: %j', (expression) => {
    const [parsedMatch] =
      parsed(rule({ match: { op: '==', left: expression, right: 1 } })).tables[0]?.chains[0]?.rules[0]
        ?.expr ?? []
    expect(parsedMatch).toEqual({ match: { op: '==', left: { unknown: expression }, right: 1 } })
  })
})

test.each(['', 'no JSON', '[]', '{}', '{"nftables":{}}', 'null'])(
  'what is no listing is an error: %j',
  (text) => {
    expect(() => parseListing(text)).toThrow(/JSON|not a listing/)
  },
)
