/**
 * Expressions and statements as nft lists them. Nothing is believed on its word and nothing is dropped: what
 * has not exactly a shape that has a type here becomes `{ unknown: … }`, whole.
 *
 * nft writes a set's name and an interface called `@x` alike, and in sets also the wildcard `eth*` and an
 * interface of that name. They are read as set and wildcard; transactions never write the others.
 */
import type { Expression, Json, MapPair, Unknown } from './expression-types.ts'
import { fits, isObject, type Shape } from './shapes.ts'
import type { Statement } from './types.ts'

/** Shapes: an expression, or `{ unknown }`. */
export function parseExpression(json: Json): Expression {
  if (typeof json === 'string') return parseString(json)
  if (typeof json === 'number' || typeof json === 'boolean') return json
  if (Array.isArray(json)) return json.map(parseExpression)
  if (!isObject(json)) return unknown(json)
  const [kind, ...more] = Object.keys(json)
  const body = json[kind ?? '']
  if (kind === undefined || more.length > 0 || body === undefined) return unknown(json)
  const parsed = parseLeafless(kind, body) ?? parseNested(kind, body)
  return parsed ?? unknown(json)
}

/** Shapes: a statement, or `{ unknown }`. */
export function parseStatement(json: Json): Statement {
  if (!isObject(json)) return unknown(json)
  const [kind, ...more] = Object.keys(json)
  const body = json[kind ?? '']
  if (kind === undefined || more.length > 0 || body === undefined) return unknown(json)
  return parseWithValues(kind, body) ?? (isPlainStatement(kind, body) ? (json as Statement) : unknown(json))
}

const unknown = (json: Json): Unknown => ({ unknown: json })

function parseString(text: string): Expression {
  if (text.startsWith('@')) return { ref: text.slice(1) }
  return text.endsWith('*') && !text.endsWith('\\*') ? { wildcard: text.slice(0, -1) } : text
}

/** Expressions of words and numbers only: they need no change, just a look. */
const LEAFLESS: Readonly<Record<string, readonly Shape[]>> = {
  payload: [
    { protocol: 'string', field: 'string' },
    { base: 'string', offset: 'number', len: 'number' },
  ],
  meta: [{ key: 'string' }],
  ct: [{ key: 'string', 'dir?': 'string' }],
  fib: [{ result: 'string', flags: 'any' }],
  exthdr: [{ name: 'string', 'field?': 'string', 'offset?': 'number' }],
  'tcp option': [{ name: 'string', 'field?': 'string' }],
  rt: [{ key: 'string', 'family?': 'string' }],
  jump: [{ target: 'string' }],
  goto: [{ target: 'string' }],
}

const NULLS: ReadonlySet<string> = new Set(['accept', 'drop', 'continue', 'return', 'notrack'])

function parseLeafless(kind: string, body: Json): Expression | undefined {
  const whole = { [kind]: body } as unknown as Expression
  if (NULLS.has(kind) && kind !== 'notrack') return body === null ? whole : undefined
  return LEAFLESS[kind]?.some((shape) => fits(body, shape)) ? whole : undefined
}

function parseNested(kind: string, body: Json): Expression | undefined {
  switch (kind) {
    case '&':
    case '|':
    case '^':
    case '<<':
    case '>>':
      return Array.isArray(body)
        ? ({ [kind]: body.map(parseExpression) } as unknown as Expression)
        : undefined
    case 'concat':
      return Array.isArray(body) ? { concat: body.map(parseExpression) } : undefined
    case 'range':
      return Array.isArray(body) && body.length === 2
        ? { range: [parseExpression(body[0] ?? null), parseExpression(body[1] ?? null)] }
        : undefined
    case 'prefix':
      return fits(body, { addr: 'any', len: 'number' })
        ? { prefix: { addr: parseExpression(body['addr'] ?? null), len: Number(body['len']) } }
        : undefined
    case 'set':
      return { set: Array.isArray(body) ? body.map(parseExpression) : parseExpression(body) }
    case 'map':
      return fits(body, { key: 'any', data: 'any' }) ? { map: keyAndData(body) } : undefined
    case 'elem':
      return fits(body, ELEMENT) ? parseElement(body) : undefined
    default:
      return undefined
  }
}

const ELEMENT: Shape = {
  val: 'any',
  'timeout?': 'number',
  'expires?': 'number',
  'comment?': 'string',
  'counter?': 'any',
}

function parseElement(body: { readonly [key: string]: Json }): Expression {
  const { val, counter, ...rest } = body
  if (counter !== undefined && !fits(counter, COUNTS)) return unknown({ elem: body })
  const counts = counter === undefined ? {} : { counter }
  return { elem: { ...rest, ...counts, val: parseExpression(val ?? null) } } as unknown as Expression
}

const COUNTS: Shape = { packets: 'number', bytes: 'number' }

function keyAndData(body: { readonly [key: string]: Json }): { key: Expression; data: Expression } {
  return { key: parseExpression(body['key'] ?? null), data: parseExpression(body['data'] ?? null) }
}

function parseWithValues(kind: string, body: Json): Statement | undefined {
  if (kind === 'match' && fits(body, { op: 'string', left: 'any', right: 'any' })) {
    const left = parseExpression(body['left'] ?? null)
    const right = parseExpression(body['right'] ?? null)
    return { match: { op: body['op'], left, right } } as unknown as Statement
  }
  if (kind === 'vmap' && fits(body, { key: 'any', data: 'any' })) return { vmap: keyAndData(body) }
  if (kind === 'mangle' && fits(body, { key: 'any', value: 'any' })) {
    const key = parseExpression(body['key'] ?? null)
    return { mangle: { key, value: parseExpression(body['value'] ?? null) } }
  }
  if (kind === 'reject' && fits(body, { 'type?': 'string', expr: 'any' })) {
    const { type, expr } = body
    const parsed = parseExpression(expr ?? null)
    return { reject: { ...(type === undefined ? {} : { type }), expr: parsed } } as unknown as Statement
  }
  return undefined
}

/** Statements that hold no expressions. `null` stands for one without properties. */
const PLAIN: Readonly<Record<string, Shape>> = {
  counter: COUNTS,
  limit: {
    rate: 'number',
    per: 'string',
    'rate_unit?': 'string',
    'burst?': 'number',
    'burst_unit?': 'string',
    'inv?': 'boolean',
  },
  log: {
    'prefix?': 'string',
    'group?': 'number',
    'snaplen?': 'number',
    'queue-threshold?': 'number',
    'level?': 'string',
    'flags?': 'any',
  },
  reject: { 'type?': 'string' },
  'ct count': { val: 'number', 'inv?': 'boolean' },
  jump: { target: 'string' },
  goto: { target: 'string' },
}

const NULL_TOO: ReadonlySet<string> = new Set(['counter', 'log', 'reject'])

function isPlainStatement(kind: string, body: Json): boolean {
  if (NULLS.has(kind)) return body === null
  if (body === null) return NULL_TOO.has(kind)
  if (kind === 'counter' && typeof body === 'string') return true
  const shape = PLAIN[kind]
  return shape !== undefined && fits(body, shape)
}

/** A member of a map as it is listed, or undefined when it is no pair. */
export function parsePair(json: Json): MapPair | undefined {
  if (!Array.isArray(json) || json.length !== 2) return undefined
  return [parseExpression(json[0] ?? null), parseExpression(json[1] ?? null)]
}
