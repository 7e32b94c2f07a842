/** The list reader against JSON.parse, on lists of every shape, cut into chunks everywhere. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ListMetadata, ListReader } from '../../../../src/watch/kube/list-items.ts'

function read(bytes: Uint8Array, cuts: readonly number[]): { items: unknown[]; metadata: ListMetadata } {
  const items: unknown[] = []
  const reader = new ListReader((item) => items.push(item), 1_000_000)
  const bounds = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  bounds.slice(1).forEach((end, at) => {
    reader.push(bytes.subarray(bounds[at], end))
  })
  return { items, metadata: reader.end() }
}

const tricky = fc.constantFrom(
  'items',
  '"items":[',
  '{"items":[',
  '\\',
  '"',
  ']',
  '}',
  '[{',
  ' ',
  'ü𝄞',
  '\\"items\\":[',
)
/**
 * With no backslash: where keys differ only in what is escaped, the JSON.parse of V8 13.6 may take one for the
 * other (`{"x\\":0}` and then `{"x\"":0}` gives the key `x\` twice). No label or annotation can have one.
 */
const key = fc.oneof(fc.string(), tricky).filter((name) => !name.includes('\\'))
const value = fc.oneof(
  fc.string(),
  tricky,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constant(null),
)
const item = fc.dictionary(
  key,
  fc.oneof(value, fc.array(value), fc.dictionary(key, value, { noNullPrototype: true })),
  { noNullPrototype: true },
)
const around = fc.dictionary(
  key.filter((name) => !['items', 'kind', 'metadata', '__proto__'].includes(name)),
  fc.oneof(tricky, fc.array(tricky), fc.record({ items: fc.array(tricky) })),
  { noNullPrototype: true },
)

test('any list, in any order of its fields and cut anywhere, is read as JSON.parse reads it', () => {
  const list = fc.record({
    before: around,
    after: around,
    items: fc.array(item),
    metadataFirst: fc.boolean(),
    indent: fc.constantFrom(0, 2),
    cuts: fc.array(fc.nat(), { maxLength: 20 }),
  })
  fc.assert(
    fc.property(list, ({ before, after, items, metadataFirst, indent, cuts }) => {
      const metadata = { metadata: { resourceVersion: '7', continue: 'more', items: [{}] } }
      const value = metadataFirst
        ? { kind: 'XList', ...before, ...metadata, items, ...after }
        : { ...before, items, ...after, ...metadata, kind: 'XList' }
      const text = JSON.stringify(value, undefined, indent)
      const result = read(Buffer.from(text), cuts)
      expect(result.items).toEqual((JSON.parse(text) as { items: unknown[] }).items)
      expect(result.metadata).toEqual({ resourceVersion: '7', continue: 'more' })
    }),
  )
})

test.each([
  '{"kind":"XList","metadata":{"resourceVersion":"7"},"items":null}',
  ' {"kind":"XList","metadata":{"resourceVersion":"7"}}\n',
])('a list without items is an empty one: %s', (text) => {
  expect(read(Buffer.from(text), [1])).toEqual({ items: [], metadata: { resourceVersion: '7' } })
})

test('whatever comes in its place is refused, and never taken for a list', () => {
  const junk = fc.oneof(
    fc.uint8Array(),
    fc.string().map((text) => Buffer.from(text)),
    fc.json().map((text) => Buffer.from(text)),
  )
  fc.assert(
    fc.property(junk, fc.array(fc.nat(), { maxLength: 5 }), (bytes, cuts) => {
      expect(() => read(bytes, cuts)).toThrow(expect.objectContaining({ name: 'Malformed' }))
    }),
  )
})
