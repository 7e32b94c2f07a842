/**
 * One pod's dumps on disk:
 *
 *     DIR/<pod UID>/networkpolicy.nft            what was written
 *     DIR/<pod UID>/current.nft                  what the kernel said stood then (current.json: for mnpd audit)
 *     DIR/<pod UID>/history/20261123T101530.123Z-5f2c….nft
 *
 * The names are those of today's daemon. Every file begins with our mark, and nothing without it is ever removed. A file is
 * written under another name first, so that whoever reads finds the old or the new one. Only root can read them.
 *
 * DIR is the operator's, and nobody but root should be able to write to it: who can could put other files there at any time.
 * What is found there is still not followed or waited for: a link in place of a pod's directory or of a file is none of ours,
 * nor is a pipe.
 */
import { constants } from 'node:fs'
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rmdir,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'

/** What the first line of each of our files has, in a comment or as JSON. */
const MARK = 'multi-networkpolicyd dump'

/** What is said at the head of each file. */
export type Header = Readonly<Record<string, string | readonly string[]>>

export interface Dump {
  readonly header: Header
  /** By ending; see `Backend.dump` and `Printed.texts`. */
  readonly current: ReadonlyMap<string, string>
  readonly written: ReadonlyMap<string, string>
  /** Names the state among others of this pod: letters and digits. */
  readonly state: string
  readonly time: Date
}

/** How much of the past is kept of each pod. */
export interface Keep {
  readonly count: number
  readonly ageMs: number
}

/** @throws where the disk is full, is read-only, … ; what was there before is still there then. */
export async function writeDump(
  directory: string,
  { header, current, written, state, time }: Dump,
): Promise<void> {
  const history = join(directory, 'history')
  for (const each of [directory, history]) {
    await mkdir(each, { recursive: true, mode: 0o700 })
    if (!(await isDirectory(each))) throw new Error(`${each} is a link, which is not followed`)
  }
  const stamp = `${time.toISOString().replaceAll(/[-:]/g, '')}-${state.slice(0, 16)}`
  for (const [ending, text] of written)
    await replace(join(directory, `networkpolicy.${ending}`), marked(ending, header, text))
  for (const [ending, text] of current) {
    const content = marked(ending, header, text)
    await replace(join(history, `${stamp}.${ending}`), content)
    await replace(join(directory, `current.${ending}`), content)
  }
  await removeOurs(
    directory,
    (name) => /^(?:current|networkpolicy)\./.test(name) && !isAmong(name, current, written),
  )
}

/** The files of the last dump by their ending, the header taken off; empty where there is none. */
export async function readDump(directory: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const name of await names(directory)) {
    const ending = /^current\.([a-z0-9]+)$/.exec(name)?.[1]
    if (ending === undefined) continue
    const content = await ifOurs(join(directory, name), (file) => file.readFile('utf8'))
    if (content !== undefined) files.set(ending, content)
  }
  return files
}

/** The header of a dump's files; undefined where it has none. */
export function headerOf(content: string): Header | undefined {
  const [line = ''] = content.split('\n', 1)
  const start = line.indexOf('{"')
  if (!line.includes(MARK) || start < 0) return undefined
  try {
    const parsed = JSON.parse(content.startsWith('#') ? line.slice(start) : content) as Record<
      string,
      unknown
    >
    return (content.startsWith('#') ? parsed : parsed[MARK]) as Header
  } catch {
    return undefined
  }
}

/** Takes away what says what stands now, once the pod is gone; what stood is history and stays its time. */
export async function endDump(directory: string): Promise<void> {
  await removeOurs(directory, (name) => /^(?:current|networkpolicy)\./.test(name))
}

/** Takes away history beyond what is kept, and the directory once it is empty. */
export async function pruneHistory(directory: string, keep: Keep, now: Date): Promise<void> {
  if (!(await isDirectory(directory))) return
  const history = join(directory, 'history')
  const files = await Promise.all(
    (await names(history)).map(async (name) => ({ name, age: await ageOf(join(history, name), now) })),
  )
  const stamps = [...new Set(files.map(({ name }) => stampOf(name)))].sort().reverse()
  const kept = new Set(stamps.slice(0, keep.count))
  const old = new Set(
    files.filter(({ name, age }) => !kept.has(stampOf(name)) || age > keep.ageMs).map(({ name }) => name),
  )
  await removeOurs(history, (name) => old.has(name))
  for (const each of [history, directory]) await rmdir(each).catch(() => undefined)
}

function stampOf(name: string): string {
  return name.slice(0, name.lastIndexOf('.'))
}

async function ageOf(path: string, now: Date): Promise<number> {
  const found = await lstat(path).catch(() => undefined)
  return found === undefined ? 0 : now.getTime() - found.mtimeMs
}

function isAmong(
  name: string,
  current: ReadonlyMap<string, string>,
  written: ReadonlyMap<string, string>,
): boolean {
  const [what = '', ending = ''] = name.split('.')
  return (what === 'current' ? current : written).has(ending)
}

/** The text with its head: comment lines, which nft and iptables-restore skip, or the first property of JSON. */
function marked(ending: string, header: Header, text: string): string {
  if (ending === 'json') {
    const listed = JSON.parse(text) as object
    return `${JSON.stringify({ [MARK]: header, ...listed })}\n`
  }
  const lines = Object.entries(header).map(([name, value]) => `# ${name}: ${[value].flat().join(', ')}`)
  return [`# ${MARK} ${JSON.stringify(header)}`, ...lines, text].join('\n').replace(/\n*$/, '\n')
}

/** All of the new content under the name, or the old; a file of somebody else's is not replaced. */
async function replace(path: string, content: string): Promise<void> {
  if (!(await isOursOrAbsent(path))) throw new Error(`${path} is there already, and is not ours`)
  const temporary = `${path}.new`
  await unlink(temporary).catch(() => undefined)
  try {
    await writeFile(temporary, content, { flag: 'wx', mode: 0o600 })
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}

async function removeOurs(directory: string, which: (name: string) => boolean): Promise<void> {
  for (const name of (await names(directory)).filter(which)) {
    const path = join(directory, name)
    if (await isOurs(path)) await unlink(path)
  }
}

async function isOursOrAbsent(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  return found === undefined || (await isOurs(path))
}

async function isOurs(path: string): Promise<boolean> {
  return (await ifOurs(path, async () => true)) ?? false
}

/** What can be done with a file of ours; undefined for what is none, which is not followed, nor waited for. */
async function ifOurs<Result>(
  path: string,
  act: (file: FileHandle) => Promise<Result>,
): Promise<Result | undefined> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  const found = await lstat(path).catch(() => undefined)
  // Opening alone can do something to a device.
  if (found?.isFile() !== true) return undefined
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined)
  if (file === undefined) return undefined
  try {
    if (!(await file.stat()).isFile()) return undefined
    const { bytesRead, buffer } = await file.read(Buffer.alloc(200), 0, 200, 0)
    return buffer.subarray(0, bytesRead).includes(MARK) ? await act(file) : undefined
  } finally {
    await file.close()
  }
}

/** None where there is no directory; what a link leads to is none of ours. */
async function names(directory: string): Promise<readonly string[]> {
  return (await isDirectory(directory)) ? await readdir(directory).catch(() => []) : []
}

async function isDirectory(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() ?? false
}
