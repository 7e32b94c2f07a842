/**
 * The framing of OVSDB (RFC 7047, section 4): JSON objects back to back, with no separator that could be relied
 * on. The end of a message is where its brackets close. Brackets, quotes and backslashes are single bytes that
 * never occur inside a longer UTF-8 sequence, so bytes can be counted before they are decoded, and it does not
 * matter where a chunk ends.
 */
import type { Json } from './json.ts'

/** What came is no message of this protocol. Nothing after it can be trusted: the connection is to be closed. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** A first copy of a large database comes as one message; V8 has no strings over 512 MiB. */
export const DEFAULT_MESSAGE_LIMIT: number = 256 * 1024 * 1024

export class JsonStream {
  readonly #limit: number
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  #parts: Uint8Array[] = []
  #size = 0
  #depth = 0
  #inString = false
  #escaped = false

  /** `limit`: the most bytes of one message. */
  constructor(limit: number = DEFAULT_MESSAGE_LIMIT) {
    this.#limit = limit
  }

  /**
   * The messages that the chunk completes, each as soon as its last byte is seen. Throws ProtocolError, after the
   * messages that came before. The chunk is kept until then, so nobody may write to it.
   */
  *messages(chunk: Uint8Array): Generator<Json, void, undefined> {
    let start = 0
    while (start < chunk.length) {
      if (this.#depth === 0) {
        start = beginning(chunk, start)
        if (start === chunk.length) return
      }
      const end = this.#scan(chunk, start)
      this.#keep(chunk.subarray(start, end))
      if (this.#depth === 0) yield this.#parse()
      start = end
    }
  }

  /** Counts brackets up to the end of a message or of the chunk, and returns the place after it. */
  #scan(chunk: Uint8Array, start: number): number {
    let [depth, inString, escaped] = [this.#depth, this.#inString, this.#escaped]
    let at = start
    while (at < chunk.length) {
      const byte = chunk[at++]
      if (inString) {
        if (escaped) escaped = false
        else if (byte === BACKSLASH) escaped = true
        else if (byte === QUOTE) inString = false
      } else if (byte === QUOTE) inString = true
      else if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth += 1
      else if ((byte === CLOSE_OBJECT || byte === CLOSE_LIST) && --depth === 0) break
    }
    this.#depth = depth
    this.#inString = inString
    this.#escaped = escaped
    return at
  }

  #keep(part: Uint8Array): void {
    this.#size += part.length
    if (this.#size > this.#limit) throw new ProtocolError(`a message is longer than ${this.#limit} bytes`)
    this.#parts.push(part)
  }

  #parse(): Json {
    const bytes = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts, this.#size)
    this.#parts = []
    this.#size = 0
    try {
      const value: Json = JSON.parse(this.#decoder.decode(bytes))
      return value
    } catch (error) {
      throw new ProtocolError(
        `a message is no JSON: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const WHITE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])

/** Where the next message begins. Every message is an object, so anything else is seen at its first byte. */
function beginning(chunk: Uint8Array, start: number): number {
  let at = start
  while (at < chunk.length && WHITE.has(chunk[at] ?? 0)) at += 1
  const byte = chunk[at]
  if (byte === undefined || byte === OPEN_OBJECT) return at
  throw new ProtocolError(`a message begins with byte 0x${byte.toString(16).padStart(2, '0')}, not with "{"`)
}
