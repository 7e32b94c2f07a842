/**
 * `metadata.managedFields` cut out of an object's text before it is parsed. It is three quarters of what metadata alone
 * comes to, the API server cannot be told to leave it out, and nobody here reads it: parsed, it would be most of the work
 * and of the garbage of a list.
 *
 *     {"metadata":{"name":"a","managedFields":[{…}]}}   →   {"metadata":{"name":"a","managedFields":[]}}
 */

/** A quote within a JSON string has a backslash before it, so no string can look like this: it is a key. */
const KEY = '"managedFields":['

const quote = 0x22
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d

/** The text as it is where there is no such list, where it is spelled with blanks, or where it does not end. */
export function withoutManagedFields(text: string): string {
  const at = text.indexOf(KEY)
  if (at < 0) return text
  const from = at + KEY.length
  const end = endOfList(text, from)
  return end < 0 ? text : text.slice(0, from) + text.slice(end)
}

/** Where the bracket stands that closes the list which `from` is in. */
function endOfList(text: string, from: number): number {
  let depth = 1
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      at = endOfString(text, at)
      if (at < 0) return -1
    } else if (code === openBracket) depth++
    else if (code === closeBracket && --depth === 0) return at
  }
  return -1
}

/** Where the quote stands that ends the string which starts at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes++
    if (slashes % 2 === 0) return end
  }
  return -1
}
