/**
 * Transactions as the kernel commits them, to tables that the interpreter can run packets through; and what packets see
 * that are on their way meanwhile. What the kernel refuses throws here.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Transaction } from 'nftables-json'
import { type InterpretedPacket, interpret, type Table, type Verdict } from '../../nft-interpreter.ts'

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
type Body = { readonly [key: string]: Json }

export interface SetObject {
  /** All but the elements. */
  readonly head: Body
  readonly slow: boolean
  readonly elements: readonly Json[]
  /** The same for as long as the set is the same object. */
  readonly id: object
}

interface Rule {
  readonly expr: readonly Json[]
  readonly comment: Json
  /** The same for as long as the rule stands. */
  readonly id: object
}

interface Chain {
  readonly head: Body
  readonly rules: readonly Rule[]
}

/** A table as it stands between two transactions. */
export interface State {
  readonly sets: ReadonlyMap<string, SetObject>
  readonly chains: ReadonlyMap<string, Chain>
}

export const NOTHING: State = { sets: new Map(), chains: new Map() }

export function commit(before: State, transaction: Transaction): State {
  const sets = new Map(before.sets)
  const chains = new Map(before.chains)
  for (const command of transaction.toJSON().nftables as readonly Body[]) {
    const [[verb, object] = ['', {}]] = Object.entries(command)
    const [[kind, body] = ['', {}]] = Object.entries(object as Body)
    run(`${verb} ${kind}`, body as Body, sets, chains)
  }
  for (const [name, { rules }] of chains) checkReferences(name, rules, sets, chains)
  return { sets, chains }
}

function run(what: string, body: Body, sets: Map<string, SetObject>, chains: Map<string, Chain>): void {
  const name = String(body['chain'] ?? body['name'])
  const chain = chains.get(name)
  const set = sets.get(name)
  const elements = (body['elem'] ?? []) as readonly Json[]
  switch (what) {
    case 'add table':
      return
    case 'delete table':
      sets.clear()
      chains.clear()
      return
    case 'add set': {
      refuse(set !== undefined, `the set ${name} is there`)
      const { elem: _, ...head } = body
      const slow = JSON.stringify(head['flags'] ?? null).includes('interval')
      sets.set(name, { head, slow, elements, id: {} })
      return
    }
    case 'delete set':
      refuse(set === undefined || isUsed('ref', `@${name}`, chains), `the set ${name} is used, or not there`)
      sets.delete(name)
      return
    case 'add element':
    case 'delete element': {
      if (set === undefined) throw new Error(`refused: no set ${name}`)
      const others = set.elements.filter((each) => !elements.some((one) => isDeepStrictEqual(one, each)))
      const there = set.elements.length - others.length
      refuse(there !== (what === 'add element' ? 0 : elements.length), `elements of ${name}`)
      sets.set(name, { ...set, elements: what === 'add element' ? [...others, ...elements] : others })
      return
    }
    case 'add chain':
      refuse(chain !== undefined, `the chain ${name} is there`)
      chains.set(name, { head: body, rules: [] })
      return
    case 'flush chain':
      refuse(chain === undefined, `no chain ${name}`)
      chains.set(name, { head: chain?.head ?? {}, rules: [] })
      return
    case 'delete chain':
      refuse(
        chain === undefined || chain.rules.length > 0 || isUsed('target', name, chains),
        `the chain ${name} is used`,
      )
      chains.delete(name)
      return
    case 'add rule': {
      if (chain === undefined) throw new Error(`refused: no chain ${name}`)
      const rule = { expr: body['expr'] as readonly Json[], comment: body['comment'] ?? null, id: {} }
      checkReferences(name, [rule], sets, chains)
      chains.set(name, { ...chain, rules: [...chain.rules, rule] })
      return
    }
    default:
      throw new Error(`no such command: ${what}`)
  }
}

function refuse(when: boolean, why: string): void {
  if (when) throw new Error(`refused: ${why}`)
}

function isUsed(key: 'ref' | 'target', name: string, chains: ReadonlyMap<string, Chain>): boolean {
  return [...chains.values()].some(({ rules }) =>
    rules.some(({ expr }) =>
      key === 'ref'
        ? JSON.stringify(expr).includes(JSON.stringify(name))
        : JSON.stringify(expr).includes(`"target":"${name}"`),
    ),
  )
}

