import fc from 'fast-check'
import protobuf from 'protobufjs/light.js'
import { expect, test } from 'vitest'
import {
  bool,
  int32,
  int64,
  type Message,
  message,
  nested,
  repeated,
  string,
  stringMap,
  strings,
  uint32,
  WireError,
} from '../../../../src/apply/netns/cri-wire.ts'

interface Inner {
  readonly text: string
  readonly count: number
}
interface Outer extends Inner {
  readonly truth: boolean
  readonly signed: number
  readonly long: bigint
  readonly one: Inner | undefined
  readonly many: readonly Inner[]
  readonly words: readonly string[]
  readonly map: ReadonlyMap<string, string>
}
const inner = message<Inner>({ text: string(1), count: uint32(200) })
const outer: Message<Outer> = message({
  text: string(1),
  count: uint32(2),
  truth: bool(3),
  signed: int32(4),
  long: int64(5),
  one: nested(6, inner),
  many: repeated(7, inner),
  words: strings(8),
  map: stringMap(9),
})

const stringToString: protobuf.IMapField = { keyType: 'string', type: 'string', id: 9 }
/** The same two messages for protobufjs, the reference. */
const reference = protobuf.Root.fromJSON({
  nested: {
    Inner: { fields: { text: { type: 'string', id: 1 }, count: { type: 'uint32', id: 200 } } },
    Outer: {
      fields: {
        text: { type: 'string', id: 1 },
        count: { type: 'uint32', id: 2 },
        truth: { type: 'bool', id: 3 },
        signed: { type: 'int32', id: 4 },
        long: { type: 'int64', id: 5 },
        one: { type: 'Inner', id: 6 },
        many: { rule: 'repeated', type: 'Inner', id: 7 },
        words: { rule: 'repeated', type: 'string', id: 8 },
        map: stringToString,
        unknownFixed64: { type: 'fixed64', id: 900 },
        unknownFixed32: { type: 'fixed32', id: 901 },
        unknownText: { type: 'string', id: 902 },
        unknownNumber: { type: 'uint64', id: 903 },
      },
    },
  },
}).lookupType('Outer')

const anyInner = fc.record({ text: fc.string({ unit: 'binary' }), count: fc.nat(2 ** 32 - 1) })
const anyOuter: fc.Arbitrary<Outer> = fc.record({
  text: fc.string({ unit: 'grapheme' }),
  count: fc.nat(2 ** 32 - 1),
  truth: fc.boolean(),
  signed: fc.integer(),
  long: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  one: fc.option(anyInner, { nil: undefined }),
  many: fc.array(anyInner),
  words: fc.array(fc.string()),
  map: fc.array(fc.tuple(fc.string(), fc.string())).map((entries) => new Map(entries)),
})

/** A message as protobufjs takes it, `int64` as text. */
function plain(value: Outer): Record<string, unknown> {
  return { ...value, long: String(value.long), map: Object.fromEntries(value.map) }
}

test('what is encoded here, protobufjs reads the same', () => {
  fc.assert(
    fc.property(anyOuter, (value) => {
      const read = reference.decode(outer.encode(value))
      const object = reference.toObject(read, { longs: String, defaults: true })
      expect(object).toMatchObject({ ...plain(value), one: value.one ?? null })
    }),
  )
})

test('what protobufjs encodes, with fields not described here, is read the same', () => {
  const unknown = { unknownFixed64: '1', unknownFixed32: 2, unknownText: 'new', unknownNumber: '3' }
  fc.assert(
    fc.property(anyOuter, (value) => {
      const bytes = reference.encode(reference.fromObject({ ...plain(value), ...unknown })).finish()
      expect(outer.decode(bytes)).toEqual(value)
    }),
  )
})

test('a message cut short throws, or is one that ends between two fields', () => {
  fc.assert(
    fc.property(anyOuter, fc.nat(), (value, at) => {
      const bytes = outer.encode(value)
      try {
        outer.decode(bytes.subarray(0, at % (bytes.length + 1)))
      } catch (error) {
        expect(error).toBeInstanceOf(WireError)
      }
    }),
  )
})

test.each([
  ['a number that never ends', [0x10, ...Array(11).fill(0xff)], 'a number of more than ten bytes'],
  ['a number cut short', [0x10, 0x80], 'the message ends within a number'],
  ['text cut short', [0x0a, 5, 65], 'the message ends before the 5 bytes it announces'],
  ['text where a number belongs', [0x12, 0], 'field 2 is bytes, not a number'],
  ['a number where text belongs', [0x08, 1], 'a number where text or a message belongs'],
  ['a group', [0x0b], 'field 1 has wire type 3, which no message uses'],
])('%s is a WireError', (_, bytes, says) => {
  expect(() => outer.decode(Uint8Array.from(bytes))).toThrow(new WireError(says))
})
