/** Comments in nft's rules: names of tenants' objects, cut to what nft holds. */
import { createHash } from 'node:crypto'

/** nft keeps at most 127 bytes of a comment. */
const MAX_COMMENT = 127

/** A name with what follows it, shortened to what a comment holds so that two names never look alike. */
export function fitComment(name: string, rest: string): string {
  const room = MAX_COMMENT - rest.length
  if (name.length <= room) return `${name}${rest}`
  const mark = `~${createHash('sha256').update(name).digest('hex').slice(0, 12)}`
  return `${name.slice(0, room - mark.length)}${mark}${rest}`
}
