import { describe, expect, test } from 'vitest'
import {
  accept,
  concat,
  continue_,
  DanglingReference,
  DuplicateName,
  drop,
  goto_,
  InvalidName,
  InvalidText,
  InvalidValue,
  jump,
  log,
  match,
  meta,
  payload,
  prefix,
  setRef,
  type TableHandle,
  Transaction,
  vmap,
} from '../../src/index.ts'

const EXAMPLE = { family: 'inet', name: 'example' } as const
const saddr = payload('ip', 'saddr')

function table(): TableHandle {
  const handle = new Transaction().replaceTable(EXAMPLE)
  handle.addChain({ name: 'c' })
  return handle
}

/** The error that the function throws. */
function refusal(act: () => void): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}

describe('a transaction', () => {
  test('is the commands in order', () => {
    const transaction = new Transaction()
    const handle = transaction.replaceTable(EXAMPLE)
    handle.addSet({ name: 'peers', type: 'ipv4_addr', elem: ['10.0.0.1'] })
    handle.addChain({ name: 'in', hook: { type: 'filter', hook: 'input', prio: 0, policy: 'accept' } })
    handle.addRule('in', [match(saddr, setRef('peers')), accept], 'peers')
    transaction.deleteTable({ family: 'ip', name: 'old' })
    const where = { family: 'inet', table: 'example' }
    expect(transaction.toJSON()).toEqual({
      nftables: [
        { add: { table: EXAMPLE } },
        { delete: { table: EXAMPLE } },
        { add: { table: EXAMPLE } },
        { add: { set: { ...where, name: 'peers', type: 'ipv4_addr', elem: ['10.0.0.1'] } } },
        {
          add: { chain: { ...where, name: 'in', type: 'filter', hook: 'input', prio: 0, policy: 'accept' } },
        },
        {
          add: {
            rule: {
              ...where,
              chain: 'in',
              comment: 'peers',
              expr: [
                {
                  match: { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right: '@peers' },
                },
                { accept: null },
              ],
            },
          },
        },
        { add: { table: { family: 'ip', name: 'old' } } },
        { delete: { table: { family: 'ip', name: 'old' } } },
      ],
    })
  })

  test('leaves out empty lists of elements, which nft does not take', () => {
    const transaction = new Transaction()
    const handle = transaction.replaceTable(EXAMPLE)
    handle.addSet({ name: 's', type: 'ipv4_addr', elem: [] })
    handle.addElements('s', [])
    handle.deleteElements('s', [])
    expect(transaction.commands.slice(3)).toEqual([
      { add: { set: { family: 'inet', table: 'example', name: 's', type: 'ipv4_addr' } } },
    ])
  })

  test('appends nothing when it refuses', () => {
    const transaction = new Transaction()
    const handle = transaction.replaceTable(EXAMPLE)
    const before = transaction.commands.length
    expect(() => handle.addRule('nowhere', [accept])).toThrow(DanglingReference)
    expect(() => handle.addSet({ name: 's', type: 'ipv4_addr', elem: ['x'] })).toThrow(InvalidValue)
    expect(transaction.commands).toHaveLength(before)
    expect(handle.contents.sets).toEqual([])
  })
})

