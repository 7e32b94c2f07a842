/**
 * A watch's body, cut into lines: the API server sends one JSON document a line, and the chunks it arrives in
 * know nothing of lines, or of where a character ends. Lines are cut as bytes, which is safe because no part of
 * a longer UTF-8 sequence equals a line break.
 */
import { Malformed, parseJson } from './malformed.ts'
import { Pieces } from './pieces.ts'

const lineBreak = 0x0a

/**
 * The documents in order, each as soon as its line is whole. Empty lines mean nothing.
 *
 * @throws {Malformed} for a line that is no UTF-8, no JSON or longer than `maxBytes`, and for a body that ends
 *   within a line; besides that, what the body throws.
 */
export async function* watchLines(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  shorten: (text: string) => string = (text) => text,
): AsyncGenerator<unknown, void, undefined> {
  const line = new Pieces('a line of the watch', maxBytes)
  for await (const chunk of body) {
    let from = 0
    for (let end = chunk.indexOf(lineBreak); end !== -1; end = chunk.indexOf(lineBreak, from)) {
      line.add(chunk.subarray(from, end))
      from = end + 1
      const text = line.take()
      if (text.trim() !== '') yield parseJson(shorten(text), 'a line of the watch')
    }
    line.add(chunk.subarray(from))
  }
  if (!line.empty) throw new Malformed('the watch ended within a line')
}
