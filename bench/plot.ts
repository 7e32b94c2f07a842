/** Plots of how costs grow, as SVG: one file a plot, one line for each thing that grows, both axes from zero. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Figure, quantile, ratio } from './figures.ts'

interface Point {
  readonly x: number
  readonly y: number
}

const WIDTH = 640
const HEIGHT = 400
const LEFT = 70
const RIGHT = 20
const TOP = 40
const BOTTOM = 50
const TICKS = 5
const COLOURS = ['#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e', '#17becf']

/** @returns the paths that were written */
export function writePlots(directory: string, figures: readonly Figure[]): readonly string[] {
  mkdirSync(directory, { recursive: true })
  const byPlot = Map.groupBy(
    figures.filter(({ growth }) => growth !== undefined),
    ({ growth }) => growth?.plot ?? '',
  )
  return [...byPlot].map(([title, group]) => {
    const path = join(directory, `${title.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase()}.svg`)
    writeFileSync(path, plot(title, group))
    return path
  })
}

function plot(title: string, figures: readonly Figure[]): string {
  const lines = Map.groupBy(figures, ({ growth }) => growth?.line ?? '')
  const points = figures.map(pointOf)
  const most = { x: Math.max(1, ...points.map(({ x }) => x)), y: Math.max(1e-9, ...points.map(({ y }) => y)) }
  const at = ({ x, y }: Point): Point => ({
    x: LEFT + (x / most.x) * (WIDTH - LEFT - RIGHT),
    y: HEIGHT - BOTTOM - (y / most.y) * (HEIGHT - TOP - BOTTOM),
  })
  const [first] = figures
  const unit = first?.yardstick === undefined ? (first?.unit ?? '') : `× ${first.yardstick.name}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="white"/>',
    text(WIDTH / 2, 20, title, 'middle'),
    text(WIDTH / 2, HEIGHT - 10, first?.growth?.of ?? '', 'middle'),
    text(8, TOP - 12, unit, 'start'),
    ...ticks(most, at),
    ...[...lines].flatMap(([name, group], index) => line(name, group.map(pointOf).map(at), index)),
    '</svg>\n',
  ].join('\n')
}

function pointOf(figure: Figure): Point {
  // What is held against several runs of the yardstick grows with them: one run is the unit.
  const share = ratio(figure, 0.5)
  const y = share === undefined ? quantile(figure.samples, 0.5) : share * (figure.yardstick?.times ?? 1)
  return { x: figure.growth?.x ?? 0, y }
}

function line(name: string, points: readonly Point[], index: number): readonly string[] {
  const colour = COLOURS[index % COLOURS.length] ?? 'black'
  const sorted = points.toSorted((a, b) => a.x - b.x)
  const path = sorted.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ')
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...sorted.map(({ x, y }) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3" fill="${colour}"/>`),
    `<text x="${LEFT + 10}" y="${TOP + 14 + index * 16}" fill="${colour}">${escaped(name)}</text>`,
  ]
}

function ticks(most: Point, at: (point: Point) => Point): readonly string[] {
  const shares = Array.from({ length: TICKS + 1 }, (_, index) => index / TICKS)
  const corner = at({ x: 0, y: 0 })
  return shares.flatMap((share) => {
    const { x, y } = at({ x: share * most.x, y: share * most.y })
    return [
      `<line x1="${corner.x}" y1="${y}" x2="${WIDTH - RIGHT}" y2="${y}" stroke="#ddd"/>`,
      text(corner.x - 6, y + 4, short(share * most.y), 'end'),
      text(x, corner.y + 16, short(share * most.x), 'middle'),
    ]
  })
}

function text(x: number, y: number, what: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(what)}</text>`
}

function short(value: number): string {
  return value >= 10 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(2)))
}

function escaped(what: string): string {
  return what.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
