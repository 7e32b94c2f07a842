import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyDifference, type ColumnCodec, type Datum, decode, defaultOf, encode } from '../../src/codec.ts'
import { asUuid, type ColumnType, shapeOf } from '../../src/description.ts'

const column = (type: ColumnType, min: 0 | 1 = 0): ColumnCodec => {
  const shape = shapeOf(type)
  return { ...shape, name: 'T.c', min, single: shape.form === 'one' || shape.form === 'optional' }
}

const ID = '0f6a3c1e-9a3b-4a1e-8f5e-0123456789ab'

describe('the notation of RFC 7047, section 5.1', () => {
  test.each<[ColumnType, Datum, unknown]>([
    ['integer', 7, 7],
    ['real', 0.5, 0.5],
    ['boolean', true, true],
    ['string', 'a "b" ж', 'a "b" ж'],
    ['uuid', asUuid(ID), ['uuid', ID]],
    ['optional string', undefined, ['set', []]],
    ['optional string', 'x', 'x'],
    ['set of string', new Set(), ['set', []]],
    ['set of uuid', new Set([asUuid(ID)]), ['set', [['uuid', ID]]]],
    ['map of string to string', new Map([['k', 'v']]), ['map', [['k', 'v']]]],
    ['map of string to uuid', new Map([['k', asUuid(ID)]]), ['map', [['k', ['uuid', ID]]]]],
  ])('%s: %s', (type, value, json) => {
    expect(encode(column(type), value)).toEqual(json)
    expect(decode(column(type), encode(column(type), value))).toEqual(value)
  })

  test('a set of one may come without its brackets, an optional value with them', () => {
    expect(decode(column('set of string'), 'x')).toEqual(new Set(['x']))
    expect(decode(column('set of uuid'), ['uuid', ID])).toEqual(new Set([ID]))
    expect(decode(column('optional integer'), ['set', [3]])).toBe(3)
  })

  test('rows to be inserted are known by name', () => {
    expect(encode(column('set of uuid'), [{ named: 'acl_1' }, ID])).toEqual([
      'set',
      [
        ['named-uuid', 'acl_1'],
        ['uuid', ID],
      ],
    ])
  })
})

describe('what does not fit', () => {
  test.each<[ColumnType, unknown]>([
    ['integer', 2 ** 53],
    ['integer', 1.5],
    ['real', Number.NaN],
    ['string', 'a\0b'],
    ['string', '\ud800'],
    ['string', 7],
    ['uuid', 'not-a-uuid'],
    ['uuid', { named: 'a-b' }],
    ['set of string', 'x'],
    ['map of string to string', { k: 'v' }],
    ['boolean', undefined],
  ])('is not sent as %s: %j', (type, value) => {
    expect(() => encode(column(type), value)).toThrow(/^column T\.c: .* is no /s)
  })

  test.each<[ColumnType, unknown]>([
    ['integer', '7'],
    ['integer', 2 ** 60],
    ['uuid', ID],
    ['uuid', ['named-uuid', 'x']],
    ['uuid', ['uuid', ID.toUpperCase()]],
    ['string', ['set', []]],
    ['string', ['set', ['a', 'b']]],
    ['optional string', ['set', ['a', 'b']]],
    ['set of string', ['set', ['a', 'a']]],
    ['set of string', ['map', []]],
    ['map of string to string', ['map', [['k']]]],
    ['map of string to string', ['map', [['k', 'a'], ['k', 'b']]]], // biome-ignore format: one line
    ['map of string to string', null],
  ])('is not read as %s: %j', (type, json) => {
    expect(() => decode(column(type), json as never)).toThrow(/^column T\.c: .* is no /)
  })
})

test('defaults: nothing, or one where the schema wants at least one', () => {
  expect(defaultOf(column('set of string'))).toEqual(new Set())
  expect(defaultOf(column('set of string', 1))).toEqual(new Set(['']))
  expect(defaultOf(column('optional boolean'))).toBeUndefined()
  expect(defaultOf(column('uuid'))).toBe('00000000-0000-0000-0000-000000000000')
})

describe('any value', () => {
  const text = fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', ''))
  const sets = fc.array(text).map((members) => new Set(members))
  const maps = fc.array(fc.tuple(text, text)).map((pairs) => new Map(pairs))

  test('comes back as it was', () => {
    fc.assert(
      fc.property(
        sets,
        maps,
        fc.maxSafeInteger(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        (a, b, c, d) => {
          const back = (type: ColumnType, value: Datum): Datum =>
            decode(column(type), JSON.parse(JSON.stringify(encode(column(type), value))))
          expect(back('set of string', a)).toEqual(a)
          expect(back('map of string to string', b)).toEqual(b)
          expect(back('integer', c)).toBe(c)
          expect(back('real', d)).toBe(d === 0 ? 0 : d)
        },
      ),
    )
  })

  test('follows from the one before and the difference, as the server makes it', () => {
    fc.assert(
      fc.property(sets, sets, (old, now) => {
        const difference = old.symmetricDifference(now)
        expect(applyDifference(column('set of string'), old, difference)).toEqual(now)
      }),
    )
    fc.assert(
      fc.property(maps, maps, (old, now) => {
        const removed = [...old].filter(([key]) => !now.has(key))
        const written = [...now].filter(([key, value]) => old.get(key) !== value)
        const difference = new Map([...removed, ...written])
        expect(applyDifference(column('map of string to string'), old, difference)).toEqual(now)
      }),
    )
  })
})
