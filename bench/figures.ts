/** Figures: samples, their quantiles, what they are held against, and what they should come to. */
import { table } from '../src/cli/table.ts'

export interface Figure {
  readonly name: string
  readonly unit: 'ms' | 'MiB' | 'packets' | 'bytes' | 'rows' | '% of a core' | 'Gbit/s' | 'packets/s'
  readonly samples: readonly number[]
  /** What one sample is divided by to give the ratio. */
  readonly yardstick?: Yardstick
  readonly goal?: Goal
  /** Where it stands in a plot of how the cost grows. */
  readonly growth?: Growth
}

export interface Yardstick {
  readonly name: string
  /** In the figure's unit, or ms. */
  readonly samples: readonly number[]
  /** The figure stands for that many runs of the yardstick. */
  readonly times: number
}

/** Of the ratio where there is a yardstick, else of the figure itself. */
export interface Goal {
  readonly kind: 'at most' | 'at least'
  readonly p50: number
  readonly p99?: number
}

export interface Growth {
  readonly plot: string
  readonly line: string
  readonly x: number
  readonly of: string
}

/** Nearest rank; q within 0 to 1. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN
}

/** The figure's quantile as a share of the yardstick's median, times how many of those it stands for. */
export function ratio({ samples, yardstick }: Figure, q: number): number | undefined {
  return yardstick && quantile(samples, q) / (quantile(yardstick.samples, 0.5) * yardstick.times)
}

/** Undefined where there is no goal. */
export function isMet(figure: Figure): boolean | undefined {
  const { goal } = figure
  if (goal === undefined) return undefined
  const holds = (q: number, bound: number | undefined): boolean => {
    const value = ratio(figure, q) ?? quantile(figure.samples, q)
    return bound === undefined || (goal.kind === 'at most' ? value <= bound : value >= bound)
  }
  return holds(0.5, goal.p50) && holds(0.99, goal.p99)
}

export function renderFigures(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, unit, samples, yardstick } = figure
    const [p50, p99] = [ratio(figure, 0.5), ratio(figure, 0.99)]
    const met = isMet(figure)
    return [
      name,
      String(samples.length),
      `${round(quantile(samples, 0.5))} / ${round(quantile(samples, 0.99))} ${unit}`,
      yardstick === undefined ? '' : yardstickText(yardstick),
      p50 === undefined || p99 === undefined ? '' : `${p50.toFixed(2)} / ${p99.toFixed(2)}`,
      goalText(figure),
      met === undefined ? '' : met ? 'met' : 'NOT MET',
    ]
  })
  return table([['figure', 'n', 'p50 / p99', 'held against', 'ratio p50 / p99', 'goal', ''], ...rows])
}

function yardstickText({ name, samples, times }: Yardstick): string {
  return `${times === 1 ? '' : `${times} × `}${name}, ${round(quantile(samples, 0.5))}`
}

function goalText({ goal }: Figure): string {
  if (goal === undefined) return ''
  const sign = goal.kind === 'at most' ? '≤' : '≥'
  return [goal.p50, ...(goal.p99 === undefined ? [] : [goal.p99])]
    .map((bound) => `${sign} ${bound}`)
    .join(' / ')
}

function round(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value < 1 ? 3 : 1)
}