describe('a reference to what is not there is refused', () => {
  test.each<[string, (handle: TableHandle) => void, Partial<DanglingReference>]>([
    ['a rule', (h) => h.addRule('d', [accept]), { referent: 'chain', to: 'd' }],
    ['a jump', (h) => h.addRule('c', [jump('d')]), { referent: 'chain', to: 'd' }],
    ['a goto', (h) => h.addRule('c', [goto_('d')]), { referent: 'chain', to: 'd' }],
    ['a verdict map', (h) => h.addRule('c', [vmap(saddr, [['10.0.0.1', jump('d')]])]), { referent: 'chain' }],
    ['a set', (h) => h.addRule('c', [match(saddr, setRef('s')), accept]), { referent: 'set', to: 's' }],
    ['a map', (h) => h.addRule('c', [vmap(saddr, setRef('m'))]), { referent: 'map', to: 'm' }],
    ['a counter', (h) => h.addRule('c', [{ counter: 'k' }]), { referent: 'counter', to: 'k' }],
    ['new elements', (h) => h.addElements('s', ['10.0.0.1']), { referent: 'set', to: 's' }],
    ['elements to delete', (h) => h.deleteElements('s', ['10.0.0.1']), { referent: 'set', to: 's' }],
    ['a flush', (h) => h.flushSet('s'), { referent: 'set', to: 's' }],
    ['a delete', (h) => h.delete('chain', 'd'), { referent: 'chain', to: 'd' }],
    [
      "a map's element",
      (h) => h.addMap({ name: 'm', type: 'ifname', map: 'verdict', elem: [['x', jump('d')]] }),
      { referent: 'chain', to: 'd' },
    ],
    [
      'what was deleted',
      (h) => {
        h.delete('chain', 'c')
        h.addRule('c', [accept])
      },
      { referent: 'chain', to: 'c' },
    ],
  ])('by %s', (_, act, expected) => {
    const error = refusal(() => act(table()))
    expect(error).toBeInstanceOf(DanglingReference)
    expect(error).toMatchObject(expected)
  })

  test('by a set where only a map will do', () => {
    const handle = table()
    handle.addSet({ name: 's', type: 'ipv4_addr' })
    expect(() => handle.addRule('c', [vmap(saddr, setRef('s'))])).toThrow(DanglingReference)
  })

  test('with a message that says who refers to what', () => {
    const handle = table()
    handle.addRule('c', [accept])
    expect(() => handle.addRule('c', [jump('d')])).toThrow(
      'rule 2 of chain c of table inet example refers to chain "d", which is not there at that point',
    )
  })

  test('also when it comes before what it refers to', () => {
    const handle = table()
    expect(() => handle.addRule('c', [jump('later')])).toThrow(DanglingReference)
    handle.addChain({ name: 'later' })
    expect(() => handle.addRule('c', [jump('later')])).not.toThrow()
  })

  test('and so is a jump to a base chain', () => {
    const handle = table()
    handle.addChain({ name: 'base', hook: { type: 'filter', hook: 'input', prio: 0, policy: 'accept' } })
    expect(() => handle.addRule('c', [jump('base')])).toThrow('is a base chain')
  })
})

describe('a table that stands', () => {
  const standing = (): TableHandle => {
    const handle = table()
    handle.addSet({ name: 'peers', type: 'ipv4_addr', elem: ['10.0.0.1', '10.0.0.2'] })
    return new Transaction().table(EXAMPLE, { tables: [handle.contents], unknown: [] })
  }

  test('can be referred to and added to', () => {
    const handle = standing()
    handle.addElements('peers', ['10.0.0.3'])
    handle.deleteElements('peers', [prefix('10.0.0.1', 32)])
    handle.addRule('c', [match(saddr, setRef('peers')), drop])
    expect(handle.contents.sets[0]?.elem).toEqual(['10.0.0.2', '10.0.0.3'])
    expect(handle.contents.chains[0]?.rules).toHaveLength(1)
  })

  test('is not changed itself', () => {
    const before = table()
    const listing = { tables: [before.contents], unknown: [] }
    new Transaction().table(EXAMPLE, listing).addRule('c', [drop])
    expect(listing.tables[0]?.chains[0]?.rules).toEqual([])
  })

  test('knows the names that are taken', () => {
    expect(() => standing().addChain({ name: 'c' })).toThrow(DuplicateName)
    expect(() => standing().addMap({ name: 'peers', type: 'ifname', map: 'verdict' })).toThrow(DuplicateName)
  })

  test('is seen as it was when it was asked for', () => {
    const handle = table()
    const before = handle.contents
    handle.addRule('c', [drop])
    expect(before.chains[0]?.rules).toEqual([])
  })

  test('has sets that are no maps, and maps that are no sets', () => {
    expect(() => standing().delete('map', 'peers')).toThrow(DanglingReference)
    expect(() => standing().delete('set', 'peers')).not.toThrow()
  })

  test('must be in the listing', () => {
    expect(() => new Transaction().table(EXAMPLE, { tables: [], unknown: [] })).toThrow(DanglingReference)
  })
})

