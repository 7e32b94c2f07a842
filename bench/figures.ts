/** Figures: samples, their quantiles, and what they are held against. */
import { table } from '../src/cli/table.ts'

export interface Figure {
  readonly name: string
  readonly unit: 'ms' | 'MiB' | 'packets' | 'bytes'
  readonly samples: readonly number[]
  /** What one sample is divided by to give the ratio; absent for memory. */
  readonly yardstick?: Yardstick
}

export interface Yardstick {
  readonly name: string
  /** ms, or bytes where the figure is of bytes. */
  readonly samples: readonly number[]
  /** The figure stands for that many runs of the yardstick. */
  readonly times: number
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

export function renderFigures(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, unit, samples, yardstick } = figure
    const [p50, p99] = [ratio(figure, 0.5), ratio(figure, 0.99)]
    return [
      name,
      String(samples.length),
      `${quantile(samples, 0.5).toFixed(1)} ${unit}`,
      `${quantile(samples, 0.99).toFixed(1)} ${unit}`,
      yardstick === undefined
        ? ''
        : `${yardstick.times === 1 ? '' : `${yardstick.times} × `}${quantile(yardstick.samples, 0.5).toFixed(1)} ${unit === 'bytes' ? unit : 'ms'}`,
      p50 === undefined || p99 === undefined ? '' : `${p50.toFixed(2)} / ${p99.toFixed(2)}`,
    ]
  })
  return table([['figure', 'n', 'p50', 'p99', 'yardstick', 'ratio p50 / p99'], ...rows])
}
