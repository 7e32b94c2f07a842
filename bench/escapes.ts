/**
 * What gets out of a new pod before its policies stand: real sandboxes on a node with 110 pods governed by 10 policies
 * each, the order of kubelet and multus, and a container that sends a thousand packets a second from its first
 * instruction on to a peer that no policy allows. `node bench/escapes.ts` prints a table and JSON; `--gate` has
 * sandboxes wait for the daemon.
 */
import { NewPods, tenPolicies } from '../test/runtime/new-pods.ts'
import { apiStore, type PodStore } from '../test/runtime/pod-store.ts'
import { type Figure, quantile } from './figures.ts'

const GOVERNED = 110
const SAMPLES = 50
const BURST = 10

export interface EscapeFigure extends Omit<Figure, 'unit' | 'yardstick'> {
  readonly unit: 'ms' | 'packets'
}

/** One pod's figures, in packets and ms. */
interface Escape {
  readonly packets: number
  /** From the moment that network-status is asked to be written. */
  readonly enforced: number
  readonly firstInstruction: number
}

/** @param open where the pod objects are: an API server, as on a real node, unless told */
export async function escapes(
  open: () => Promise<PodStore> = apiStore,
  gate = false,
): Promise<readonly EscapeFigure[]> {
  await using store = await open()
  await using pods = await NewPods.start({ store, policies: tenPolicies(), gate })
  await inTurns(GOVERNED, 4, async (index) => {
    await pods.enforced(await pods.sandbox(`old-${index}`), 120_000)
  })
  const single = await inTurns(SAMPLES, 1, (index) => escapeOf(pods, `single-${index}`))
  const burst: Escape[] = []
  for (let time = 0; time < SAMPLES / BURST; time += 1) {
    burst.push(...(await inTurns(BURST, BURST, (index) => escapeOf(pods, `burst-${time}-${index}`))))
  }
  return [...figuresOf('one at a time', single), ...figuresOf(`bursts of ${BURST}`, burst)]
}

async function escapeOf(pods: NewPods, name: string): Promise<Escape> {
  const { pod, annotated, running } = await pods.launch(name)
  const enforced = await pods.enforced(pod, 120_000)
  const packets = await pods.arrived(pod)
  await pods.remove(pod)
  return { packets, enforced: enforced - annotated, firstInstruction: running - annotated }
}

function figuresOf(how: string, all: readonly Escape[]): readonly EscapeFigure[] {
  const name = `new pod, ${GOVERNED} on the node, ${how}`
  return [
    { name: `${name}: escaped`, unit: 'packets', samples: all.map(({ packets }) => packets) },
    {
      name: `${name}: network-status written → enforced`,
      unit: 'ms',
      samples: all.map(({ enforced }) => enforced),
    },
    {
      name: `${name}: network-status written → first instruction`,
      unit: 'ms',
      samples: all.map(({ firstInstruction }) => firstInstruction),
    },
    {
      name: `${name}: enforced → first instruction`,
      unit: 'ms',
      samples: all.map(({ enforced, firstInstruction }) => firstInstruction - enforced),
    },
  ]
}

/** @returns the results in the order of their numbers */
async function inTurns<T>(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<T>,
): Promise<readonly T[]> {
  const results: T[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) results[index] = await work(index)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return results
}

function render(figures: readonly EscapeFigure[]): string {
  const lines = figures.map(({ name, unit, samples }) => {
    const quantiles = [0, 0.5, 0.9, 1].map((q) => quantile(samples, q).toFixed(0).padStart(6)).join(' ')
    const total = unit === 'packets' ? `, ${samples.reduce((sum, each) => sum + each, 0)} in all` : ''
    return `${name.padEnd(85)} ${quantiles} ${unit}${total}`
  })
  return [`${'figure'.padEnd(85)}    min    p50    p90    max`, ...lines].join('\n')
}

if (import.meta.main) {
  const figures = await escapes(apiStore, process.argv.includes('--gate'))
  console.log(`${render(figures)}\n\n${JSON.stringify(figures)}`)
}
