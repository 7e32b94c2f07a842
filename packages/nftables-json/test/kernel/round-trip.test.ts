/** What is written comes back: built, committed, listed, parsed, and found to be the same. */
import { describe, expect, test } from 'vitest'
import {
  accept,
  canonical,
  match,
  meta,
  payload,
  reject,
  type TableHandle,
  Transaction,
} from '../../src/index.ts'
import { run } from '../../src/run.ts'
import { HOLDERS, RULES, TABLE, tableHolding, tableWith } from '../constructs.ts'
import { committed, scratchNetns } from './scratch.ts'

const scratch = scratchNetns('round')

async function comesBack([transaction, table]: [Transaction, TableHandle]): Promise<void> {
  expect(canonical(await committed(scratch, transaction))).toEqual(canonical(table.contents))
}

describe('a rule comes back', () => {
  test.each(Object.entries(RULES))('with %s', (_, rule) => comesBack(tableWith(rule)))
})

describe('a set or map comes back', () => {
  test.each(Object.entries(HOLDERS))('with %s', (_, add) => comesBack(tableHolding(add)))
})

describe('a rule in a table of one family comes back', () => {
  const port = match(payload('tcp', 'dport'), 80)
  const cases = {
    'ip, with its own protocol': ['ip', [match(meta('protocol'), 'ip'), port, accept]],
    'ip, with the transport in its header': ['ip', [match(payload('ip', 'protocol'), 'tcp'), port, accept]],
    'ip6, with its own protocol': ['ip6', [match(meta('protocol'), 'ip6'), port, accept]],
    'ip6, with the transport in its header': ['ip6', [match(payload('ip6', 'nexthdr'), 'tcp'), port, accept]],
    'ip, with a reject': ['ip', [port, reject()]],
    'bridge, with both': [
      'bridge',
      [match(meta('protocol'), 'ip'), match(payload('ip', 'saddr'), '10.0.0.1'), port, accept],
    ],
    'netdev, with both': ['netdev', [match(payload('ip6', 'saddr'), 'fd00::1'), port, accept]],
  } as const

  test.each(Object.entries(cases))('%s', async (_, [family, rule]) => {
    const transaction = new Transaction()
    transaction.deleteTable(TABLE)
    const table = transaction.replaceTable({ family, name: 'example' })
    table.addChain({ name: 'c' })
    table.addRule('c', rule)
    expect(await run(transaction, { netns: scratch.path })).toEqual({ kind: 'done' })
    const listed = (await scratch.list()).tables.find((listedTable) => listedTable.family === family)
    expect(listed && canonical(listed)).toEqual(canonical(table.contents))
  })
})
