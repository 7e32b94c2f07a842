/** The text and the JSON of one transaction, loaded into two netns, list the same. */
import { describe, expect, test } from 'vitest'
import { parseListing, prefix, type TableHandle, Transaction, toText } from '../../src/index.ts'
import { HOLDERS, RULES, TABLE, tableHolding, tableWith } from '../constructs.ts'
import { committed, scratchNetns } from './scratch.ts'

const byJson = scratchNetns('json')
const byText = scratchNetns('text')

async function bothListTheSame(...transactions: Transaction[]): Promise<void> {
  for (const transaction of transactions) {
    await committed(byJson, transaction)
    await byText.nft(['-f', '-'], toText(transaction.commands))
  }
  expect(await listedBy(byText)).toEqual(await listedBy(byJson))
}

/** As nft prints it, less the numbers that every load changes. */
async function listedBy(scratch: typeof byJson): Promise<unknown> {
  const listed: string = await scratch.nft(['-j', 'list', 'ruleset'])
  expect(parseListing(listed).tables).toHaveLength(1)
  return JSON.parse(listed.replace(/"(?:handle|expires)": [0-9]+/g, '"handle": 0'))
}

const only = ([transaction]: [Transaction, TableHandle]): Transaction => transaction

describe('text and JSON list the same', () => {
  test.each(Object.entries(RULES))('with a rule of %s', (_, rule) =>
    bothListTheSame(only(tableWith(rule, 'a; comment } # of $all \\ kinds'))),
  )

  test.each(Object.entries(HOLDERS))('with %s', (_, add) => bothListTheSame(only(tableHolding(add))))

  test('with a base chain', async () => {
    const transaction = new Transaction()
    const table = transaction.replaceTable(TABLE)
    table.addChain({ name: 'in', hook: { type: 'filter', hook: 'input', prio: -5, policy: 'drop' } })
    table.addChain({
      name: 'dev',
      hook: { type: 'filter', hook: 'ingress', prio: 1, policy: 'accept', dev: 'lo' },
    })
    await bothListTheSame(transaction)
  })

  test('after elements came and went', async () => {
    const first = new Transaction()
    const table = first.replaceTable(TABLE)
    table.addSet({ name: 'nets', type: 'ipv4_addr', flags: ['interval'], elem: [prefix('10.0.0.0', 8)] })
    table.addSet({ name: 'links', type: 'ifname', elem: ['drop', 'net1'] })
    table.addMap({ name: 'dispatch', type: 'ifname', map: 'verdict', elem: [['net1', { drop: null }]] })
    const then = new Transaction()
    const standing = then.table(TABLE, { tables: [table.contents], unknown: [] })
    standing.deleteElements('nets', [prefix('10.0.0.0', 8)])
    standing.addElements('nets', [prefix('10.1.0.0', 16), '192.0.2.1'])
    standing.deleteElements('links', ['drop'])
    standing.addElements('links', ['accept', '1'])
    standing.deleteElements('dispatch', ['net1'])
    standing.addElements('dispatch', [['net2', { accept: null }]])
    await bothListTheSame(first, then)
  })
})