describe('names', () => {
  test.each(['', '1a', '-a', 'a b', 'a;b', 'a"b', 'a\nb', 'é', '@a', 'drop', 'tcp', 'x'.repeat(256)])(
    'cannot be %j',
    (name) => {
      expect(() => table().addChain({ name })).toThrow(InvalidName)
      expect(() => table().addSet({ name, type: 'ipv4_addr' })).toThrow(InvalidName)
      expect(() => new Transaction().replaceTable({ family: 'inet', name })).toThrow(InvalidName)
      expect(() => new Transaction().deleteTable({ family: 'inet', name })).toThrow(InvalidName)
    },
  )

  test.each(['a', 'input', 'a/b.c-d_e', 'x'.repeat(255)])('can be %j', (name) => {
    expect(() => table().addChain({ name })).not.toThrow()
  })

  test('cannot be given twice, be it to a chain, a set or a map', () => {
    const handle = table()
    handle.addSet({ name: 's', type: 'ipv4_addr' })
    handle.addCounter({ name: 'k' })
    expect(() => handle.addChain({ name: 'c' })).toThrow('the table inet example has a chain "c" already')
    expect(() => handle.addSet({ name: 's', type: 'ipv4_addr' })).toThrow(DuplicateName)
    expect(() => handle.addMap({ name: 's', type: 'ipv4_addr', map: 'verdict' })).toThrow(DuplicateName)
    expect(() => handle.addCounter({ name: 'k' })).toThrow(DuplicateName)
  })
})

describe('free text', () => {
  test.each(['say "x"', 'a\nb', 'a\0b', 'half \ud800', '\u2028', 'x'.repeat(129), 'é'.repeat(65)])(
    'cannot be %j in a comment',
    (comment) => {
      expect(() => table().addRule('c', [accept], comment)).toThrow(InvalidText)
      expect(() => table().addChain({ name: 'd', comment })).toThrow(InvalidText)
      const elem = [{ elem: { val: '10.0.0.1', comment } }]
      expect(() => table().addSet({ name: 's', type: 'ipv4_addr', elem })).toThrow(InvalidText)
    },
  )

  test.each(['', "it's; a {comment} # \\ $x @y *", 'x'.repeat(128), 'é'.repeat(64)])(
    'can be %j in a comment',
    (comment) => {
      expect(() => table().addRule('c', [accept], comment)).not.toThrow()
    },
  )

  test.each(['$x', 'a"b', 'a\nb', 'x'.repeat(128)])('cannot be %j in a log prefix', (text) => {
    expect(() => table().addRule('c', [log({ prefix: text })])).toThrow(InvalidText)
  })
})

