/** A table is not the same as one in which any one thing is different. */
import { describe, expect, test } from 'vitest'
import {
  accept,
  anonymousSet,
  type BaseChainHook,
  canonical,
  counter,
  drop,
  element,
  jump,
  match,
  meta,
  payload,
  prefix,
  sameTable,
  setRef,
  type TableHandle,
  Transaction,
  vmap,
} from '../../src/index.ts'
import { TABLE } from '../constructs.ts'
import { committed, scratchNetns } from './scratch.ts'

const scratch = scratchNetns('differ')

const hook: BaseChainHook = { type: 'filter', hook: 'input', prio: 0, policy: 'accept' }
const rules = [
  () => [
    match(meta('iifname'), 'net1'),
    match(payload('ip', 'saddr'), setRef('peers')),
    counter(),
    jump('next'),
  ],
  () => [match(payload('tcp', 'dport'), anonymousSet([80, 443])), accept],
  () => [
    vmap(meta('iifname'), [
      ['net1', accept],
      ['net2', drop],
    ]),
  ],
  () => [match(payload('ip', 'daddr'), prefix('10.0.0.0', 24)), drop],
] as const

type Parts = {
  readonly hook: BaseChainHook
  readonly peers: Parameters<TableHandle['addSet']>[0]
  readonly rules: readonly (readonly [Parameters<TableHandle['addRule']>[1], string])[]
  readonly more?: (table: TableHandle) => void
}

const base: Parts = {
  hook,
  peers: { name: 'peers', type: 'ipv4_addr', elem: ['10.0.0.1', element('10.0.0.2', { comment: 'b' })] },
  rules: rules.map((rule, n) => [rule(), `rule ${n}`]),
}

function built(parts: Parts): [Transaction, TableHandle] {
  const transaction = new Transaction()
  const table = transaction.replaceTable(TABLE)
  table.addSet(parts.peers)
  table.addChain({ name: 'next' })
  table.addChain({ name: 'in', hook: parts.hook })
  for (const [rule, comment] of parts.rules) table.addRule('in', rule, comment)
  parts.more?.(table)
  return [transaction, table]
}

const withHook = (change: Partial<BaseChainHook>): Parts => ({ ...base, hook: { ...hook, ...change } })
const withPeers = (change: Partial<Parts['peers']>): Parts => ({
  ...base,
  peers: { ...base.peers, ...change },
})
const withRule = (n: number, rule: Parts['rules'][number][0], comment = `rule ${n}`): Parts => ({
  ...base,
  rules: base.rules.with(n, [rule, comment]),
})
const withMore = (more: (table: TableHandle) => void): Parts => ({ ...base, more })

const DIFFERENT: Readonly<Record<string, Parts>> = {
  'an element more': withPeers({ elem: [...(base.peers.elem ?? []), '10.0.0.3'] }),
  'an element less': withPeers({ elem: ['10.0.0.1'] }),
  'another element': withPeers({ elem: ['10.0.0.9', element('10.0.0.2', { comment: 'b' })] }),
  "another element's comment": withPeers({ elem: ['10.0.0.1', element('10.0.0.2', { comment: 'c' })] }),
  'no comment on an element': withPeers({ elem: ['10.0.0.1', '10.0.0.2'] }),
  'another flag of a set': withPeers({ flags: ['interval'] }),
  'a size of a set': withPeers({ size: 10 }),
  'another port': withRule(1, [match(payload('tcp', 'dport'), anonymousSet([80, 444])), accept]),
  'a port more': withRule(1, [match(payload('tcp', 'dport'), anonymousSet([80, 443, 444])), accept]),
  'another protocol': withRule(1, [match(payload('udp', 'dport'), anonymousSet([80, 443])), accept]),
  'another direction of a port': withRule(1, [
    match(payload('tcp', 'sport'), anonymousSet([80, 443])),
    accept,
  ]),
  'a not': withRule(1, [match(payload('tcp', 'dport'), anonymousSet([80, 443]), '!='), accept]),
  'another verdict': withRule(1, [match(payload('tcp', 'dport'), anonymousSet([80, 443])), drop]),
  'another verdict in a map': withRule(2, [
    vmap(meta('iifname'), [
      ['net1', drop],
      ['net2', drop],
    ]),
  ]),
  'another interface in a map': withRule(2, [
    vmap(meta('iifname'), [
      ['net1', accept],
      ['net3', drop],
    ]),
  ]),
  'another key of a map': withRule(2, [
    vmap(meta('oifname'), [
      ['net1', accept],
      ['net2', drop],
    ]),
  ]),
  'another prefix length': withRule(3, [match(payload('ip', 'daddr'), prefix('10.0.0.0', 25)), drop]),
  'another prefix': withRule(3, [match(payload('ip', 'daddr'), prefix('10.0.1.0', 24)), drop]),
  'another comment': withRule(3, rules[3](), 'rule three'),
  'a counter more': withRule(3, [match(payload('ip', 'daddr'), prefix('10.0.0.0', 24)), counter(), drop]),
  'a counter before the match': withRule(3, [
    counter(),
    match(payload('ip', 'daddr'), prefix('10.0.0.0', 24)),
    drop,
  ]),
  'rules in another order': { ...base, rules: base.rules.toReversed() },
  'a rule less': { ...base, rules: base.rules.slice(1) },
  'a rule more': { ...base, rules: [...base.rules, [[drop], 'more']] },
  'a rule twice': { ...base, rules: [...base.rules, ...base.rules] },
  'another policy': withHook({ policy: 'drop' }),
  'another priority': withHook({ prio: 1 }),
  'another hook': withHook({ hook: 'output' }),
  'another type of chain': withHook({ type: 'nat' }),
  'a chain more': withMore((table) => table.addChain({ name: 'more' })),
  'a rule in another chain': withMore((table) => table.addRule('next', [drop])),
  'a set more': withMore((table) => table.addSet({ name: 'more', type: 'ipv4_addr' })),
  'a map more': withMore((table) => table.addMap({ name: 'more', type: 'ipv4_addr', map: 'verdict' })),
  'a counter of the table more': withMore((table) => table.addCounter({ name: 'more' })),
}

describe('as the kernel lists it, a table is', () => {
  test('the same as the one that was written', async () => {
    const [transaction, table] = built(base)
    expect(sameTable(await committed(scratch, transaction), table.contents)).toBe(true)
  })

  test.each(Object.entries(DIFFERENT))('not the same as one with %s', async (_, parts) => {
    const [transaction] = built(base)
    const [, other] = built(parts)
    expect(sameTable(await committed(scratch, transaction), other.contents)).toBe(false)
  })

  test('not the same once it is dormant, which nothing but a flag shows', async () => {
    const [transaction, table] = built(base)
    await committed(scratch, transaction)
    await scratch.nft(['add', 'table', 'inet', TABLE.name, '{ flags dormant; }'])
    const [listed] = (await scratch.list()).tables
    expect(listed && canonical(listed)).not.toEqual(canonical(table.contents))
  })
})
