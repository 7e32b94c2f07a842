/** Checked statements, what iptables makes of them, and how they read for replies. */
import {
  accept,
  anonymousSet,
  ct,
  drop,
  type Expression,
  goto_,
  limit,
  log,
  match,
  meta,
  payload,
  range,
  reject,
  return_,
  type Statement,
  setRef,
  vmap,
} from 'nftables-json'
import { describe, expect, test } from 'vitest'
import type { Family } from '../../../src/compile/address.ts'
import { restoreText, toIptables } from '../../../src/compile/custom/iptables.ts'
import { mirrored } from '../../../src/compile/custom/mirror.ts'
import { checkStatements } from '../../../src/compile/custom/statements.ts'

const v4 = match(meta('nfproto'), 'ipv4')
const tcp = (field: 'sport' | 'dport', value: Expression) => match(payload('tcp', field), value)
const from = (value: Expression) => match(payload('ip', 'saddr'), value)

describe('what nft listed', () => {
  const checked = (statements: readonly Statement[], family: Family = 4): unknown => {
    const result = checkStatements(statements, family)
    return result.kind === 'taken' ? result.value : result.reason
  }

  test('gets the match of its family where its first header does not say it', () => {
    expect(checked([tcp('dport', 22), accept])).toEqual([v4, tcp('dport', 22), accept])
    expect(checked([from('10.0.0.1'), accept])).toEqual([from('10.0.0.1'), accept])
    const icmpv6 = match(payload('icmpv6', 'type'), 'nd-redirect')
    expect(checked([icmpv6, accept], 6)).toEqual([match(meta('nfproto'), 'ipv6'), icmpv6, accept])
  })

  test('loses its counters', () => {
    expect(checked([{ counter: { packets: 0, bytes: 0 } }, accept])).toEqual([v4, accept])
  })

  test('says the protocol once', () => {
    const protocol = (key: Expression) => match(key, 'tcp')
    const said = [protocol(meta('l4proto')), protocol(payload('ip', 'protocol')), protocol(meta('l4proto'))]
    expect(checked([...said, accept])).toEqual([v4, protocol(meta('l4proto')), accept])
    expect(checked([...said, tcp('dport', 22), accept])).toEqual([v4, tcp('dport', 22), accept])
  })

  test('"none of these states" is all the others', () => {
    const none = { match: { op: '!', left: ct('state'), right: ['new', 'invalid'] } } as unknown as Statement
    expect(checked([none, drop])).toEqual([
      v4,
      match(ct('state'), anonymousSet(['established', 'related', 'untracked'])),
      drop,
    ])
  })

  test.each<readonly [string, readonly Statement[], string]>([
    ['a jump', [{ jump: { target: 'x' } }], 'has the statement jump'],
    ['a goto', [goto_('x')], 'has the statement goto'],
    ['a verdict map', [vmap(payload('tcp', 'dport'), [[22, accept]])], 'has the statement vmap'],
    ['a mangle', [{ mangle: { key: meta('mark'), value: 1 } }], 'has the statement mangle'],
    ['notrack', [{ notrack: null }], 'has the statement notrack'],
    ['NAT', [{ unknown: { redirect: null } }], 'has the statement redirect'],
    ['a queue', [{ unknown: { queue: null } }], 'has the statement queue'],
    ['a named set', [from(setRef('peers'))], 'compares ip saddr with something other than constants'],
    ['a named counter', [{ counter: 'x' }], 'names a counter of the table'],
    [
      'raw bytes',
      [match({ payload: { base: 'th', offset: 0, len: 32 } }, 5)],
      'compares something that a rule file may not',
    ],
    ['a mark', [match(meta('mark'), 5)], 'compares meta mark that a rule file may not'],
    ['a log to a group', [log({ group: 2 })], 'has group of log'],
    ['IPv6', [match(payload('ip6', 'saddr'), '::1')], 'compares ip6 saddr, and the file is for IPv4'],
    ['ICMPv6', [match(payload('icmpv6', 'type'), 1)], 'compares icmpv6 type, and the file is for IPv4'],
    ['the other family', [match(meta('nfproto'), 'ipv6')], 'is not of IPv4'],
    ['ICMPv6 by protocol', [match(meta('l4proto'), 'ipv6-icmp')], 'is ICMP of the other family'],
    ['an answer of the other family', [reject({ type: 'icmpv6', expr: 'no-route' })], 'rejects by icmpv6'],
  ])('%s is refused', (_, statements, reason) => {
    expect(checked([...statements, accept])).toEqual(expect.stringContaining(reason))
  })
})

