/**
 * Reads a list's body object by object. The API server may answer with a whole cluster's pods in one body (it
 * ignores `limit` where it answers from its watch cache), some 50 MB for 10,000 pods, and parsing that at once
 * takes several times as much. So the body is not parsed: its bytes are followed only as far as to know where
 * each element of `items` starts and ends, and one element at a time is parsed and handed on. What stands
 * around the elements, in whatever order (built-in kinds put `metadata` first, custom ones last), is kept and
 * parsed at the end:
 *
 *     {"kind":"PodList","metadata":{"resourceVersion":"7"},"items":[ {…} , {…} ]}
 *     ╰────────────────────────── around ──────────────────────────╯ item  item ╰╯
 */
import { excerpt, Malformed, parseJson } from './malformed.ts'
import { Pieces } from './pieces.ts'

export interface ListMetadata {
  readonly resourceVersion: string
  /** Set while there is another page. */
  readonly continue?: string
  /** How many objects follow this page, where the server counts them: it does for a list without selectors. */
  readonly remaining?: number
}

const quote = 0x22
const comma = 0x2c
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d
const space = 0x20

/** What is left of a list without its items; real ones have less than a kilobyte. */
const maxAroundBytes = 1024 * 1024

/** How many brackets are open between two items: the list's own and the array's. */
const betweenItems = 2

export class ListReader {
  readonly #onItem: (item: unknown) => void
  readonly #shorten: (text: string) => string
  readonly #around: Pieces = new Pieces('a list without its items', maxAroundBytes)
  readonly #item: Pieces
  #started = false
  #depth = 0
  #inString = false
  #escaped = false
  #inItems = false

  /** @param shorten leaves out of an object's text what need not be parsed */
  constructor(
    onItem: (item: unknown) => void,
    maxItemBytes: number,
    shorten: (text: string) => string = (text) => text,
  ) {
    this.#onItem = onItem
    this.#shorten = shorten
    this.#item = new Pieces('an object of the list', maxItemBytes)
  }

  /** @throws {Malformed} as soon as this cannot be a list any more. */
  push(chunk: Uint8Array): void {
    // What was not yet put aside starts here.
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? space
      if (this.#inString) this.#withinString(byte)
      else if (byte === openBrace || byte === openBracket) from = this.#open(chunk, from, at)
      else if (byte === closeBrace || byte === closeBracket) from = this.#close(chunk, from, at)
      else if (byte > space && byte !== comma) {
        if (this.#depth === 0 || this.#isBetween()) throw notList(chunk, at)
        this.#inString = byte === quote
      }
    }
    this.#keep(chunk.subarray(from))
  }

  /** @throws {Malformed} where the body was no whole list, or one that nothing can be watched from. */
  end(): ListMetadata {
    if (this.#depth !== 0 || !this.#started) throw new Malformed('the list ends before it is whole')
    const list = parseJson(this.#around.take(), 'the list') as Partial<Record<string, unknown>>
    if (typeof list['kind'] !== 'string' || !list['kind'].endsWith('List')) {
      throw new Malformed(`a list was asked for, this is a ${String(list['kind'])}`)
    }
    const {
      resourceVersion,
      continue: token,
      remainingItemCount: remaining,
    } = (list['metadata'] ?? {}) as Partial<Record<string, unknown>>
    if (typeof resourceVersion !== 'string' || resourceVersion === '') {
      throw new Malformed('the list has no resourceVersion')
    }
    return {
      resourceVersion,
      ...(typeof token === 'string' && token !== '' && { continue: token }),
      ...(typeof remaining === 'number' && { remaining }),
    }
  }

  #isBetween(): boolean {
    return this.#inItems && this.#depth === betweenItems
  }

  #withinString(byte: number): void {
    if (this.#escaped) this.#escaped = false
    else if (byte === backslash) this.#escaped = true
    else if (byte === quote) this.#inString = false
  }

  /** Both of these return where what is not yet put aside starts. */
  #open(chunk: Uint8Array, from: number, at: number): number {
    if (this.#depth === 0 && (chunk[at] === openBracket || this.#started)) throw notList(chunk, at)
    this.#started = true
    const startsItem = this.#isBetween()
    this.#depth++
    if (startsItem) return at
    if (this.#inItems || this.#depth !== betweenItems || chunk[at] === openBrace) return from
    this.#around.add(chunk.subarray(from, at + 1))
    // Escaped quotes have a backslash before them, so that no string can look like this.
    this.#inItems = this.#around.endsWith(/[{,]\s*"items"\s*:\s*\[$/)
    return at + 1
  }

  #close(chunk: Uint8Array, from: number, at: number): number {
    if (this.#depth === 0) throw notList(chunk, at)
    const endsItems = this.#isBetween()
    this.#depth--
    if (endsItems) {
      this.#inItems = false
      return at
    }
    if (this.#depth === 0) {
      this.#around.add(chunk.subarray(from, at + 1))
      return at + 1
    }
    if (!this.#isBetween()) return from
    this.#item.add(chunk.subarray(from, at + 1))
    this.#onItem(parseJson(this.#shorten(this.#item.take()), 'an object of the list'))
    return at + 1
  }

  /** The rest of a chunk belongs to what is being read; between items there is nothing to keep. */
  #keep(rest: Uint8Array): void {
    if (!this.#inItems) this.#around.add(rest)
    else if (this.#depth > betweenItems) this.#item.add(rest)
  }
}

function notList(chunk: Uint8Array, at: number): Malformed {
  return new Malformed(`this is no list of objects: ${excerpt(chunk.subarray(at))}`)
}
