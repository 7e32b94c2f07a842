/** Adds up what vitest said of each tier; a tier that left nothing counts as one failure. */
import { readFileSync } from 'node:fs'

interface Result {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly success: boolean
}

const results = process.argv.slice(2).map(resultOf)
const passed = results.reduce((sum, result) => sum + result.passed, 0)
const failed = results.reduce((sum, result) => sum + result.failed, 0)
console.log(`${passed} passed, ${failed} failed`)

/** A test that did not run, or a file that could not be loaded, is no pass. */
function resultOf(tier: string): { readonly passed: number; readonly failed: number } {
  try {
    const result = JSON.parse(readFileSync(`.cache/results/${tier}.json`, 'utf8')) as Result
    const failed = result.numFailedTests + result.numPendingTests + result.numTodoTests
    return { passed: result.numPassedTests, failed: result.success ? failed : Math.max(failed, 1) }
  } catch {
    return { passed: 0, failed: 1 }
  }
}
