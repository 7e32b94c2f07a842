/** A rule file's text, read within bounds: the path may lead to anything, such as a device or a pipe. */
import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { MOST_BYTES } from '../../compile/custom/lines.ts'

export type FileText =
  | { readonly kind: 'text'; readonly text: string }
  /** It is there, and too much of it. */
  | { readonly kind: 'too-big'; readonly bytes: number }
  | { readonly kind: 'unreadable'; readonly reason: string }

/** Never rejects. */
export async function readRuleFile(path: string): Promise<FileText> {
  try {
    // Without waiting, since opening a pipe would wait for its writer.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const found = await file.stat()
    if (!found.isFile()) return { kind: 'unreadable', reason: 'is no regular file' }
    if (found.size > MOST_BYTES) return { kind: 'too-big', bytes: found.size }
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_BYTES + 1), 0, MOST_BYTES + 1, 0)
    if (bytesRead > MOST_BYTES) return { kind: 'too-big', bytes: bytesRead }
    return { kind: 'text', text: buffer.toString('utf8', 0, bytesRead) }
  } catch (error) {
    return { kind: 'unreadable', reason: `cannot be read: ${error instanceof Error ? error.message : error}` }
  }
}

/** Differs when the file behind the path, or its content, may have changed; undefined where there is none. */
export async function signatureOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  return found && [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join()
}
