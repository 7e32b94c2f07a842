/** A case from its first step to its last: all are asked, whatever came before, and the test fails with every report. */
import { expect } from 'vitest'
import { runStep, type StepPlan } from './run-step.ts'
import type { Tally } from './tally.ts'
import type { Testbed } from './testbed.ts'

/** @param tags under which the case counts in the tally */
export async function runCase(
  bed: Testbed,
  tally: Tally,
  tags: readonly string[],
  steps: readonly StepPlan[],
): Promise<void> {
  const reports: string[] = []
  let done = 0
  try {
    for (const step of steps) {
      const result = await runStep(bed, `step ${done + 1} of ${steps.length}`, step)
      done += 1
      tally.addStep(result)
      if (result.report !== '') reports.push(result.report)
    }
  } finally {
    tally.addCase(tags, done === steps.length && reports.length === 0)
  }
  if (reports.length > 0) expect.fail(`\n${reports.join('\n\n')}`)
}