function checkReferences(
  where: string,
  rules: readonly Rule[],
  sets: ReadonlyMap<string, SetObject>,
  chains: ReadonlyMap<string, Chain>,
): void {
  const text = JSON.stringify(rules.map(({ expr }) => expr))
  for (const [, set = ''] of text.matchAll(/"right":"@([^"]+)"/g))
    refuse(!sets.has(set), `${where}: no set ${set}`)
  for (const [, target = ''] of text.matchAll(/"target":"([^"]+)"/g))
    refuse(!chains.has(target), `${where}: no chain ${target}`)
}

/** What the kernel would list, less what says nothing: to be compared. */
export function listed({ sets, chains }: State): unknown {
  const byName = <T>(objects: ReadonlyMap<string, T>, form: (object: T) => unknown): unknown =>
    Object.fromEntries(
      [...objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, each]) => [name, form(each)]),
    )
  return {
    sets: byName(sets, ({ head, elements }) => ({
      head,
      elem: elements.map((each) => JSON.stringify(each)).sort(),
    })),
    chains: byName(chains, ({ head, rules }) => ({
      head,
      rules: rules.map(({ expr, comment }) => ({ expr, comment })),
    })),
  }
}

export function verdict(state: State, packet: InterpretedPacket): Verdict {
  return interpret(
    tableOf(state, ({ elements }) => elements),
    packet,
  )
}

/**
 * What may become of a packet in the moment of a commit. It began before and has the old rules, and comes to sets that are
 * still there as they were up to one lookup, and as they are from then on; or it has the new rules, and new intervals are
 * not to be found yet.
 */
export function verdictsMeanwhile(
  before: State,
  after: State,
  packet: InterpretedPacket,
): ReadonlySet<Verdict> {
  const verdicts = new Set<Verdict>()
  const changed = [...before.sets].some(([name, { id, elements }]) => {
    const now = after.sets.get(name)
    return now?.id === id && now.elements !== elements
  })
  for (let turn = 0; turn < (changed ? MOST_LOOKUPS : 1); turn++) {
    let lookups = 0
    const old = tableOf(before, (set, name) => {
      const now = after.sets.get(name)
      lookups += 1
      return now?.id === set.id && lookups > turn ? now.elements : set.elements
    })
    verdicts.add(interpret(old, packet))
    if (lookups < turn) break
  }
  const stood = new Set([...before.chains.values()].flatMap(({ rules }) => rules.map(({ id }) => id)))
  const late = tableOf(
    after,
    (set, name) => {
      const old = before.sets.get(name)
      if (!set.slow || old?.elements === set.elements) return set.elements
      return old?.id === set.id ? old.elements : []
    },
    (rule) => (stood.has(rule.id) ? rule.expr : (emptied(rule.expr as Json) as readonly Json[])),
  )
  return verdicts.add(interpret(late, packet))
}

const MOST_LOOKUPS = 40

/** The rule with nothing in its sets of intervals. */
function emptied(json: Json): Json {
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map(emptied)
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [
      key,
      key === 'set' && /"(?:range|prefix)"|\*"/.test(JSON.stringify(value)) ? [] : emptied(value),
    ]),
  )
}

function tableOf(
  { sets, chains }: State,
  elementsOf: (set: SetObject, name: string) => readonly Json[],
  exprOf: (rule: Rule) => readonly Json[] = ({ expr }) => expr,
): Table {
  return {
    chains: new Map(
      [...chains].map(([name, { head, rules }]) => [
        name,
        { hook: head['hook'] === undefined ? undefined : String(head['hook']), rules: rules.map(exprOf) },
      ]),
    ),
    sets: new Asked(sets, elementsOf),
  }
}

/** Sets whose elements are looked up when they are asked for. */
class Asked extends Map<string, readonly Json[]> {
  readonly #sets: ReadonlyMap<string, SetObject>
  readonly #elementsOf: (set: SetObject, name: string) => readonly Json[]

  constructor(
    sets: ReadonlyMap<string, SetObject>,
    elementsOf: (set: SetObject, name: string) => readonly Json[],
  ) {
    super()
    this.#sets = sets
    this.#elementsOf = elementsOf
  }

  override get(name: string): readonly Json[] | undefined {
    const set = this.#sets.get(name)
    return set === undefined ? undefined : this.#elementsOf(set, name)
  }
}
