/**
 * The measured figures, with the goals of those that have one. Times are ratios to a yardstick taken in the same run, since
 * no two machines, nor two minutes of one, are alike; the JSON is for whoever wants to compare, and the plots show how each
 * cost grows. `node bench/main.ts latency` runs one part alone. What takes long is measured when asked for:
 * `node bench/main.ts escapes escapes-gate`, and `PODS=100000 node bench/main.ts memory`.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { apiStore } from '../test/runtime/pod-store.ts'
import { bytes } from './bytes.ts'
import { compiling } from './compile.ts'
import { escapes } from './escapes.ts'
import { type Figure, isMet, quantile, ratio, renderFigures } from './figures.ts'
import { latency } from './latency.ts'
import { memory } from './memory.ts'
import { node } from './node.ts'
import { ovnCompiling } from './ovn-compile.ts'
import { ovnRows } from './ovn-rows.ts'
import { ovnWire } from './ovn-wire.ts'
import { packets } from './packets.ts'
import { writePlots } from './plot.ts'

type Part = () => Promise<readonly Figure[]>

const PARTS: Readonly<Record<string, Part>> = { latency, node, compile: compiling, packets, bytes, memory }
const ON_DEMAND: Readonly<Record<string, Part>> = {
  'ovn-compile': ovnCompiling,
  'ovn-rows': ovnRows,
  'ovn-wire': ovnWire,
  escapes,
  'escapes-gate': () => escapes(apiStore, true),
}
const RESULTS = join(import.meta.dirname, '../.cache')

const asked = process.argv.slice(2)
const all = { ...PARTS, ...ON_DEMAND }
const unknown = asked.filter((name) => !Object.hasOwn(all, name))
if (unknown.length > 0) {
  console.error(`no such part: ${unknown.join(', ')}; expected ${Object.keys(all).join(', ')}`)
  process.exit(2)
}
const figures: Figure[] = []
const loads: string[] = []
for (const [name, part] of Object.entries(asked.length === 0 ? PARTS : all)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  console.error(`measuring: ${name}`)
  const began = performance.now()
  figures.push(...(await part()))
  loads.push(`${name} ${Math.round((performance.now() - began) / 1000)} s at ${loadavg()[0]?.toFixed(1)}`)
}
const plots = writePlots(join(RESULTS, 'plots'), figures)
console.log(`\n${renderFigures(figures)}

Y is one bare nsenter … nft -f - of the same ruleset into the same netns, in the same run.
Time that each part took, and the load of the machine at its end: ${loads.join(', ')}.
Plots: ${plots.length === 0 ? 'none' : plots.join(', ')}`)
mkdirSync(RESULTS, { recursive: true })
writeFileSync(
  join(RESULTS, 'bench.json'),
  JSON.stringify(
    figures.map((figure) => ({
      ...figure,
      p50: quantile(figure.samples, 0.5),
      p99: quantile(figure.samples, 0.99),
      ratioP50: ratio(figure, 0.5),
      ratioP99: ratio(figure, 0.99),
      met: isMet(figure),
    })),
    undefined,
    2,
  ),
)
