/**
 * One transaction: the ordered list of commands that nft commits as one, or not at all. It is built through
 * handles on tables, which know what is there at each point. So a rule that jumps to a chain that is not there
 * is a typed error with the rule's place, and not nft's "No such file or directory".
 *
 * In nft's JSON the order counts (measured with 1.0.6): a chain, set or map comes before what refers to it.
 */
import { CommandList } from './command-list.ts'
import { Contents } from './contents.ts'
import { DanglingReference } from './errors.ts'
import type { Json } from './expression-types.ts'
import type { Listing } from './listing-types.ts'
import { checkName } from './names.ts'
import { checkComment } from './quotable.ts'
import { TableHandle } from './table-handle.ts'
import type { Command, Table, TableKey } from './types.ts'

/** See `Transaction.alike`. */
export type Alike = {
  readonly key: string
  /** Of the rules at the end that it shares with none. */
  readonly comments: readonly string[]
}

export class Transaction {
  #commands = new CommandList()
  #key: string | undefined

  /** What was added so far, in order. */
  get commands(): readonly Command[] {
    return this.#commands.all
  }

  /**
   * The table anew and empty, whether or not one stands: add, delete, add. Its packet-filtering is never away
   * in between, since the kernel commits the whole at once.
   */
  replaceTable(table: Table): TableHandle {
    checkTable(table)
    this.deleteTable(table)
    this.#commands.push({ add: { table } })
    return new TableHandle(new Contents(table), this.#commands)
  }

  /** The table if it does not stand yet. For a table that may stand with contents, use `table` with a listing. */
  addTable(table: Table): TableHandle {
    checkTable(table)
    this.#commands.push({ add: { table } })
    return new TableHandle(new Contents(table), this.#commands)
  }

  /** The table gone, whether or not one stands: add, delete (`destroy` would need nft 1.0.7). */
  deleteTable({ family, name }: TableKey): void {
    checkName(name)
    this.#commands.push({ add: { table: { family, name } } }, { delete: { table: { family, name } } })
  }

  /**
   * A handle on a table that stands, so that what the listing holds can be referred to and added to.
   * Throws DanglingReference when the listing has no such table.
   */
  table(key: TableKey, listing: Listing): TableHandle {
    const standing = listing.tables.find((table) => table.family === key.family && table.name === key.name)
    if (standing === undefined) {
      throw new DanglingReference('the transaction', 'table', `${key.family} ${key.name}`)
    }
    return new TableHandle(new Contents(standing), this.#commands)
  }

  /** What `nft -j -f -` reads: `{"nftables":[…]}`. */
  toJSON(): { readonly nftables: readonly Json[] } {
    return this.#commands.json
  }

  /** The same as text. */
  toJSONText(): string {
    return this.#commands.text
  }

  /**
   * The same, with a promise, by which `NftWorker` need not have libnftables work it out each time: all transactions of that
   * key have the same commands, but for the comments of the rules at the end that they share with none, and each is run
   * where the same stood before in all that it touches.
   */
  alike(key: string): Transaction {
    const same = new Transaction()
    same.#commands = this.#commands
    same.#key = key
    return same
  }

  /** What was promised; undefined: nothing was, or not all of these rules have comments. */
  get likeness(): Alike | undefined {
    const comments = this.#commands.ownComments
    return this.#key === undefined || comments === undefined ? undefined : { key: this.#key, comments }
  }

  /**
   * Commands that another transaction was built and checked with, as they are: for what many transactions have in common,
   * which is printed once for all. Nothing of the list may ever change.
   */
  share(commands: readonly Command[]): void {
    this.#commands.share(commands)
  }
}

function checkTable({ family, name, comment }: Table): void {
  checkName(name)
  if (comment !== undefined) checkComment(`table ${family} ${name}`, comment)
}
