/** What is kept of what was printed has a bound, whatever tenants make of it. */
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'

const SCRIPT = join(import.meta.dirname, 'print-many.ts')

/** Half of the DaemonSet's limit, as the daemon is started. */
const HEAP = ['--max-semi-space-size=1', '--heap-growing-percent=40', '--max-old-space-size=75']

test.for([
  'edits of a large policy',
  'edits of one of many policies',
  'policies before a large one',
  'pods under more and more policies',
])('%s', { timeout: 120_000 }, async (way) => {
  const { stdout, exitCode } = await execa(process.execPath, [...HEAP, SCRIPT, way], { reject: false })
  expect([exitCode, stdout]).toEqual([0, 'printed'])
})
