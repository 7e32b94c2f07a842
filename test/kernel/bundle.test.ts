/** The bundle as it is loaded: by its bytecode where Node.js takes it, and without it all the same. */
import { cp, mkdtemp, readdir, rm, symlink, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
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

async function load(root: string): Promise<{ readonly stdout: string; readonly how: readonly string[] }> {
  const { stdout, stderr } = await execa(join(root, 'bin/mnpd'), ['run', '--help'], { env: TELL_BYTECODE })
  return { stdout, how: bytecodeTold(stderr) }
}

/** Those of the copy. */
async function bytecodes(): Promise<readonly string[]> {
  const names = await readdir(join(copy, 'dist'))
  return names.filter((name) => name.endsWith('.bytecode')).map((name) => join(copy, 'dist', name))
}

test('all that a start loads is loaded by bytecode that this Node.js takes', async () => {
  const { stdout, how } = await load(ROOT)
  expect(stdout).toMatch(/^mnpd run: /)
  expect(how.length).toBeGreaterThan(1)
  expect(new Set(how)).toEqual(new Set(['taken']))
})

test('text that is held by two bytes a character is not in it', async () => {
  const { stdout } = await execa('grep', ['-rlP', '[^\\x00-\\x7f]', join(ROOT, 'dist'), '--include=*.cjs'], {
    reject: false,
  })
  expect(stdout).toBe('')
})

test('bytecode that is refused costs time and nothing else', async () => {
  for (const path of await bytecodes()) await truncate(path, 100)
  const { stdout, how } = await load(copy)
  expect(stdout).toMatch(/^mnpd run: /)
  expect(new Set(how)).toEqual(new Set(['refused']))
})

test('so does bytecode that is not there', async () => {
  for (const path of await bytecodes()) await rm(path)
  const { stdout, how } = await load(copy)
  expect(stdout).toMatch(/^mnpd run: /)
  expect(how).toEqual([])
})
