/** What tells printed texts apart. */
import { createHash } from 'node:crypto'

/** 32 hex digits of the text's SHA-256. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
