/**
 * What nft takes as a name. The kernel takes any bytes and so does nft's JSON, even an empty name, a blank or
 * a line break; nft's text does not. The rules here are the text's, so that whatever a transaction holds can
 * always be printed, listed and loaded again.
 */
import { InvalidName } from './errors.ts'
import { RESERVED_WORDS } from './reserved.ts'

/** In bytes; the kernel's NFT_NAME_MAXLEN is 256 with the closing NUL, and it refuses one more. */
export const LONGEST_NAME = 255

const NAME = /^[A-Za-z][A-Za-z0-9/_.-]*$/

/** Why nft cannot take that name, or undefined when it can. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (name.length > LONGEST_NAME) return `it has more than ${LONGEST_NAME} characters`
  if (!NAME.test(name)) return 'only a letter, then letters, digits and / _ . - are possible'
  if (RESERVED_WORDS.has(name)) return "it is a word of nft's language"
  return undefined
}

/** Throws InvalidName unless nft takes the name of a table, chain, set, map or counter in text and in JSON. */
export function checkName(name: string): void {
  const problem = nameProblem(name)
  if (problem !== undefined) throw new InvalidName(name, problem)
}
