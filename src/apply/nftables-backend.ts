/** nftables: one table a pod, changed in place as far as that can be. */
import {
  type ListedTable,
  parseListing,
  type Statement,
  sameTable,
  Transaction,
  tableLines,
  toText,
} from 'nftables-json'
import { listTable, listTables, listText } from 'nftables-json/run'
import { type Printed as PrintedNftables, printNftables } from '../compile/nftables/printer.ts'
import { governedBy, isOwnedBy } from '../compile/nftables/standing.ts'
import { TABLE } from '../compile/nftables/table.ts'
import type { Ruleset } from '../compile/ruleset.ts'
import type { Backend, Cleared, Dumped, Found, Governed, Known, Printed, WriteOutcome } from './backend.ts'
import { KERNEL } from './kernel-abilities.ts'
import { LISTING_BOUNDS } from './listing-bounds.ts'
import type { OpenNetns } from './netns/open-netns.ts'
import { type RunTransaction, runByProcess, writeTable } from './nftables-write.ts'

/** @param run what transactions are run by; listings are made by a process of nft in any case */
export function nftablesBackendBy(run: RunTransaction): Backend<ListedTable> {
  return { ...nftablesBackend, checks: true, print: (ruleset) => new PrintedRuleset(ruleset, run) }
}

export const nftablesBackend: Backend<ListedTable> = {
  name: 'nftables',
  print: (ruleset) => new PrintedRuleset(ruleset, runByProcess),
  read,
  isOwnedBy,
  governedBy,
  lines: tableLines,
  counters: ({ chains }) =>
    chains.flatMap(({ name: chain, rules }) =>
      rules.flatMap(({ expr, comment: rule = '' }) =>
        expr.flatMap((statement) => counterOf(statement)).map((counts) => ({ rule, chain, ...counts })),
      ),
    ),
  isAlone,
  dump,
  parseDump(files): ListedTable | undefined {
    const json = files.get('json')
    return json === undefined ? undefined : parseListing(json).tables[0]
  },
  async clear(netns, signal): Promise<Cleared> {
    const found = await read(netns, signal)
    if (found.kind === 'absent') return { kind: 'cleared', what: [] }
    const transaction = new Transaction()
    transaction.deleteTable(TABLE)
    const result = await runByProcess(transaction, { netns, signal, alone: false })
    return result.kind === 'done'
      ? { kind: 'cleared', what: [`table ${TABLE.family} ${TABLE.name}`] }
      : { kind: 'failed', reason: result.reason }
  },
}

class PrintedRuleset implements Printed<ListedTable> {
  readonly governed: Governed
  readonly #printed: PrintedNftables
  readonly #run: RunTransaction

  constructor(ruleset: Ruleset | undefined, run: RunTransaction) {
    this.#printed = printNftables(ruleset, KERNEL)
    this.#run = run
    this.governed = new Map(ruleset?.interfaces.map(({ name, networks }) => [name, networks]))
  }

  get digest(): string {
    return this.#printed.digest
  }

  lines(): readonly string[] {
    const { table } = this.#printed
    return table === undefined ? [] : tableLines(table)
  }

  texts(): ReadonlyMap<string, string> {
    return new Map([['nft', toText(this.#printed.transaction.commands)]])
  }

  isThere(found: Found<ListedTable>): boolean {
    // The table is built only where there is one to be held against.
    if (found.kind !== 'listed') return found.kind === 'absent' && this.#printed.body === undefined
    const { table } = this.#printed
    return table !== undefined && sameTable(found.listed, table)
  }

  async write(netns: OpenNetns, signal: AbortSignal, known: Known<ListedTable> = {}): Promise<WriteOutcome> {
    const stands = known.stands instanceof PrintedRuleset ? known.stands.#printed : known.found
    const { alone, expected } = known
    const printed = this.#printed
    return await writeTable({ printed, netns, signal, stands, alone, expected, run: this.#run, read })
  }
}

/** By the tables that there are; that ours is as it should be is known. */
async function isAlone(netns: OpenNetns, signal: AbortSignal): Promise<boolean> {
  const found = await listTables({ netns: netns.path, signal, bounds: LISTING_BOUNDS })
  return (
    found.kind === 'listed' &&
    found.tables.every(({ family, name }) => family === TABLE.family && name === TABLE.name)
  )
}

async function read(netns: OpenNetns, signal: AbortSignal): Promise<Found<ListedTable>> {
  const found = await listTable(TABLE, { netns: netns.path, signal, bounds: LISTING_BOUNDS })
  if (found.kind === 'absent') return found
  if (found.kind !== 'listed')
    return { kind: 'failed', reason: found.reason, tooLarge: found.kind === 'too-large' }
  const [listed] = found.listing.tables
  return listed === undefined ? { kind: 'absent' } : { kind: 'listed', listed }
}

/** nft's own text for people, and its JSON to be read again; an empty text where no table of ours stands. */
async function dump(netns: OpenNetns, signal: AbortSignal): Promise<Dumped> {
  const texts = await Promise.all(
    (['text', 'json'] as const).map((form) =>
      listText(TABLE, form, { netns: netns.path, signal, bounds: LISTING_BOUNDS }),
    ),
  )
  const [text, json] = texts
  if (text?.kind === 'listed' && json?.kind === 'listed') {
    const files: readonly (readonly [string, string])[] = [
      ['nft', text.text],
      ['json', json.text],
    ]
    return { kind: 'dumped', files: new Map(files) }
  }
  const failed = texts.find((each) => each.kind !== 'listed' && each.kind !== 'absent')
  return failed === undefined
    ? { kind: 'dumped', files: new Map([['nft', '']]) }
    : { kind: 'failed', reason: failed.reason }
}

function counterOf(statement: Statement): readonly { readonly packets: number; readonly bytes: number }[] {
  if (!('counter' in statement) || statement.counter === null || typeof statement.counter !== 'object')
    return []
  const { packets = 0, bytes = 0 } = statement.counter
  return [{ packets, bytes }]
}
