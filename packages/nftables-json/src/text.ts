/**
 * A transaction as a script for `nft -f -`, to be read by people and loaded by nft with the same result as the
 * JSON. A table that is made anew is printed as `nft list` would:
 *
 *     add table inet example
 *     delete table inet example
 *     table inet example {
 *     	set peers {
 *     		type ipv4_addr
 *     		elements = { 10.0.0.1, 10.0.0.2 }
 *     	}
 *
 *     	chain in {
 *     		type filter hook input priority 0; policy accept;
 *     		ip saddr @peers accept comment "peers"
 *     	}
 *     }
 */
import { isDeepStrictEqual } from 'node:util'
import { commandText } from './text-command.ts'
import { TableBlock } from './text-table.ts'
import type { Command, Table, TableKey } from './types.ts'

/** The script, ending in a line break. Throws a TransactionError for what nft's text cannot hold. */
export function toText(commands: readonly Command[]): string {
  const lines: string[] = []
  let block: TableBlock | undefined
  for (const [n, command] of commands.entries()) {
    if (block?.take(command)) continue
    if (block !== undefined) lines.push(block.text)
    const table = tableMadeAnew(commands, n)
    block = table === undefined ? undefined : new TableBlock(table)
    if (table === undefined) lines.push(commandText(command))
  }
  if (block !== undefined) lines.push(block.text)
  return lines.map((line) => `${line}\n`).join('')
}

/** The table that the n-th command adds, if it was deleted just before: then all that is in it is to come. */
function tableMadeAnew(commands: readonly Command[], n: number): Table | undefined {
  const table = addedTable(commands[n])
  const before = commands[n - 1]
  if (table === undefined || before === undefined || !('delete' in before)) return undefined
  if (!('table' in before.delete)) return undefined
  const key: TableKey = { family: table.family, name: table.name }
  return isDeepStrictEqual(before.delete.table, key) ? table : undefined
}

function addedTable(command: Command | undefined): Table | undefined {
  return command !== undefined && 'add' in command && 'table' in command.add ? command.add.table : undefined
}
