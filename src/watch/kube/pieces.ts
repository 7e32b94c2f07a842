/**
 * Bytes of one document that arrive in pieces, put together once and at the end: joining them at each piece
 * would take time in the square of their number, and decoding them one by one would break characters.
 */
import { decodeUtf8, Malformed } from './malformed.ts'

export class Pieces {
  readonly #what: string
  readonly #maxBytes: number
  #pieces: Uint8Array[] = []
  #bytes = 0

  /** `what` names the document in errors, such as `a line of the watch`. */
  constructor(what: string, maxBytes: number) {
    this.#what = what
    this.#maxBytes = maxBytes
  }

  get empty(): boolean {
    return this.#bytes === 0
  }

  /** @throws {Malformed} where there are more bytes than a real document has. */
  add(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#bytes += bytes.length
    if (this.#bytes > this.#maxBytes)
      throw new Malformed(`${this.#what} is longer than ${this.#maxBytes} bytes`)
    this.#pieces.push(bytes)
  }

  /**
   * The text so far, and empty again.
   *
   * @throws {Malformed} where the bytes are no UTF-8.
   */
  take(): string {
    const text = decodeUtf8(this.#joined(), this.#what)
    this.#pieces = []
    this.#bytes = 0
    return text
  }

  endsWith(pattern: RegExp): boolean {
    return pattern.test(Buffer.from(this.#joined()).toString('latin1'))
  }

  #joined(): Uint8Array {
    const [only] = this.#pieces
    return this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces)
  }
}
