/**
 * The measured figures. Times are ratios to a yardstick taken in the same run, since no two machines, nor two minutes of
 * one, are alike; the JSON is for whoever wants to compare. `node bench/main.ts latency` runs one part alone. What takes
 * minutes is measured when asked for: `node bench/main.ts compile escapes escapes-gate`.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apiStore } from '../test/runtime/pod-store.ts'
import { bytes } from './bytes.ts'
import { compiling } from './compile.ts'
import { escapes } from './escapes.ts'
import { type Figure, quantile, ratio, renderFigures } from './figures.ts'
import { latency } from './latency.ts'
import { memory } from './memory.ts'
import { ovnCompiling } from './ovn-compile.ts'
import { start } from './start.ts'

type Part = () => Promise<readonly Figure[]>

const PARTS: Readonly<Record<string, Part>> = { latency, start, memory, bytes }
const ON_DEMAND: Readonly<Record<string, Part>> = {
  compile: compiling,
  'ovn-compile': ovnCompiling,
  escapes,
  'escapes-gate': () => escapes(apiStore, true),
}
const RESULT = join(import.meta.dirname, '../.cache/bench.json')

const asked = process.argv.slice(2)
const figures: Figure[] = []
const parts = asked.length === 0 ? PARTS : { ...PARTS, ...ON_DEMAND }
for (const [name, part] of Object.entries(parts)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  console.error(`measuring: ${name}`)
  figures.push(...(await part()))
}
console.log(
  `\n${renderFigures(figures)}\n\nY is one bare nsenter … nft -f - of the same ruleset into the same netns, in the same run.`,
)
mkdirSync(join(RESULT, '..'), { recursive: true })
writeFileSync(
  RESULT,
  JSON.stringify(
    figures.map((figure) => ({
      ...figure,
      p50: quantile(figure.samples, 0.5),
      p99: quantile(figure.samples, 0.99),
      ratioP50: ratio(figure, 0.5),
      ratioP99: ratio(figure, 0.99),
    })),
    undefined,
    2,
  ),
)
