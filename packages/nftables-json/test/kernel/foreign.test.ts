/** Tables that others made, with all that this package has no types for. */
import { beforeAll, describe, expect, test } from 'vitest'
import {
  accept,
  canonical,
  type ListedTable,
  parseListing,
  sameTable,
  Transaction,
  type Unknown,
} from '../../src/index.ts'
import { scratchNetns } from './scratch.ts'

const scratch = scratchNetns('foreign')

const FOREIGN = `
table inet other {
  quota q { over 5 mbytes; }
  limit l { rate 5/second; }
  ct helper h { type "ftp" protocol tcp; }
  synproxy sp { mss 1460; wscale 7; }
  set dyn { type ipv4_addr; flags dynamic,timeout; timeout 1h; }
  set with-counters { type ipv4_addr; counter; elements = { 10.0.0.1 counter packets 1 bytes 2 }; }
  set anything { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/8, 10.1.0.0/16, * }; }
  map m { type ipv4_addr : ipv4_addr . inet_service; }
  chain c {
    limit name "l"
    quota name "q"
    add @dyn { ip saddr counter }
    tcp dport 1 redirect to :8080
    snat ip to 192.0.2.1
    masquerade random
    ip saddr 10.0.0.1 meta mark set ip saddr map { 10.0.0.1 : 5 }
    meta hour "10:00"-"12:00"
    numgen random mod 2 0
    jhash ip saddr mod 2 0
    ct helper set "h"
    synproxy name "sp"
    iifname "@dyn" accept
    tcp flags syn / syn,ack,fin,rst accept
    accept
  }
}
table ip second { flags dormant; }
table arp third { chain in { type filter hook input priority 0; arp operation request accept; }; }
`

let text = ''
let tables: readonly ListedTable[] = []

beforeAll(async () => {
  await scratch.nft(['-f', '-'], FOREIGN)
  text = await scratch.nft(['-j', 'list', 'ruleset'])
  tables = parseListing(text).tables
})

describe('a listing of what others made', () => {
  test('keeps every object, statement and expression', () => {
    const [other] = tables
    expect(tables.map((table) => table.name)).toEqual(['other', 'second', 'third'])
    expect(other?.unknown.map(({ unknown }) => Object.keys(unknown as object)[0]).sort()).toEqual([
      'ct helper',
      'limit',
      'quota',
      'synproxy',
    ])
    expect(other?.chains[0]?.rules).toHaveLength(15)
    const unknown = other?.chains[0]?.rules.map(({ expr }) => expr.filter(isUnknown).map(kindOf)) ?? []
    expect(unknown.flat()).toEqual([
      'limit',
      'quota',
      'set',
      'redirect',
      'snat',
      'masquerade',
      'ct helper',
      'synproxy',
    ])
  })

  test('keeps the flag that switches a table off', () => {
    expect(tables[1]).toMatchObject({ name: 'second', other: { flags: expect.anything() } })
  })

  test('is the same as itself, and not the same once something unknown differs', () => {
    const changed = parseListing(text.replace('"mss": 1460', '"mss": 1461')).tables
    const [other] = tables
    const [otherNow] = changed
    expect(other && sameTable(other, other)).toBe(true)
    expect(other && otherNow && sameTable(other, otherNow)).toBe(false)
    expect(canonical(tables[2] as ListedTable)).toEqual(canonical(changed[2] as ListedTable))
  })

  test('can be added to, but what is unknown in it cannot be written', () => {
    const transaction = new Transaction()
    const table = transaction.table({ family: 'inet', name: 'other' }, { tables, unknown: [] })
    table.addRule('c', [accept])
    const [limited] = tables[0]?.chains[0]?.rules ?? []
    expect(() => table.addRule('c', limited?.expr ?? [])).toThrow('is unknown to this package')
  })
})

function isUnknown(node: object): node is Unknown {
  return 'unknown' in node
}

const kindOf = ({ unknown }: Unknown): string | undefined => Object.keys(unknown as object)[0]
