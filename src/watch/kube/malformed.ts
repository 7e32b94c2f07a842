/**
 * Thrown by the two readers of bytes, list and watch, where the server (or what answers in its place) sends
 * something else than it promised; caught by those who drive them and turned into a failure to report.
 */
export class Malformed extends Error {
  override readonly name = 'Malformed'
}

/** The first characters of what came instead, for a message: enough to recognise a proxy's error page. */
export function excerpt(bytes: Uint8Array | string): string {
  const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes.subarray(0, 200)).toString('utf8')
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 80 ? `${line.slice(0, 80)}…` : line
}

/** @throws {Malformed} where the text is no JSON. */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Malformed(`${what} is not JSON: ${excerpt(text)}`)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws {Malformed} where the bytes are no UTF-8. */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new Malformed(`${what} is not UTF-8`)
  }
}
