/** Every construct that this package writes, each as a rule or a table of its own, for tests to multiply. */
import {
  accept,
  anonymousSet,
  concat,
  continue_,
  counter,
  ct,
  drop,
  element,
  fib,
  goto_,
  jump,
  limit,
  log,
  match,
  meta,
  payload,
  prefix,
  range,
  reject,
  return_,
  type Statement,
  setRef,
  type TableHandle,
  Transaction,
  vmap,
  wildcard,
} from '../src/index.ts'

export const TABLE = { family: 'inet', name: 'example' } as const

const saddr = payload('ip', 'saddr')
const saddr6 = payload('ip6', 'saddr')
const dport = payload('tcp', 'dport')
const th = payload('th', 'dport')
const iifname = meta('iifname')
const l4proto = meta('l4proto')
const isTcp = match(l4proto, 'tcp')
const state = ct('state')

/** What the rules below refer to. */
export function addReferents(table: TableHandle): void {
  table.addCounter({ name: 'shared' })
  table.addSet({ name: 'hosts', type: 'ipv4_addr', elem: ['10.0.0.2', '10.0.0.1'] })
  table.addSet({ name: 'hosts6', type: 'ipv6_addr', elem: ['FD00:0::1'] })
  table.addSet({ name: 'nets', type: 'ipv4_addr', flags: ['interval'], elem: [prefix('10.1.0.0', 16)] })
  table.addSet({
    name: 'services',
    type: ['ipv4_addr', 'inet_proto', 'inet_service'],
    elem: [concat('10.0.0.1', 'tcp', 80)],
  })
  table.addChain({ name: 'other' })
  table.addMap({ name: 'dispatch', type: 'ifname', map: 'verdict', elem: [['net1', jump('other')]] })
}

