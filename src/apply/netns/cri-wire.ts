/**
 * Protocol Buffers' wire format, as much of it as the CRI messages need.
 *
 * Measured resident memory on Node 24, over the bare process: `@grpc/grpc-js` 15 MiB, with
 * `@grpc/proto-loader` 25 MiB, with `protobufjs/light` 24 MiB. The daemon's DaemonSet is held to
 * 150 MiB and asks four questions of a runtime, so the messages are described here and a schema
 * compiler is not loaded. The tests hold this file against protobufjs.
 *
 * A field that is not described is skipped, whatever it holds, so a newer runtime can say more.
 * A field at its default is not written, except for a message, whose presence means something.
 */

/** One kind of message: `encode` and `decode` are each other's inverse for the fields described. */
export interface Message<T> {
  encode(value: T): Uint8Array
  /** @throws WireError when the bytes are no message, end early, or hold a described field of another type. */
  decode(bytes: Uint8Array): T
}

/** How one member of `T` stands on the wire. */
export interface Field<T> {
  readonly number: number
  /** What a message without the field holds. */
  readonly absent: T
  /** The occurrences to write: none for the default, one for each element of a list. */
  put(value: T): readonly Payload[]
  /** What the field is once `payload` has been read, having been `before`. */
  take(payload: Payload, before: T): T
}

export type Payload = { readonly kind: 'varint'; readonly value: bigint } | Delimited
type Delimited = { readonly kind: 'bytes'; readonly value: Uint8Array }

/** Bytes that are not the message that was expected. */
export class WireError extends Error {
  override readonly name = 'WireError'
}

/** Describes a message by its members: `message<Filter>({ id: string(1), state: nested(2, StateValue) })`. */
export function message<T extends object>(fields: { readonly [K in keyof T]-?: Field<T[K]> }): Message<T> {
  const described = Object.entries<Field<unknown>>(fields)
  const byNumber = new Map(described.map((entry) => [entry[1].number, entry]))
  return {
    encode(value) {
      const bytes: number[] = []
      for (const [name, field] of described) {
        for (const payload of field.put(value[name as keyof T])) write(bytes, field.number, payload)
      }
      return Uint8Array.from(bytes)
    },
    decode(bytes) {
      const value = Object.fromEntries(described.map(([name, field]) => [name, field.absent]))
      for (const [number, payload] of occurrences(bytes)) {
        const entry = byNumber.get(number)
        if (entry !== undefined) value[entry[0]] = entry[1].take(payload, value[entry[0]])
      }
      return value as T
    },
  }
}

export function string(number: number): Field<string> {
  return {
    number,
    absent: '',
    put: (value) => (value === '' ? [] : [{ kind: 'bytes', value: Buffer.from(value) }]),
    take: (payload) => text(bytesOf(payload)),
  }
}

export function bool(number: number): Field<boolean> {
  return scalar(number, false, BigInt, (value) => value !== 0n)
}

/** `int32`, and every enum. */
export function int32(number: number): Field<number> {
  return scalar(number, 0, BigInt, (value) => Number(BigInt.asIntN(32, value)))
}

export function uint32(number: number): Field<number> {
  return scalar(number, 0, BigInt, (value) => Number(BigInt.asUintN(32, value)))
}

export function int64(number: number): Field<bigint> {
  return scalar(number, 0n, BigInt, (value) => BigInt.asIntN(64, value))
}

/** A message within the message. Told twice, the last one holds: no runtime splits one in two. */
export function nested<T>(number: number, inner: Message<T>): Field<T | undefined> {
  return {
    number,
    absent: undefined,
    put: (value) => (value === undefined ? [] : [{ kind: 'bytes', value: inner.encode(value) }]),
    take: (payload) => inner.decode(bytesOf(payload)),
  }
}

export function repeated<T>(number: number, inner: Message<T>): Field<readonly T[]> {
  return {
    number,
    absent: [],
    put: (values) => values.map((value) => ({ kind: 'bytes', value: inner.encode(value) })),
    take: (payload, before) => [...before, inner.decode(bytesOf(payload))],
  }
}

export function strings(number: number): Field<readonly string[]> {
  return {
    number,
    absent: [],
    put: (values) => values.map((value) => ({ kind: 'bytes', value: Buffer.from(value) })),
    take: (payload, before) => [...before, text(bytesOf(payload))],
  }
}

/** `map<string, string>`: on the wire a list of messages `{ key = 1; value = 2 }`. */
export function stringMap(number: number): Field<ReadonlyMap<string, string>> {
  const entry = message<{ key: string; value: string }>({ key: string(1), value: string(2) })
  const entries = repeated(number, entry)
  return {
    number,
    absent: new Map(),
    put: (map) => entries.put([...map].map(([key, value]) => ({ key, value }))),
    take: (payload, before) => {
      const { key, value } = entry.decode(bytesOf(payload))
      return new Map(before).set(key, value)
    },
  }
}

function scalar<T extends boolean | number | bigint>(
  number: number,
  absent: T,
  toWire: (value: T) => bigint,
  fromWire: (value: bigint) => T,
): Field<T> {
  return {
    number,
    absent,
    put: (value) => (value === absent ? [] : [{ kind: 'varint', value: toWire(value) }]),
    take: (payload) => {
      if (payload.kind !== 'varint') throw new WireError(`field ${number} is ${payload.kind}, not a number`)
      return fromWire(payload.value)
    },
  }
}

function write(bytes: number[], number: number, payload: Payload): void {
  if (payload.kind === 'varint') {
    writeVarint(bytes, BigInt(number) << 3n)
    writeVarint(bytes, BigInt.asUintN(64, payload.value))
  } else {
    writeVarint(bytes, (BigInt(number) << 3n) | 2n)
    writeVarint(bytes, BigInt(payload.value.length))
    for (const byte of payload.value) bytes.push(byte)
  }
}

function writeVarint(bytes: number[], value: bigint): void {
  let rest = value
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
}

/** Every field of a message in order; what has a fixed width is passed over, since no CRI field has one. */
function* occurrences(bytes: Uint8Array): Generator<readonly [number: number, payload: Payload]> {
  let at = 0
  function varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw new WireError('the message ends within a number')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new WireError('a number of more than ten bytes')
  }
  function take(length: number): Uint8Array {
    if (length > bytes.length - at)
      throw new WireError(`the message ends before the ${length} bytes it announces`)
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = varint()
    const number = Number(tag >> 3n)
    const type = Number(tag & 7n)
    if (type === 0) yield [number, { kind: 'varint', value: varint() }]
    else if (type === 2) yield [number, { kind: 'bytes', value: take(Number(varint())) }]
    else if (type === 1) take(8)
    else if (type === 5) take(4)
    else throw new WireError(`field ${number} has wire type ${type}, which no message uses`)
  }
}

function bytesOf(payload: Payload): Uint8Array {
  if (payload.kind === 'bytes') return payload.value
  throw new WireError('a number where text or a message belongs')
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
