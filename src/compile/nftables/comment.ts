/** Comments in nft's rules: names of tenants' objects, cut to what nft holds. */
import { createHash } from 'node:crypto'

/** nft keeps at most 127 bytes of a comment. */
export const MAX_COMMENT = 127

/** A name with what follows it, shortened to what a comment holds so that two names never look alike. */
export function fitComment(name: string, rest: string): string {
  const room = MAX_COMMENT - rest.length
  return name.length <= room ? `${name}${rest}` : markComment(name, name, rest)
}

/** As much of the shown name as fits, with a mark that tells the meant one from all others. */
export function markComment(shown: string, meant: string, rest: string): string {
  const mark = `~${createHash('sha256').update(meant).digest('hex').slice(0, 12)}`
  return `${shown.slice(0, MAX_COMMENT - rest.length - mark.length)}${mark}${rest}`
}
