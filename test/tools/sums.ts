/**
 * Adds up what vitest said of each tier, after naming each test that failed: a log is often read from its end. A tier
 * that left nothing counts as one failure.
 */
import { readFileSync } from 'node:fs'

interface Result {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly success: boolean
  readonly testResults: readonly FileResult[]
}

interface FileResult {
  readonly name: string
  readonly status: string
  readonly message: string
  readonly assertionResults: readonly {
    readonly status: string
    readonly fullName: string
    readonly failureMessages?: readonly string[]
  }[]
}

const LONGEST_MESSAGE = 1_500

const results = process.argv.slice(2).map(resultOf)
const passed = results.reduce((sum, result) => sum + result.passed, 0)
const failed = results.reduce((sum, result) => sum + result.failed, 0)
console.log(`${passed} passed, ${failed} failed`)

/** A test that did not run, or a file that could not be loaded, is no pass. */
function resultOf(tier: string): { readonly passed: number; readonly failed: number } {
  try {
    const result = JSON.parse(readFileSync(`.cache/results/${tier}.json`, 'utf8')) as Result
    for (const file of result.testResults) nameFailures(tier, file)
    const failed = result.numFailedTests + result.numPendingTests + result.numTodoTests
    return { passed: result.numPassedTests, failed: result.success ? failed : Math.max(failed, 1) }
  } catch {
    return { passed: 0, failed: 1 }
  }
}

function nameFailures(tier: string, { name, status, message, assertionResults }: FileResult): void {
  const bad = assertionResults.filter((each) => each.status !== 'passed')
  if (status !== 'passed' && bad.length === 0) console.log(`${tier}: ${name}: ${shorten(message)}`)
  for (const each of bad) {
    console.log(`${tier}: ${name}: ${each.fullName}: ${each.status}`)
    for (const text of each.failureMessages ?? []) console.log(shorten(text))
  }
}

function shorten(text: string): string {
  return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE)} …` : text
}
