/**
 * Free text in a rule: comments and log prefixes. nft's text has no escapes within quotes, so a double quote
 * cannot be held at all. Control characters could be, but they would break the lines of a listing. A NUL or
 * half a surrogate pair is worse: nft takes JSON with one for no JSON at all, does nothing, and exits with 0.
 */
import { InvalidText } from './errors.ts'

/** In bytes of UTF-8. nft's text takes no more; its JSON dies of 254 ("Memory allocation failure"). */
export const LONGEST_COMMENT = 128

/** In bytes of UTF-8; the kernel has room for 128 with the closing NUL, and refuses one more. */
export const LONGEST_LOG_PREFIX = 127

// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing control characters is what it is for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/

/** Why a string cannot stand between nft's quotes, or undefined when it can. */
export function quotingProblem(text: string): string | undefined {
  if (!text.isWellFormed()) return 'has half a surrogate pair'
  if (CONTROL.test(text)) return 'has a control character'
  if (text.includes('"')) return "has a double quote, which nft's text cannot hold"
  return undefined
}

/** Throws InvalidText unless nft can hold the comment. */
export function checkComment(where: string, comment: string): void {
  const problem = quotingProblem(comment) ?? lengthProblem(comment, LONGEST_COMMENT)
  if (problem !== undefined) throw new InvalidText(`the comment of ${where}`, comment, problem)
}

/** Throws InvalidText unless nft can hold the prefix. A `$` would be taken for a variable in nft's text. */
export function checkLogPrefix(where: string, prefix: string): void {
  const problem =
    quotingProblem(prefix) ??
    lengthProblem(prefix, LONGEST_LOG_PREFIX) ??
    (prefix.includes('$') ? 'has a $, which nft takes for a variable' : undefined)
  if (problem !== undefined) throw new InvalidText(`the log prefix of ${where}`, prefix, problem)
}

function lengthProblem(text: string, most: number): string | undefined {
  const bytes = Buffer.byteLength(text)
  return bytes > most ? `has ${bytes} bytes, and nft holds ${most}` : undefined
}