export const RULES: Readonly<Record<string, readonly Statement[]>> = {
  'an address': [match(saddr, '10.0.0.1'), accept],
  'an IPv6 address': [match(saddr6, '2001:DB8:0:0::1'), accept],
  'an IPv6 address that holds an IPv4 one': [match(saddr6, '::ffff:10.0.0.1'), accept],
  'a prefix': [match(saddr, prefix('10.0.0.0', 8)), accept],
  'a prefix with host bits': [match(saddr, prefix('10.0.0.5', 24)), accept],
  'a prefix that is one address': [match(saddr, prefix('10.0.0.5', 32)), accept],
  'an IPv6 prefix that is one address': [match(saddr6, prefix('fd00::5', 128)), accept],
  'a prefix that is everything': [match(saddr, prefix('0.0.0.0', 0)), accept],
  'an IPv6 prefix that is everything': [match(saddr6, prefix('::', 0)), accept],
  'a range that is a prefix': [
    match(saddr, anonymousSet([range('10.0.1.0', '10.0.1.7'), '10.9.9.9'])),
    accept,
  ],
  'a range': [match(dport, range(80, 90)), accept],
  'a range of one': [match(dport, range(80, 80)), accept],
  'what is not': [match(saddr, prefix('10.0.0.0', 8), '!='), drop],
  'less and more': [match(dport, 1024, '<'), match(meta('length'), 100, '>='), accept],
  'at most and at least': [match(dport, 1024, '<='), match(meta('length'), 100, '>'), accept],
  'a set of ports': [match(dport, anonymousSet([443, 80])), accept],
  'a set of one': [match(dport, anonymousSet([80])), accept],
  'a set of neighbours': [match(dport, anonymousSet([range(80, 90), 91, range(92, 100)])), accept],
  'a set of overlapping prefixes': [
    match(saddr, anonymousSet([prefix('10.0.0.0', 24), prefix('10.0.0.128', 25), prefix('10.0.1.0', 24)])),
    accept,
  ],
  'a set that is not': [match(dport, anonymousSet([80, 443]), '!='), drop],
  'a named set': [match(saddr, setRef('hosts')), accept],
  'what is not in a named set': [match(saddr, setRef('hosts'), '!='), drop],
  'the keys of a map as a set': [match(iifname, setRef('dispatch')), accept],
  'a concatenation in a named set': [match(concat(saddr, l4proto, th), setRef('services')), accept],
  'a concatenation in a set': [
    match(
      concat(saddr, dport),
      anonymousSet([concat(prefix('10.0.0.0', 24), range(1, 9)), concat('10.1.0.1', 80)]),
    ),
    accept,
  ],
  'a transport protocol by name': [match(l4proto, 'sctp'), accept],
  'a transport protocol by number': [match(l4proto, 47), accept],
  'a protocol that only /etc/protocols knows': [match(l4proto, 'ipv6-icmp'), accept],
  'transport protocols': [match(l4proto, anonymousSet(['tcp', 17, 'sctp', 'icmpv6'])), accept],
  'a protocol before its port': [isTcp, match(dport, 80), accept],
  'a protocol before any port': [match(l4proto, 'udp'), match(th, 53), accept],
  'protocols before any port': [match(l4proto, anonymousSet(['tcp', 'udp'])), match(th, 53), accept],
  'a protocol and other matches before its port': [isTcp, match(iifname, 'net1'), match(dport, 80), accept],
  'a protocol, a counter and its port': [isTcp, counter(), match(dport, 80), accept],
  'a protocol after its port': [match(dport, 80), isTcp, accept],
  'a protocol twice': [isTcp, isTcp, match(dport, 80), accept],
  'a protocol in the IPv4 header': [match(payload('ip', 'protocol'), 'tcp'), match(th, 80), accept],
  'a protocol in the IPv6 header': [match(payload('ip6', 'nexthdr'), 58), accept],
  'both ports': [match(payload('tcp', 'sport'), 1), match(dport, 2), accept],
  'both ports the other way round': [match(dport, 2), match(payload('tcp', 'sport'), 1), accept],
  'both ports of any protocol': [match(payload('th', 'sport'), 1), match(th, 2), accept],
  'neither of both ports': [match(payload('tcp', 'sport'), 5, '!='), match(dport, 7, '!='), accept],
  'ports with a counter between': [match(dport, 5), counter(), match(payload('tcp', 'sport'), 7), accept],
  'a type and a code that are not': [
    match(payload('icmpv6', 'type'), 'nd-redirect', '!='),
    match(payload('icmpv6', 'code'), 0, '!='),
    drop,
  ],
  'flags and a neighbour that are not': [
    match(payload('tcp', 'flags'), 'syn', '!='),
    match(payload('tcp', 'window'), 0, '!='),
    drop,
  ],
  'both addresses': [match(payload('ip', 'daddr'), '10.0.0.9'), match(saddr, '10.0.0.1'), accept],
  'the family before an address': [match(meta('nfproto'), 'ipv4'), match(saddr, '10.0.0.1'), accept],
  'the family beside a transport that only it has': [
    match(meta('nfproto'), 'ipv4'),
    match(meta('l4proto'), 'icmp'),
    accept,
  ],
  'the family alone': [match(meta('nfproto'), 10), accept],
  'the family, a port and an address': [
    match(meta('nfproto'), 2),
    match(dport, 1),
    match(saddr, '10.0.0.1'),
    drop,
  ],
  'the network protocol': [match(meta('protocol'), 'ip6'), accept],
  'ICMP by name': [match(payload('icmp', 'type'), 'echo-request'), accept],
  'ICMP by number': [match(payload('icmp', 'type'), 8), match(payload('icmp', 'code'), 0), accept],
  'ICMPv6 by number': [match(payload('icmpv6', 'type'), 135), accept],
  'ICMPv6 by name and number': [
    match(payload('icmpv6', 'type'), anonymousSet(['nd-neighbor-solicit', 136, range(130, 132), 143])),
    match(payload('ip6', 'hoplimit'), 255),
    accept,
  ],
  'ICMPv6 after its protocol': [match(l4proto, 58), match(payload('icmpv6', 'type'), 128), accept],
  'an interface': [match(iifname, 'net1'), accept],
  'an interface that is a word of nft': [match(iifname, 'drop'), accept],
  'an interface with strange characters': [match(iifname, 'n@t-1.2;#$\\'), accept],
  'an interface that looks like a number': [match(meta('oifname'), '1'), accept],
  interfaces: [match(iifname, anonymousSet(['net2', 'net1', '-x'])), accept],
  'a wildcard': [match(iifname, wildcard('net')), accept],
  'a wildcard in a set': [match(iifname, anonymousSet([wildcard('net'), 'eth0'])), accept],
  'a state': [match(state, 'established', 'in'), accept],
  'states, any of them': [match(state, ['related', 'established'], 'in'), accept],
  'a state exactly': [match(state, 'new'), accept],
  'states but not exactly these': [match(state, ['established', 'related'], '!='), drop],
  'states as a set': [match(state, anonymousSet(['established', 'related'])), accept],
  'the direction': [match(ct('direction'), 'reply'), match(state, ['established', 'related'], 'in'), accept],
  'what conntrack says of addresses': [match(ct('ip saddr', 'original'), '10.0.0.1'), accept],
  'the status of a connection': [match(ct('status'), ['dnat', 'snat'], 'in'), accept],
  'a mark': [match(meta('mark'), 0xffffffff), match(ct('mark'), 1, '!='), accept],
  'bits of a mark': [match({ '&': [meta('mark'), 255] }, 1), accept],
  'TCP flags, any': [match(payload('tcp', 'flags'), ['syn', 'ack'], 'in'), accept],
  'TCP flags exactly': [match(payload('tcp', 'flags'), 'syn'), accept],
  'TCP flags within a mask': [
    match({ '&': [payload('tcp', 'flags'), ['fin', 'syn', 'rst', 'ack']] }, 'syn'),
    drop,
  ],
  'the kind of address': [match(fib('type', 'daddr'), 'local'), accept],
  'an interface within a VRF': [match(meta('sdifname'), 'net1'), drop],
  'no VRF': [match(meta('sdif'), 0), drop],
  'some VRF': [match(meta('sdif'), 0, '!='), drop],
  'the way back': [match(fib('oif', ['saddr', 'iif']), false), drop],
  'an extension header': [match({ exthdr: { name: 'frag' } }, true), drop],
  'a TCP option': [match({ 'tcp option': { name: 'maxseg', field: 'size' } }, 500, '<'), drop],
  'raw bytes': [match({ payload: { base: 'nh', offset: 0, len: 8 } }, 80), drop],
  'a hardware address': [match(payload('ether', 'saddr'), 'AA:bb:cc:dd:ee:0f'), drop],
  'a verdict map': [
    vmap(iifname, [
      ['net2', drop],
      ['net1', jump('other')],
      ['lo', accept],
      ['a', return_],
      ['b', goto_('other')],
      ['c', continue_],
    ]),
  ],
  'a verdict map of ranges': [
    isTcp,
    vmap(th, [
      [range(1, 9), drop],
      [80, accept],
    ]),
  ],
  'a verdict map of concatenations': [vmap(concat(saddr, dport), [[concat('10.0.0.1', 80), accept]])],
  'a named verdict map': [vmap(iifname, setRef('dispatch'))],
  'a counter': [match(dport, 80), counter(), accept],
  'a counter that starts somewhere': [{ counter: { packets: 3, bytes: 4 } }, accept],
  'a named counter': [counter('shared'), accept],
  'a limit': [limit(10, 'second'), accept],
  'a limit with a burst': [limit(10, 'minute', 7), accept],
  'a limit of bytes, exceeded': [
    {
      limit: { rate: 10, rate_unit: 'kbytes', per: 'second', burst: 2048, burst_unit: 'kbytes', inv: true },
    },
    drop,
  ],
  'a limit of connections': [{ 'ct count': { val: 3, inv: true } }, drop],
  'a log': [log(), drop],
  'a log with a prefix': [
    log({ prefix: "it's {dropped}; #1 \\: ", level: 'info', flags: ['skuid', 'ether'] }),
    drop,
  ],
  'a log at its default level': [log({ level: 'warn' }), drop],
  'a log to a group': [log({ prefix: 'x', group: 0, snaplen: 64, 'queue-threshold': 5 }), drop],
  'a reject': [reject()],
  'a reject of IPv4': [match(saddr, '10.0.0.1'), reject()],
  'a reject with a reset': [reject({ type: 'tcp reset' })],
  'a reject with a reset of a port': [match(dport, 80), reject({ type: 'tcp reset' })],
  'a reject with a code': [reject({ type: 'icmpx', expr: 'admin-prohibited' })],
  'a reject with a code of IPv4': [reject({ type: 'icmp', expr: 1 })],
  'a reject with a code of IPv6': [
    match(saddr6, 'fd00::1'),
    reject({ type: 'icmpv6', expr: 'admin-prohibited' }),
  ],
  'a reject without a code': [reject({ type: 'icmpx' })],
  'a mark set': [
    { mangle: { key: meta('mark'), value: 5 } },
    { mangle: { key: ct('mark'), value: meta('mark') } },
  ],
  'no tracking': [{ notrack: null }],
  'a jump': [jump('other')],
  'a goto': [goto_('other')],
  'a return': [return_],
  'a continue': [continue_],
}

