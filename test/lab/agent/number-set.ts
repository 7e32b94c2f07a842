/**
 * A set of the numbers of packets, a bit each: a stream of thousands of packets a second is kept for minutes, and told
 * as ranges, of which there are few as long as all is well.
 */
import type { NumberRange } from '../protocol.ts'

export class NumberSet {
  #bits = new Uint8Array(1 << 16)

  add(number: number): void {
    const byte = number >>> 3
    if (byte >= this.#bits.length) this.#grow(byte)
    this.#bits[byte] = (this.#bits[byte] ?? 0) | (1 << (number & 7))
  }

  has(number: number): boolean {
    return ((this.#bits[number >>> 3] ?? 0) & (1 << (number & 7))) !== 0
  }

  /** The members from one number up to, and without, another, as ranges of the same kind. */
  ranges(from: number, to: number): NumberRange[] {
    const ranges: [number, number][] = []
    for (let number = from; number < to; number++) {
      if (!this.has(number)) continue
      const last = ranges.at(-1)
      if (last?.[1] === number) last[1] = number + 1
      else ranges.push([number, number + 1])
    }
    return ranges
  }

  #grow(byte: number): void {
    const bits = new Uint8Array(Math.max(byte + 1, this.#bits.length * 2))
    bits.set(this.#bits)
    this.#bits = bits
  }
}
