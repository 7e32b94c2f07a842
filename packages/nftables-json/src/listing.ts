/**
 * What `nft -j list table` and `nft -j list ruleset` print, as nested objects. A listing may hold tables of
 * others, of newer nft, or made by iptables-nft: nothing of that is dropped and nothing of it is an error.
 */
import type { Expression, Json, Unknown } from './expression-types.ts'
import type { Listed, ListedChain, ListedRule, ListedTable, Listing } from './listing-types.ts'
import { parseExpression, parsePair, parseStatement } from './parse-expression.ts'
import { fits, isObject, type JsonObject, others } from './shapes.ts'
import type { BaseChainHook, Counter, NamedMap, NamedSet } from './types.ts'

/**
 * The listing in a text, or in what `JSON.parse` made of one. Throws SyntaxError when the text is no JSON, and
 * TypeError when it is no listing (no object with an array `nftables`).
 */
export function parseListing(json: unknown): Listing {
  const root: unknown = typeof json === 'string' ? JSON.parse(json) : json
  const objects = isObject(root) ? root['nftables'] : undefined
  if (!Array.isArray(objects)) throw new TypeError('not a listing of nft: no array "nftables"')
  const drafts = new Drafts()
  for (const object of objects) drafts.add(object)
  return drafts.listing
}

type Draft = {
  readonly head: Pick<ListedTable, 'family' | 'name' | 'handle' | 'comment' | 'other'>
  readonly chains: Map<string, Omit<ListedChain, 'rules'> & { readonly rules: ListedRule[] }>
  readonly sets: Listed<NamedSet>[]
  readonly maps: Listed<NamedMap>[]
  readonly counters: Listed<Counter>[]
  readonly unknown: Unknown[]
}

/** Tables while they are being filled. nft lists a table before what is in it, and chains before rules. */
class Drafts {
  readonly #tables = new Map<string, Draft>()
  readonly #unknown: Unknown[] = []

  get listing(): Listing {
    const tables = [...this.#tables.values()].map(
      ({ head, chains, sets, maps, counters, unknown }): ListedTable => ({
        ...head,
        chains: [...chains.values()],
        sets,
        maps,
        counters,
        unknown,
      }),
    )
    return { tables, unknown: this.#unknown }
  }

  add(object: Json): void {
    const [kind, ...more] = isObject(object) ? Object.keys(object) : []
    const body = isObject(object) ? object[kind ?? ''] : undefined
    if (kind === undefined || more.length > 0 || !isObject(body)) {
      this.#unknown.push({ unknown: object })
    } else if (kind === 'table' && typeof body['name'] === 'string') {
      this.#addTable(body)
    } else if (kind !== 'metainfo') {
      this.#addToTable(kind, body)
    }
  }

  #addTable(body: JsonObject): void {
    const { family, name } = body
    const head = { family, name, ...common(body, ['family', 'name']) } as Draft['head']
    const draft: Draft = { head, chains: new Map(), sets: [], maps: [], counters: [], unknown: [] }
    this.#tables.set(`${family} ${name}`, draft)
  }

  #addToTable(kind: string, body: JsonObject): void {
    const draft = this.#tables.get(`${body['family']} ${body['table']}`)
    const added = draft !== undefined && addObject(draft, kind, body)
    if (!added) (draft?.unknown ?? this.#unknown).push({ unknown: { [kind]: body } })
  }
}

/** Whether the object has a type here, and is in the table now. */
function addObject(draft: Draft, kind: string, body: JsonObject): boolean {
  const { name, chain } = body
  if (kind === 'rule') {
    const rules = typeof chain === 'string' ? draft.chains.get(chain)?.rules : undefined
    const { expr } = body
    if (rules === undefined || !Array.isArray(expr)) return false
    rules.push({ expr: expr.map(parseStatement), ...common(body, ['family', 'table', 'chain', 'expr']) })
    return true
  }
  if (typeof name !== 'string') return false
  switch (kind) {
    case 'chain':
      draft.chains.set(name, { name, ...parseHook(body), rules: [] })
      return true
    case 'set':
      return pushHolder(draft.sets, body)
    case 'map':
      return isSetType(body['map']) && pushHolder(draft.maps, body)
    case 'counter':
      draft.counters.push({
        name,
        ...counts(body),
        ...common(body, ['family', 'table', 'name', 'packets', 'bytes']),
      })
      return true
    default:
      return false
  }
}

/** nft 1.0.6 does not list the device of a chain at ingress. */
function parseHook(body: JsonObject): Omit<ListedChain, 'name' | 'rules'> {
  const { type, hook, prio, policy, dev } = body
  const isBase = typeof type === 'string' && typeof hook === 'string' && typeof prio === 'number'
  const names = ['family', 'table', 'name']
  if (!isBase) return common(body, names)
  const device = typeof dev === 'string' ? { dev } : {}
  const base = { type, hook, prio, policy: policy ?? 'accept', ...device } as BaseChainHook
  const known = [...names, 'type', 'hook', 'prio', 'policy', ...Object.keys(device)]
  return { hook: base, ...common(body, known) }
}

const HOLDER = [
  'family',
  'table',
  'name',
  'type',
  'map',
  'flags',
  'policy',
  'timeout',
  'gc-interval',
  'size',
  'elem',
]

function pushHolder(holders: Listed<NamedSet>[] | Listed<NamedMap>[], body: JsonObject): boolean {
  const { elem = [], flags, family: _, table: __, ...rest } = body
  if (!isSetType(body['type']) || !Array.isArray(elem)) return false
  const pairs = 'map' in body
  const elements = elem.map((element): Expression | readonly Expression[] =>
    pairs ? (parsePair(element) ?? { unknown: element }) : parseExpression(element),
  )
  const known = Object.fromEntries(Object.entries(rest).filter(([name]) => HOLDER.includes(name)))
  const listed = {
    ...known,
    ...(flags === undefined ? {} : { flags: Array.isArray(flags) ? flags : [flags] }),
    ...(elements.length === 0 ? {} : { elem: elements }),
    ...common(body, HOLDER),
  }
  ;(holders as unknown[]).push(listed)
  return true
}

function isSetType(type: Json | undefined): boolean {
  return typeof type === 'string' || (Array.isArray(type) && type.every((part) => typeof part === 'string'))
}

function counts(body: JsonObject): Pick<Counter, 'packets' | 'bytes'> {
  const { packets = 0, bytes = 0 } = body
  return fits({ packets, bytes }, { packets: 'number', bytes: 'number' })
    ? { packets: Number(packets), bytes: Number(bytes) }
    : {}
}

/** Handle and comment, and under `other` what is not among the known properties. */
function common(
  body: JsonObject,
  known: readonly string[],
): { readonly handle?: number; readonly comment?: string; readonly other?: JsonObject } {
  const { handle, comment } = body
  const other = others(body, [...known, 'handle', 'comment'])
  return {
    ...(typeof handle === 'number' ? { handle } : {}),
    ...(typeof comment === 'string' ? { comment } : {}),
    ...(other === undefined ? {} : { other }),
  }
}
