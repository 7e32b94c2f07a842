import { describe, expect, test } from 'vitest'
import {
  accept,
  type Command,
  concat,
  counter,
  ct,
  drop,
  element,
  InvalidValue,
  jump,
  match,
  meta,
  payload,
  prefix,
  range,
  setRef,
  Transaction,
  toText,
  vmap,
} from '../../src/index.ts'

const EXAMPLE = { family: 'inet', name: 'example' } as const

test('a table made anew is printed as nft lists one', () => {
  const transaction = new Transaction()
  const table = transaction.replaceTable({ ...EXAMPLE, comment: 'digest 1234' })
  table.addSet({ name: 'peers', type: 'ipv4_addr', elem: ['10.0.0.1', '10.0.0.2'] })
  table.addSet({
    name: 'services',
    type: ['ipv4_addr', 'inet_service'],
    flags: ['interval'],
    elem: [concat(prefix('10.1.0.0', 16), range(80, 90))],
  })
  table.addChain({ name: 'in-net1' })
  table.addMap({
    name: 'dispatch',
    type: 'ifname',
    map: 'verdict',
    elem: [
      [element('net1', { comment: 'ns/nad' }), jump('in-net1')],
      ['drop', drop],
    ],
  })
  table.addChain({ name: 'in', hook: { type: 'filter', hook: 'input', prio: 0, policy: 'accept' } })
  table.addRule('in', [
    match(ct('direction'), 'reply'),
    match(ct('state'), ['established', 'related'], 'in'),
    accept,
  ])
  table.addRule('in', [vmap(meta('iifname'), setRef('dispatch'))])
  table.addRule('in-net1', [match(payload('ip', 'saddr'), setRef('peers')), counter(), accept], 'ns/policy 0')
  table.addRule('in-net1', [drop])
  table.addElements('peers', ['10.0.0.3'])
  expect(toText(transaction.commands)).toBe(`\
add table inet example
delete table inet example
table inet example {
	comment "digest 1234"

	set peers {
		type ipv4_addr
		elements = { 10.0.0.1,
			     10.0.0.2,
			     10.0.0.3 }
	}

	set services {
		type ipv4_addr . inet_service
		flags interval
		elements = { 10.1.0.0/16 . 80-90 }
	}

	map dispatch {
		type ifname : verdict
		elements = { "net1" comment "ns/nad" : jump in-net1,
			     "drop" : drop }
	}

	chain in-net1 {
		ip saddr @peers counter accept comment "ns/policy 0"
		drop
	}

	chain in {
		type filter hook input priority 0; policy accept;
		ct direction reply ct state established,related accept
		iifname vmap @dispatch
	}
}
`)
})

test('changes of a table that stands are printed one by one', () => {
  const first = new Transaction()
  const table = first.replaceTable(EXAMPLE)
  table.addChain({ name: 'c' })
  table.addSet({ name: 'links', type: 'ifname' })
  table.addMap({ name: 'dispatch', type: 'ifname', map: 'verdict' })
  const transaction = new Transaction()
  const standing = transaction.table(EXAMPLE, { tables: [table.contents], unknown: [] })
  standing.addElements('links', ['net1', 'accept'])
  standing.deleteElements('links', ['net1'])
  standing.addElements('dispatch', [['net1', jump('c')]])
  standing.flushSet('dispatch')
  standing.addRule('c', [match(meta('iifname'), setRef('links')), drop], 'why')
  standing.addChain({ name: 'd', hook: { type: 'filter', hook: 'output', prio: -5, policy: 'drop' } })
  standing.addSet({ name: 'ports', type: 'inet_service', flags: ['interval'], elem: [range(1, 9)] })
  standing.flushChain('c')
  standing.delete('set', 'links')
  transaction.deleteTable({ family: 'ip', name: 'old' })
  expect(toText(transaction.commands)).toBe(`\
add element inet example links { "net1", "accept" }
delete element inet example links { "net1" }
add element inet example dispatch { "net1" : jump c }
flush map inet example dispatch
add rule inet example c iifname @links drop comment "why"
add chain inet example d { type filter hook output priority -5; policy drop; }
add set inet example ports { type inet_service; flags interval; elements = { 1-9 }; }
flush chain inet example c
delete set inet example links
add table ip old
delete table ip old
`)
})

test('commands that no transaction makes can be printed too', () => {
  const chain = { family: 'inet', table: 'example', chain: 'c' } as const
  const commands: Command[] = [
    { flush: { ruleset: null } },
    { create: { table: EXAMPLE } },
    { insert: { rule: { ...chain, index: 2, expr: [accept] } } },
    { replace: { rule: { ...chain, handle: 7, expr: [drop], comment: 'x' } } },
    { delete: { rule: { ...chain, handle: 8 } } },
    { destroy: { table: EXAMPLE } },
    { add: { counter: { family: 'inet', table: 'example', name: 'k', packets: 1, bytes: 2 } } },
  ]
  expect(toText(commands)).toBe(`\
flush ruleset
create table inet example
insert rule inet example c index 2 accept
replace rule inet example c handle 7 drop comment "x"
delete rule inet example c handle 8
destroy table inet example
add counter inet example k { packets 1 bytes 2; }
`)
})

describe('nothing can end the place it stands in, even in commands that no transaction made', () => {
  const rule = (...expr: object[]): Command =>
    ({ add: { rule: { family: 'inet', table: 'example', chain: 'c', expr } } }) as unknown as Command
  const element = (elem: unknown): Command =>
    ({
      add: { element: { family: 'inet', table: 'example', name: 's', elem: [elem] } },
    }) as unknown as Command

  test.each<[string, Command]>([
    ['an interface', rule(match(meta('iifname'), 'a" accept; "'))],
    ['an address', rule(match(payload('ip', 'saddr'), '10.0.0.1 accept'))],
    ['a field', rule(match(payload('ip', 'saddr 10.0.0.1 accept; ip saddr' as 'saddr'), '10.0.0.1'))],
    ['a chain', rule(jump('c; accept'))],
    ['a set', rule(match(payload('ip', 'saddr'), setRef('s; accept')))],
    ['an operator', rule({ match: { op: '; accept', left: meta('mark'), right: 1 } })],
    ['a prefix', rule(match(payload('ip', 'saddr'), prefix('10.0.0.0', '8; accept' as unknown as number)))],
    ['a log prefix', rule({ log: { prefix: 'a" accept; "' } })],
    ['a log level', rule({ log: { level: 'info; accept' } })],
    ['a limit', rule({ limit: { rate: 1, per: 'second; accept' } })],
    ['an unknown statement', rule({ unknown: { accept: null } })],
    ['an element', element('x }; accept')],
    ['a comment', element({ elem: { val: 1, comment: 'a" }; accept; "' } })],
    ['a verb', { add: { table: { family: 'inet; flush ruleset' as 'inet', name: 'x' } } }],
    ['a name', { add: { table: { family: 'inet', name: 'x; flush ruleset' } } }],
    ['a type', { add: { set: { family: 'inet', table: 'example', name: 's', type: 'x; }; accept' } } }],
    [
      'a kind',
      { delete: { 'chain inet x; flush': { family: 'inet', table: 'a', name: 'b' } } } as unknown as Command,
    ],
  ])('%s', (_, command) => {
    expect(() => toText([command])).toThrow(/is no|cannot|has/)
  })

  test('an element needs its type to be quoted, and is refused without', () => {
    expect(() => toText([element('fd00::1')])).toThrow(InvalidValue)
  })
})
