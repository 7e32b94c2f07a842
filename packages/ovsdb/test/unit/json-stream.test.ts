import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonStream, ProtocolError } from '../../src/json-stream.ts'

const read = (stream: JsonStream, chunks: readonly Uint8Array[]): readonly unknown[] =>
  chunks.flatMap((chunk) => [...stream.messages(chunk)])

const object = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ stringUnit: 'binary' }))

describe('messages back to back', () => {
  test('two in one chunk, white space between', () => {
    const chunk = Buffer.from('{"id":0,"result":[],"error":null} \n{"method":"echo"}')
    expect(read(new JsonStream(), [chunk])).toEqual([{ id: 0, result: [], error: null }, { method: 'echo' }])
  })

  test('brackets and quotes in strings are text', () => {
    const message = { match: 'outport == "@pg" && ip4.src == {$as} \\', '}': ['"]'] }
    expect(read(new JsonStream(), [Buffer.from(JSON.stringify(message))])).toEqual([message])
  })

  test('any objects, cut at any bytes, also within a character', () => {
    fc.assert(
      fc.property(fc.array(object), fc.array(fc.nat()), fc.boolean(), (objects, cuts, spaced) => {
        const bytes = Buffer.from(objects.map((value) => JSON.stringify(value)).join(spaced ? '\r\n\t ' : ''))
        const places = cuts
          .map((cut) => (bytes.length === 0 ? 0 : cut % bytes.length))
          .toSorted((a, b) => a - b)
        const chunks = [0, ...places].map((start, n) => bytes.subarray(start, places[n] ?? bytes.length))
        const expected = objects.map((value): unknown => JSON.parse(JSON.stringify(value)))
        expect(read(new JsonStream(), chunks)).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })

  test('every byte a chunk of its own', () => {
    const bytes = Buffer.from('{"a":"ж𝄞\\u0000"}{"b":[1,{"c":{}}]}')
    const chunks = [...bytes].map((byte) => Uint8Array.of(byte))
    expect(read(new JsonStream(), chunks)).toEqual([{ a: 'ж𝄞\0' }, { b: [1, { c: {} }] }])
  })
})

describe('what is no message', () => {
  test.each([
    ['another protocol', 'HTTP/1.1 400 Bad Request', /begins with byte 0x48/],
    ['a TLS alert', '\x15\x03\x01\x00\x02\x02\x46', /begins with byte 0x15/],
    ['a list', '[]', /begins with byte 0x5b/],
    ['brackets that do not match', '{"a":[}]', /no JSON/],
    ['too many closed', '{}}', /begins with byte 0x7d/],
  ])('%s', (_name, text, reason) => {
    expect(() => read(new JsonStream(), [Buffer.from(text, 'latin1')])).toThrow(reason)
  })

  test('bytes that are no UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('{"a":"'), Uint8Array.of(0xc3, 0x28), Buffer.from('"}')])
    expect(() => read(new JsonStream(), [bytes])).toThrow(ProtocolError)
  })

  test('a message over the limit, before all of it has come', () => {
    const stream = new JsonStream(10)
    expect(read(stream, [Buffer.from('{"a":12345')])).toEqual([])
    expect(() => read(stream, [Buffer.from('6')])).toThrow('longer than 10 bytes')
  })

  test('good messages before it are read', () => {
    const seen: unknown[] = []
    const chunk = Buffer.from('{"id":1}garbage')
    expect(() => {
      for (const message of new JsonStream().messages(chunk)) seen.push(message)
    }).toThrow(ProtocolError)
    expect(seen).toEqual([{ id: 1 }])
  })

  test('any bytes either are messages or end with a ProtocolError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          read(new JsonStream(), [bytes])
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
    )
  })
})