describe('iptables', () => {
  const say = (...statements: readonly Statement[]): readonly string[] | string => {
    const form = toIptables(statements, 4)
    return form.kind === 'rules' ? form.rules.map(restoreText) : form.reason
  }

  test.each<readonly [string, readonly Statement[], readonly string[]]>([
    [
      'an address and a port',
      [from('10.0.0.1'), tcp('dport', 22), accept],
      ['-p tcp -s 10.0.0.1 -m tcp --dport 22 -j ACCEPT'],
    ],
    [
      'ranges',
      [from(range('10.0.0.1', '10.0.0.9')), tcp('sport', range(1, 5)), drop],
      ['-p tcp -m iprange --src-range 10.0.0.1-10.0.0.9 -m tcp --sport 1:5 -j DROP'],
    ],
    ['what is not', [match(payload('ip', 'daddr'), '10.0.0.1', '!='), return_], ['! -d 10.0.0.1 -j RETURN']],
    [
      'ports in a set',
      [tcp('dport', anonymousSet([1, range(3, 9)])), accept],
      ['-p tcp -m multiport --dports 1,3:9 -j ACCEPT'],
    ],
    ['a protocol', [match(meta('l4proto'), 'udp', '!='), drop], ['! -p udp -j DROP']],
    [
      'protocols',
      [match(meta('l4proto'), anonymousSet(['tcp', 47])), drop],
      ['-p tcp -j DROP', '-p 47 -j DROP'],
    ],
    [
      'ICMP',
      [
        match(payload('icmp', 'type'), 'destination-unreachable'),
        match(payload('icmp', 'code'), 'frag-needed'),
        accept,
      ],
      ['-p icmp -m icmp --icmp-type 3/4 -j ACCEPT'],
    ],
    ['a log and a verdict', [log({ prefix: 'a b' }), drop], ['-j LOG --log-prefix "a b"', '-j DROP']],
    [
      'a limit',
      [limit(5, 'minute', 9), log({ level: 'info' })],
      ['-m limit --limit 5/minute --limit-burst 9 -j LOG --log-level info'],
    ],
    [
      'states',
      [match(ct('state'), ['new', 'established'], 'in'), accept],
      ['-m conntrack --ctstate ESTABLISHED,NEW -j ACCEPT'],
    ],
    [
      'interfaces',
      [
        match(meta('iifname'), { wildcard: 'net' }),
        match(meta('oifname'), 'eth0', '!='),
        reject({ type: 'tcp reset' }),
      ],
      ['-i net+ ! -o eth0 -j REJECT --reject-with tcp-reset'],
    ],
  ])('says %s', (_, statements, rules) => {
    expect(say(v4, ...statements)).toEqual(rules)
  })

  test.each<readonly [string, readonly Statement[], string]>([
    [
      'a limit in several rules',
      [match(payload('icmp', 'type'), anonymousSet([0, 8])), limit(1, 'second'), accept],
      'takes several rules of iptables, which would each have a limit',
    ],
    [
      'a limit beyond',
      [{ limit: { rate: 1, per: 'second', inv: true } }, drop],
      'has a limit that iptables does not have',
    ],
    ['ports of any protocol', [match(payload('th', 'dport'), 53), accept], 'compares ports of any protocol'],
    [
      'pairs',
      [
        match(
          { concat: [payload('ip', 'saddr'), payload('tcp', 'dport')] },
          { set: [{ concat: ['1.1.1.1', 1] }] },
        ),
        accept,
      ],
      'compares ip saddr . tcp dport in a way that iptables cannot',
    ],
    [
      'a long log prefix',
      [log({ prefix: 'x'.repeat(30) })],
      'has a log prefix longer than the 29 characters',
    ],
    [
      'too much',
      [
        tcp('sport', anonymousSet(Array.from({ length: 150 }, (_, n) => n * 2))),
        tcp('dport', anonymousSet(Array.from({ length: 150 }, (_, n) => n * 2))),
        accept,
      ],
      'takes more than 64 rules of iptables',
    ],
  ])('cannot say %s', (_, statements, reason) => {
    expect(say(v4, ...statements)).toEqual(expect.stringContaining(reason))
  })
})

describe('mirrored', () => {
  const turn = (...statements: readonly Statement[]) => mirrored({ statements })

  test('source and destination change places, of addresses, ports and interfaces', () => {
    expect(turn(from('10.0.0.1'), tcp('dport', 22), match(meta('iifname'), 'net1'), accept)).toEqual({
      statements: [
        match(payload('ip', 'daddr'), '10.0.0.1'),
        tcp('sport', 22),
        match(meta('oifname'), 'net1'),
        accept,
      ],
      states: undefined,
    })
  })

  test('twice is the same again', () => {
    const statements = [v4, from('10.0.0.1'), tcp('dport', 22), match(payload('icmp', 'type'), 8), accept]
    const once = turn(...statements)
    expect(turn(...(once?.statements ?? []))?.statements).toEqual(statements)
  })

  test('an echo request is answered by an echo reply, and errors by nothing', () => {
    const type = (value: Expression, op: '==' | '!=' = '==') => match(payload('icmp', 'type'), value, op)
    expect(turn(type('echo-request'), accept)?.statements).toEqual([type(0), accept])
    expect(turn(type(anonymousSet(['echo-reply', 'redirect'])), accept)?.statements).toEqual([
      type(8),
      accept,
    ])
    expect(turn(type('redirect'), accept)).toBeUndefined()
    expect(turn(type('redirect', '!='), accept)).toBeUndefined()
  })

  test('the states are told apart, and logs left out', () => {
    const states = match(ct('state'), ['new', 'related'], 'in')
    expect(turn(states, tcp('dport', 1), log(), drop)).toEqual({
      statements: [tcp('sport', 1), drop],
      states: ['related', 'new'],
    })
    expect(turn(states, match(ct('state'), 'new', '!='), drop)?.states).toEqual(['related'])
  })

  test.each<readonly [string, Statement]>([
    ['a direction', match(ct('direction'), 'original')],
    ['a rate', limit(1, 'second')],
    ['TCP flags', match(payload('tcp', 'flags'), 'syn', 'in')],
    ['a length', match(meta('length'), 5)],
    ['a hop limit', match(payload('ip', 'ttl'), 1)],
  ])('%s cannot be said of a reply', (_, statement) => {
    expect(turn(statement, accept)).toBeUndefined()
  })
})