describe('values that nft would take for something else are refused', () => {
  test.each([
    ['an interface that looks like a set', meta('iifname'), '@peers'],
    ['an interface that looks like a wildcard', meta('iifname'), 'eth*'],
    ['an interface that looks like an escaped wildcard', meta('iifname'), 'eth\\*'],
    ['an interface that looks like a protocol', meta('iifname'), 'tcp'],
    ['an interface with a quote', meta('iifname'), 'a"; drop; "'],
    ['an interface with a line break', meta('iifname'), 'a\nb'],
    ['an interface with too long a name', meta('iifname'), 'x'.repeat(16)],
    ['an interface without a name', meta('iifname'), ''],
    ['a host name', saddr, 'example.org'],
    ['an IPv6 address for IPv4', saddr, 'fd00::1'],
    ['an IPv4 address for IPv6', payload('ip6', 'saddr'), '10.0.0.1'],
    ['an IPv6 address with a zone', payload('ip6', 'saddr'), 'fe80::1%eth0'],
    ['text after an address', saddr, '10.0.0.1; drop'],
    ['a prefix that is too long', saddr, prefix('10.0.0.0', 33)],
    ['a prefix that is none', saddr, prefix('10.0.0.0', 1.5)],
    ['a prefix of a port', payload('tcp', 'dport'), prefix(80, 8)],
    ['a service by its name', payload('tcp', 'dport'), 'http'],
    ['a port that is too high', payload('tcp', 'dport'), 65536],
    ['a port below zero', payload('tcp', 'dport'), -1],
    ['a mark below zero, which nft takes for its absolute', meta('mark'), -1],
    ['a mark that is not whole', meta('mark'), 1.5],
    ['a protocol that is none', meta('l4proto'), 'tcpp'],
    ['a wildcard of an address', saddr, { wildcard: '10.' }],
    ['an empty wildcard', meta('iifname'), { wildcard: '' }],
    ['a set within a set', saddr, { set: [setRef('peers')] }],
    ['an empty set', saddr, { set: [] }],
    ['a list where there are no bits', saddr, ['10.0.0.1', '10.0.0.2']],
    ['a concatenation of too few', concat(saddr, payload('tcp', 'dport')), { set: [concat('10.0.0.1')] }],
    ['what is unknown', saddr, { unknown: { new: 1 } }],
    ['a symbol that is none', meta('length'), 'a b'],
  ])('%s', (_, key, value) => {
    const handle = table()
    handle.addSet({ name: 'peers', type: 'ipv4_addr' })
    expect(refusal(() => handle.addRule('c', [match(key, value), accept]))).toBeInstanceOf(InvalidValue)
  })

  test('a constant for a key', () => {
    expect(() => table().addRule('c', [match('10.0.0.1', '10.0.0.1')])).toThrow('is no key')
  })

  test('a word that is none', () => {
    const key = { payload: { protocol: 'tcp', field: 'dport accept; drop' } } as const
    expect(() => table().addRule('c', [match(key, 80)])).toThrow(InvalidValue)
  })

  test('numbers below zero, which nft takes for their absolutes', () => {
    const handle = table()
    expect(() => handle.addRule('c', [{ counter: { packets: -1, bytes: 0 } }])).toThrow(InvalidValue)
    expect(() => handle.addCounter({ name: 'k', packets: -1 })).toThrow(InvalidValue)
    expect(() => handle.addSet({ name: 's', type: 'ipv4_addr', size: -1 })).toThrow(InvalidValue)
    expect(() => handle.addSet({ name: 's', type: 'ipv4_addr', timeout: 0.5 })).toThrow(InvalidValue)
  })

  test('a type, a flag or a hook that is no word', () => {
    const handle = table()
    expect(() => handle.addSet({ name: 's', type: 'ipv4_addr; }' })).toThrow(InvalidValue)
    expect(() =>
      handle.addSet({ name: 's', type: 'ipv4_addr', flags: ['interval; x' as 'interval'] }),
    ).toThrow(InvalidValue)
    const hook = { type: 'filter', hook: 'input; x' as 'input', prio: 0, policy: 'accept' } as const
    expect(() => handle.addChain({ name: 'd', hook })).toThrow(InvalidValue)
  })

  test('a rule without a statement', () => {
    expect(() => table().addRule('c', [])).toThrow(InvalidValue)
  })

  test('an element that does not fit its set', () => {
    const handle = table()
    handle.addSet({ name: 's', type: ['ipv4_addr', 'inet_service'] })
    handle.addMap({ name: 'm', type: 'ifname', map: 'verdict' })
    expect(() => handle.addElements('s', ['10.0.0.1'])).toThrow(InvalidValue)
    expect(() => handle.addElements('s', [concat('10.0.0.1', 'http')])).toThrow(InvalidValue)
    expect(() => handle.addElements('m', ['eth0'])).toThrow('is no pair')
    expect(() => handle.addElements('m', [['eth0', 'drop']])).toThrow('is no verdict')
    expect(() => handle.addElements('m', [['eth0', continue_]])).not.toThrow()
  })
})

describe('values are written so that every nft reads them alike', () => {
  test('protocols from /etc/protocols as numbers, IPv6 in its usual spelling', () => {
    const transaction = new Transaction()
    const handle = transaction.replaceTable(EXAMPLE)
    handle.addSet({ name: 'p', type: 'inet_proto', elem: ['tcp', 'gre', 'ipv6-icmp'] })
    handle.addSet({ name: 'a', type: 'ipv6_addr', elem: ['FD00:0:0::1', '::ffff:10.0.0.1'] })
    expect(transaction.commands.slice(3)).toMatchObject([
      { add: { set: { elem: ['tcp', 47, 58] } } },
      { add: { set: { elem: ['fd00::1', '::ffff:a00:1'] } } },
    ])
  })
})
