/**
 * Builds `test/tools/cyclonus` once and has it write its cases, which are never committed: vitest's global setup of the
 * conformance project, since the tests are made of the cases.
 */
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { execa } from 'execa'
import { CASES_FILE } from './cyclonus-cases.ts'

const SOURCES = join(import.meta.dirname, '../tools/cyclonus')
const TOOL = join(import.meta.dirname, '../../.cache/bin/cyclonus-cases')

/** Either is made again when what it is made from is younger. */
export default async function setup(): Promise<void> {
  const sources = await Promise.all((await readdir(SOURCES)).map((name) => changedAt(join(SOURCES, name))))
  if ((await changedAt(TOOL)) < Math.max(...sources)) await build()
  if ((await changedAt(CASES_FILE)) < (await changedAt(TOOL))) await writeCases()
}

async function build(): Promise<void> {
  console.log('building cyclonus’ generator, once (1 to 3 minutes)')
  await mkdir(dirname(TOOL), { recursive: true })
  const go = execa('go', ['build', '-v', '-trimpath', '-o', `${TOOL}.part`, '.'], {
    cwd: SOURCES,
    reject: false,
  })
  let lines = 0
  createInterface(go.stderr).on('line', () => {
    lines += 1
    if (lines % 50 === 0) console.log(`  ${lines} packages`)
  })
  const result = await go
  if (result.code === 'ENOENT')
    throw new Error('the conformance suite needs Go 1.26 or later, to build cyclonus')
  if (result.failed) throw new Error(`go build of cyclonus failed:\n${result.stderr}`)
  await rename(`${TOOL}.part`, TOOL)
}

async function writeCases(): Promise<void> {
  const { stdout } = await execa(TOOL, { maxBuffer: 256 * 1024 * 1024 })
  await writeFile(`${CASES_FILE}.part`, stdout)
  await rename(`${CASES_FILE}.part`, CASES_FILE)
}

/** In ms; long ago for what is not there. */
async function changedAt(path: string): Promise<number> {
  return await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Number.NEGATIVE_INFINITY,
  )
}