/** A table with that one rule, and all that rules refer to. */
export function tableWith(rule: readonly Statement[], comment?: string): [Transaction, TableHandle] {
  const transaction = new Transaction()
  const table = transaction.replaceTable(TABLE)
  addReferents(table)
  table.addChain({ name: 'under-test' })
  table.addRule('under-test', rule, comment)
  return [transaction, table]
}

/** Named sets and maps, by what is special about them. */
export const HOLDERS: Readonly<Record<string, (table: TableHandle) => void>> = {
  'an empty set': (table) => table.addSet({ name: 's', type: 'ipv4_addr', elem: [] }),
  'neighbouring prefixes, which stay apart': (table) =>
    table.addSet({
      name: 's',
      type: 'ipv4_addr',
      flags: ['interval'],
      elem: [prefix('10.0.1.0', 24), prefix('10.0.0.0', 24), range('10.0.5.0', '10.0.5.7'), '10.0.9.1'],
    }),
  everything: (table) =>
    table.addSet({ name: 's', type: 'ipv6_addr', flags: ['interval'], elem: [prefix('::', 0)] }),
  'the first and the last address': (table) =>
    table.addSet({ name: 's', type: 'ipv4_addr', flags: ['interval'], elem: ['255.255.255.255', '0.0.0.0'] }),
  'spellings of IPv6': (table) =>
    table.addSet({
      name: 's',
      type: 'ipv6_addr',
      elem: ['::', '::1.2.3.4', '::FFFF:1.2.3.4', 'fe80:0:0:0:0:0:0:1', '1:0:0:2::3', 'a:b:c:d:e:f:0:0'],
    }),
  ports: (table) =>
    table.addSet({
      name: 's',
      type: 'inet_service',
      flags: ['interval'],
      elem: [range(100, 200), 80, 0, 65535],
    }),
  protocols: (table) => table.addSet({ name: 's', type: 'inet_proto', elem: ['tcp', 17, 'gre', 'icmpv6'] }),
  'ICMPv6 types': (table) =>
    table.addSet({ name: 's', type: 'icmpv6_type', elem: [135, 'nd-redirect', 200] }),
  marks: (table) => table.addSet({ name: 's', type: 'mark', elem: [1, 2] }),
  interfaces: (table) => table.addSet({ name: 's', type: 'ifname', elem: ['drop', 'n@t', '1', 'net1'] }),
  wildcards: (table) =>
    table.addSet({ name: 's', type: 'ifname', flags: ['interval'], elem: [wildcard('net'), 'eth0'] }),
  'concatenations of ranges': (table) =>
    table.addSet({
      name: 's',
      type: ['ipv4_addr', 'inet_proto', 'inet_service'],
      flags: ['interval'],
      elem: [
        concat(prefix('10.0.0.0', 24), 'tcp', range(1, 100)),
        concat(prefix('10.0.1.1', 32), 6, 5),
        concat(range('10.0.2.1', '10.0.2.7'), 'udp', range(0, 65535)),
      ],
    }),
  'concatenations with an interface': (table) =>
    table.addSet({ name: 's', type: ['ifname', 'ipv6_addr'], elem: [concat('tcp0', 'FD00::1')] }),
  'comments and life times': (table) =>
    table.addSet({
      name: 's',
      type: 'ipv4_addr',
      flags: ['timeout'],
      elem: [element('10.0.0.1', { comment: 'a; {b} #c \\' }), element('10.0.0.2', { timeout: 3600 })],
    }),
  'a life time for all': (table) =>
    table.addSet({
      name: 's',
      type: 'ipv4_addr',
      timeout: 3600,
      'gc-interval': 60,
      size: 99,
      elem: ['10.0.0.1'],
    }),
  'a policy': (table) => table.addSet({ name: 's', type: 'ipv4_addr', policy: 'memory' }),
  verdicts: (table) =>
    table.addMap({
      name: 'm',
      type: 'ifname',
      map: 'verdict',
      elem: [
        ['net1', jump('other')],
        ['lo', accept],
        ['x', goto_('other')],
        [element('y', { comment: 'why' }), drop],
      ],
    }),
  'verdicts of concatenated ranges': (table) =>
    table.addMap({
      name: 'm',
      type: ['ipv4_addr', 'inet_service'],
      map: 'verdict',
      flags: ['interval'],
      elem: [[concat(prefix('10.0.0.0', 24), range(1, 2)), accept]],
    }),
  data: (table) =>
    table.addMap({ name: 'm', type: 'ipv4_addr', map: 'inet_service', elem: [['10.0.0.1', 80]] }),
}

/** A table with that set or map. */
export function tableHolding(add: (table: TableHandle) => void): [Transaction, TableHandle] {
  const transaction = new Transaction()
  const table = transaction.replaceTable(TABLE)
  table.addChain({ name: 'other' })
  add(table)
  return [transaction, table]
}
