/** The bundle as it is loaded: by its bytecode where Node.js takes it, and without it all the same. */
import { cp, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sealed, unsealed } from '../../src/bytecode.ts'
import { bytecodeTold, TELL_BYTECODE } from '../bytecode.ts'

const ROOT = join(import.meta.dirname, '../..')

let copy: string

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'bundle-'))
  for (const name of ['bin', 'dist', 'package.json'])
    await cp(join(ROOT, name), join(copy, name), { recursive: true })
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
})
afterAll(async () => {
  await rm(copy, { recursive: true, force: true })
})

async function load(root: string) {
  const { stdout, stderr } = await execa(join(root, 'bin/mnpd'), ['run', '--help'], { env: TELL_BYTECODE })
  return { stdout, told: bytecodeTold(stderr) }
}

/** Those of the copy. */
async function bytecodes(): Promise<readonly string[]> {
  const names = await readdir(join(copy, 'dist'))
  return names.filter((name) => name.endsWith('.bytecode')).map((name) => join(copy, 'dist', name))
}

test('all that a start loads is loaded by bytecode that this Node.js takes', async () => {
  const { stdout, told } = await load(ROOT)
  expect(stdout).toMatch(/^mnpd run: /)
  expect(told.map(({ chunk }) => chunk)).toEqual(expect.arrayContaining(['main', 'start']))
  expect(new Set(told.map(({ how }) => how))).toEqual(new Set(['taken']))
})

test('text that is held by two bytes a character is not in it', async () => {
  const chunks = (await readdir(join(ROOT, 'dist'))).filter((name) => name.endsWith('.cjs'))
  expect(chunks.length).toBeGreaterThan(10)
  for (const name of chunks) {
    const text = await readFile(join(ROOT, 'dist', name), 'utf8')
    expect(text.length, name).toBe(Buffer.byteLength(text))
  }
})

test('bytecode of another Node.js costs time and nothing else', async () => {
  for (const path of await bytecodes()) {
    const text = await readFile(path.replace(/bytecode$/, 'cjs'), 'utf8')
    const bytecode = unsealed(text, await readFile(path)) ?? expect.fail(path)
    // The second four bytes are V8's version.
    bytecode.fill(7, 4, 8)
    await writeFile(path, sealed(text, bytecode))
  }
  const { stdout, told } = await load(copy)
  expect(stdout).toMatch(/^mnpd run: /)
  expect(new Set(told.map(({ how }) => how))).toEqual(new Set(['refused']))
})

test.each<[string, (path: string) => Promise<void>]>([
  ['cut off', (path) => truncate(path, 100)],
  ['empty', (path) => truncate(path)],
  [
    'damaged',
    async (path) => {
      const bytes = await readFile(path)
      const middle = bytes.length >> 1
      bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
      await writeFile(path, bytes)
    },
  ],
  ['not there', (path) => rm(path)],
])('so does bytecode that is %s, which V8 is not given', async (_, harm) => {
  await cp(join(ROOT, 'dist'), join(copy, 'dist'), { recursive: true })
  for (const path of await bytecodes()) await harm(path)
  const { stdout, told } = await load(copy)
  expect(stdout).toMatch(/^mnpd run: /)
  expect(told).toEqual([])
})
