/**
 * The spellings of Go's flag packages, which the arguments of existing DaemonSets use: one dash or two, `--x=false`
 * for booleans, `-v=8`, `-v 8` and `-v8`. They are rewritten to `--name=value`, which Node's own parser takes.
 */
import { parseArgs } from 'node:util'
import { UsageError } from '../usage-error.ts'

export interface FlagShape {
  readonly boolean: boolean
}

/**
 * @param shapes every flag that is known, by name.
 * @returns all values given for each flag, in order; a boolean given without a value is `true`.
 * @throws UsageError for an unknown flag, a missing value, or an argument that is no flag.
 */
export function parseGoFlags(
  args: readonly string[],
  shapes: ReadonlyMap<string, FlagShape>,
): ReadonlyMap<string, readonly string[]> {
  const options = Object.fromEntries(
    [...shapes.keys()].map((name) => [name, { type: 'string', multiple: true } as const]),
  )
  const { values, positionals } = parseArgs({
    args: [...normalise(args, shapes)],
    options,
    allowPositionals: true,
  })
  const [stray] = positionals
  if (stray !== undefined)
    throw new UsageError(`unexpected argument ${JSON.stringify(stray)}`, 'only flags, --name=value')
  return new Map(Object.entries(values).map(([name, given]) => [name, given as string[]]))
}

function* normalise(args: readonly string[], shapes: ReadonlyMap<string, FlagShape>): Generator<string> {
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? ''
    if (!/^-/.test(arg) || arg === '-' || arg === '--') {
      throw new UsageError(`unexpected argument ${JSON.stringify(arg)}`, 'only flags, --name=value')
    }
    const { name, value } = split(arg, shapes)
    const shape = shapes.get(name)
    if (shape === undefined)
      throw new UsageError(`unknown flag --${name}`, suggestion(name, [...shapes.keys()]))
    if (value !== undefined) yield `--${name}=${value}`
    else if (shape.boolean) yield `--${name}=true`
    else {
      at += 1
      const next = args[at]
      if (next === undefined) throw new UsageError(`flag --${name} has no value`, `--${name}=VALUE`)
      yield `--${name}=${next}`
    }
  }
}

function split(
  arg: string,
  shapes: ReadonlyMap<string, FlagShape>,
): { readonly name: string; readonly value?: string } {
  const text = arg.replace(/^--?/, '')
  const equals = text.indexOf('=')
  if (equals >= 0) return { name: text.slice(0, equals), value: text.slice(equals + 1) }
  const short = /^-([a-zA-Z])(\d+)$/.exec(arg)
  if (short?.[1] !== undefined && short[2] !== undefined && shapes.has(short[1]))
    return { name: short[1], value: short[2] }
  return { name: text }
}

function suggestion(name: string, known: readonly string[]): string {
  const near = known.filter(
    (each) => each.length > 2 && (each.includes(name) || name.includes(each) || distance(each, name) <= 2),
  )
  return near.length > 0 ? near.map((each) => `--${each}`).join(' or ') : 'one of those that --help lists'
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitute, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
