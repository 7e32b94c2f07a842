/**
 * The files of the manifests directory as they stand: read when they change, kept when they break. They are read at once and
 * not by threads, which takes a tenth of the time: a look is a dozen calls, and each way to a thread and back as long as ten.
 * The directory is taken to be on a disk of this machine; where its file system hangs the daemon waits.
 *
 * A file that is written in place is empty or cut short for a moment, and what is read then could take a policy away.
 * So a file counts once it has stood unchanged for a while; one that was moved over its predecessor is whole at once.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import type { ClusterObject, Issue } from '../../compile/model.ts'
import { fileIssue, parseManifest } from './file.ts'

/** How long a file must stand unchanged after a write in place, in ms. */
export const SETTLE_MS = 20

/** The same for a file that is empty: somebody has opened it and is about to write, or means it. */
const EMPTY_SETTLE_MS = 1_000

/** The same for a file that was written in place and has fewer objects than it had: the rest may be on its way. */
const SHRUNK_SETTLE_MS = 500

/** Beyond this a file is no manifest that we would want to hold in memory. */
const MAX_FILE_BYTES = 64 * 1024 * 1024

/** A file whose content is in force. */
interface KnownFile {
  /** False until the file has parsed once. */
  readonly good: boolean
  readonly stamp: string
  readonly inode: bigint
  readonly objects: readonly ClusterObject[]
  readonly issues: readonly Issue[]
}

type Refreshed =
  | { readonly kind: 'known'; readonly file: KnownFile }
  /** Still being written: look again in SETTLE_MS. */
  | { readonly kind: 'unsettled' }
  | { readonly kind: 'unreadable'; readonly issue: Issue }

export interface Scan {
  /** In the order of the files' names. */
  readonly files: readonly { readonly path: string; readonly objects: readonly ClusterObject[] }[]
  readonly issues: readonly Issue[]
  readonly unsettled: boolean
  /** A file of the first scan has never parsed since, so that it is not known what it holds. */
  readonly incomplete: boolean
}

export class ManifestDirectory {
  readonly #path: string
  readonly #node: string
  readonly #clock: Clock
  readonly #known = new Map<string, KnownFile>()
  /** Files of the first scan that have not parsed yet. */
  #unread: Set<string> | undefined

  /** @param node the node that pods without `spec.nodeName` are on: this one. */
  constructor(path: string, node: string, clock: Clock) {
    this.#path = path
    this.#node = node
    this.#clock = clock
  }

  /** Reads what changed since the last scan. Throws only where the directory itself cannot be listed. */
  async scan(): Promise<Scan> {
    const names = readdirSync(this.#path)
      .filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name))
      .sort()
    const paths = names.map((name) => join(this.#path, name))
    for (const path of this.#known.keys()) if (!paths.includes(path)) this.#known.delete(path)
    this.#unread ??= new Set(paths)
    const issues: Issue[] = []
    let unsettled = false
    for (const path of paths) {
      const refreshed = await this.#refresh(path)
      if (refreshed.kind === 'known') this.#known.set(path, refreshed.file)
      if (refreshed.kind === 'unreadable') issues.push(refreshed.issue)
      if (refreshed.kind === 'unsettled') unsettled = true
    }
    const files = paths.flatMap((path) => {
      const file = this.#known.get(path)
      for (const issue of file?.issues ?? []) issues.push(issue)
      if (file?.good === true) this.#unread?.delete(path)
      return file === undefined ? [] : [{ path, objects: file.objects }]
    })
    for (const path of this.#unread) if (!paths.includes(path)) this.#unread.delete(path)
    return { files, issues, unsettled, incomplete: this.#unread.size > 0 }
  }

  async #refresh(path: string): Promise<Refreshed> {
    const known = this.#known.get(path)
    try {
      const before = statSync(path, { bigint: true })
      if (!before.isFile())
        return { kind: 'unreadable', issue: fileIssue(path, '', 'expected a file; it is not read') }
      if (before.size > MAX_FILE_BYTES)
        return { kind: 'unreadable', issue: fileIssue(path, '', 'larger than 64 MiB; it is not read') }
      const stamp = stampOf(before)
      if (known?.stamp === stamp) return { kind: 'known', file: known }
      const moved = known !== undefined && known.inode !== before.ino && before.size > 0n
      const age = this.#clock.wallTime() - Number(before.mtimeMs)
      const settled = before.size > 0n ? SETTLE_MS : EMPTY_SETTLE_MS
      if (!moved && age >= 0 && age < settled) return { kind: 'unsettled' }
      const text = readWhole(path, before)
      if (text === undefined) return { kind: 'unsettled' }
      const file = await this.#parse(path, text, { stamp, inode: before.ino }, known)
      const shrunk = known !== undefined && !moved && file.objects.length < known.objects.length
      return shrunk && age >= 0 && age < SHRUNK_SETTLE_MS ? { kind: 'unsettled' } : { kind: 'known', file }
    } catch (error) {
      return {
        kind: 'unreadable',
        issue: fileIssue(
          path,
          '',
          `cannot be read, its last good content stays in force: ${error instanceof Error ? error.message : error}`,
        ),
      }
    }
  }

  async #parse(
    path: string,
    text: string,
    version: Pick<KnownFile, 'stamp' | 'inode'>,
    known: KnownFile | undefined,
  ): Promise<KnownFile> {
    const content = await parseManifest(path, text, this.#node)
    const before = known?.objects ?? []
    switch (content.kind) {
      case 'parsed':
        return { ...version, good: true, objects: content.objects, issues: content.issues }
      case 'malformed':
        return { ...version, good: known?.good ?? false, objects: before, issues: [content.issue] }
      case 'empty': {
        const reason = 'holds nothing; what it held stays in force until the file is removed'
        return {
          ...version,
          good: true,
          objects: before,
          issues: before.length === 0 ? [] : [fileIssue(path, '', reason)],
        }
      }
      default:
        return content satisfies never
    }
  }
}

/** @returns the text; undefined where the file is not, or is no longer, the one that was seen. */
function readWhole(path: string, seen: BigIntStats): string | undefined {
  // A pipe may stand there by now, which would make an open wait.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const isSame = (): boolean => stampOf(fstatSync(fd, { bigint: true })) === stampOf(seen)
    const text = isSame() ? readBytes(fd, Number(seen.size)) : undefined
    return isSame() ? text : undefined
  } finally {
    closeSync(fd)
  }
}

/** @returns undefined where there are fewer or more than so many: it may be growing without end */
function readBytes(fd: number, size: number): string | undefined {
  const bytes = Buffer.allocUnsafe(size + 1)
  let length = 0
  for (let read = -1; read !== 0 && length <= size; length += read)
    read = readSync(fd, bytes, length, bytes.length - length, null)
  return length === size ? bytes.toString('utf8', 0, length) : undefined
}

function stampOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
}
