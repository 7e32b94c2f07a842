/** `mnpd matrix`: who reaches whom, as a table for each network. */

import type { Service } from '../compile/explain.ts'
import { type Member, matrix, type NetworkMatrix, type Reach } from '../compile/matrix.ts'
import type { PortRange } from '../compile/port.ts'
import type { PortSet } from '../compile/ruleset.ts'
import type { Environment } from './cluster-options.ts'
import { parseService } from './explain.ts'
import { CLUSTER_FLAGS, describeFlags, type FlagSpec, FlagValues } from './flags.ts'
import { loadAndCompile } from './load-cluster.ts'
import { table } from './table.ts'

const FLAGS: readonly FlagSpec[] = [
  ...CLUSTER_FLAGS,
  {
    name: 'port',
    value: 'text',
    help: 'NUMBER/PROTOCOL such as 80/TCP, or icmp (default: all, and those that pass are listed)',
  },
  { name: 'output', value: 'text', help: 'text, json or html (default: text)' },
]

export const MATRIX_HELP: string = `mnpd matrix: who reaches whom, every pair of pods of a network; flags that let ICMP or prefixes pass are left out.

${describeFlags(FLAGS)}
`

const EVERYTHING = 'all'
const NOTHING = '-'

export async function matrixCommand(args: readonly string[], env: Environment): Promise<number> {
  const flags = new FlagValues(FLAGS, args, env)
  const output = flags.oneOf('output', ['text', 'json', 'html'], 'text')
  const port = flags.text('port')
  const service = port === undefined ? undefined : parseService(port)
  const { cluster, compilation } = await loadAndCompile(flags, env, undefined)
  const tables = matrix(cluster, compilation)
  const print = { text: printText, json: printJson, html: printHtml }[output]
  process.stdout.write(print(tables, (reach) => describeReach(reach, service)))
  return 0
}

type Describe = (reach: Reach) => string

/** `all`, `-`, or the ports that pass; with one port asked for, `all` or `-`. */
function describeReach({ ports }: Reach, service: Service | undefined): string {
  if (service !== undefined) return passes(ports, service) ? EVERYTHING : NOTHING
  if (ports.kind === 'any') return EVERYTHING
  if (ports.ports.length === 0) return NOTHING
  return ports.ports
    .map(({ protocol, ranges }) => `${protocol}/${ranges.map(describeRange).join('+')}`)
    .join(' ')
}

function passes(ports: PortSet, { protocol, port }: Service): boolean {
  if (ports.kind === 'any') return true
  const ranges = ports.ports.find((each) => each.protocol === protocol)?.ranges ?? []
  return ranges.some(({ first, last }) => first <= port && port <= last)
}

function describeRange({ first, last }: PortRange): string {
  if (first === 0 && last === 65535) return 'all'
  return first === last ? `${first}` : `${first}-${last}`
}

function rowsOf({ members, reaches }: NetworkMatrix, describe: Describe): readonly (readonly string[])[] {
  return [
    ['from \\ to', ...members.map(nameMember)],
    ...members.map((from) => [
      nameMember(from),
      ...members.map((to) => {
        const reach = reaches.find((each) => each.from === from && each.to === to)
        return reach === undefined ? '' : describe(reach)
      }),
    ]),
  ]
}

function nameMember({ pod, interface: name }: Member): string {
  return `${pod}/${name}`
}

function printText(tables: readonly NetworkMatrix[], describe: Describe): string {
  return tables
    .map((each) => `${each.network} IPv${each.family}\n${table(rowsOf(each, describe))}\n`)
    .join('\n')
}

function printJson(tables: readonly NetworkMatrix[], describe: Describe): string {
  const networks = tables.map(({ network, family, reaches }) => ({
    network,
    family,
    reaches: reaches.map((reach) => ({
      from: nameMember(reach.from),
      to: nameMember(reach.to),
      allowed: describe(reach),
    })),
  }))
  return `${JSON.stringify({ networks }, undefined, 2)}\n`
}

/** A page that stands by itself. */
function printHtml(tables: readonly NetworkMatrix[], describe: Describe): string {
  const page = (each: NetworkMatrix): string => {
    const [head = [], ...rows] = rowsOf(each, describe)
    const header = `<tr>${head.map((cell) => `<th>${escapeHtml(cell)}</th>`).join('')}</tr>`
    const body = rows.map(
      ([first = '', ...cells]) => `<tr><th>${escapeHtml(first)}</th>${cells.map(htmlCell).join('')}</tr>`,
    )
    return `<h2>${escapeHtml(each.network)} IPv${each.family}</h2>\n<table>\n${[header, ...body].join('\n')}\n</table>`
  }
  const style =
    'td.all{background:#cfc}td.none{background:#fcc}td.some{background:#ffc}td,th{padding:.2em .6em;text-align:left}'
  return `<!doctype html>\n<meta charset="utf-8">\n<title>Who reaches whom</title>\n<style>${style}</style>\n${tables.map(page).join('\n')}\n`
}

function htmlCell(text: string): string {
  const kind = text === '' ? '' : text === EVERYTHING ? 'all' : text === NOTHING ? 'none' : 'some'
  return `<td class="${kind}">${escapeHtml(text)}</td>`
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
