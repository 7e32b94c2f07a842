/** iptables' rules where the golden clusters do not go: names that cannot be said, texts that are data, replies. */
import { describe, expect, test } from 'vitest'
import { formatAddress } from '../../../src/compile/address.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { parseSaved } from '../../../src/compile/iptables/listing.ts'
import { confusions } from '../../../src/compile/iptables/match-interface.ts'
import { isOurChain } from '../../../src/compile/iptables/names.ts'
import { printIptables } from '../../../src/compile/iptables/printer.ts'
import { canonicalRule, ruleText, ruleWords } from '../../../src/compile/iptables/rule.ts'
import { parseSets, restoreSets } from '../../../src/compile/iptables/set.ts'
import { standsAs } from '../../../src/compile/iptables/standing.ts'
import { swapText } from '../../../src/compile/iptables/swap.ts'
import { NO_EXEMPTIONS, type Ruleset } from '../../../src/compile/ruleset.ts'
import { interpretFilter, loadFilter } from '../../iptables-interpreter.ts'

type Isolated = Readonly<Record<'ingress' | 'egress', readonly number[]>>
const BOTH: Isolated = { ingress: [0], egress: [0] }

/** Whose policy allows whatever comes from or goes to 10.1.0.2. */
function rulesetOf(names: Readonly<Record<string, Isolated>>, ungoverned: readonly string[] = []): Ruleset {
  const peers = { kind: 'only', addresses: [formatAddress(4, 0x0a010002n)], ranges: [] } as const
  const allow = { rule: 0, peers, ports: { kind: 'any' }, endpoints: [] } as const
  return {
    pod: 'x/a',
    exemptions: NO_EXEMPTIONS,
    logDrops: false,
    custom: NO_CUSTOM_RULES,
    policies: [{ policy: 'x/p', allows: { ingress: [allow], egress: [allow] } }],
    interfaces: Object.entries(names).map(([name, isolatedBy]) => ({
      name,
      networks: ['x/red'],
      isolatedBy,
      allowedBy: isolatedBy,
    })),
    ungoverned,
  }
}

/** The interfaces on which a stranger's packet is dropped, of those asked for. */
function closed(ruleset: Ruleset, asked: readonly string[]): readonly string[] {
  const filter = loadFilter(swapText(new Map(), printIptables(ruleset).filters[4]) ?? '')
  const stranger = { source: '10.1.0.3', destination: '10.1.0.1', protocol: 'OTHER' } as const
  return asked.filter(
    (name) => interpretFilter(filter, { hook: 'input', interface: name, ...stranger }) === 'drop',
  )
}

describe('interfaces whose name ends in +', () => {
  const names = ['a', 'a+', 'a+b', 'ab', 'a++', 'lo', 'net1', 'abcdefghijklmn+', 'abcdefghijklmnx']

  test.each([
    ['is governed, with what is not told of and begins so', { 'a+': BOTH }, [], ['a+', 'a+b', 'a++']],
    ['and not what is told of', { 'a+': BOTH }, ['a+b'], ['a+', 'a++']],
    [
      'nor what is isolated another way only',
      { 'a+': BOTH, 'a+b': { ingress: [], egress: [0] } },
      [],
      ['a+', 'a++'],
    ],
    [
      'of 15 bytes: with what shares its first 14',
      { 'abcdefghijklmn+': BOTH },
      [],
      ['abcdefghijklmn+', 'abcdefghijklmnx'],
    ],
    ['alone: every one but those known', { '+': BOTH }, ['net1'], []],
  ] as const)('%s', (_, governed, ungoverned, expected) => {
    expect(closed(rulesetOf(governed, ungoverned), names)).toEqual(expected)
  })

  test('! is said too, and names are told apart to the last letter', () => {
    expect(closed(rulesetOf({ '!': BOTH, net1: BOTH }), ['!', 'net', 'net1', 'net10', 'lo'])).toEqual([
      '!',
      'net1',
    ])
  })
})

describe('interfaces that are one to iptables', () => {
  // 14 bytes, and 15: there is no room for a sign behind the second, whose own last + is taken for one.
  const [shorter, longer] = ['abcdefghijklm+', 'abcdefghijklm++']
  const EGRESS = { ingress: [], egress: [0] }

  test('are said, and neither passes what a policy allows on the other', () => {
    const ruleset = rulesetOf({ [shorter]: BOTH, [longer]: EGRESS, net1: BOTH })
    const one = `${JSON.stringify(shorter)} and ${JSON.stringify(longer)} are one to iptables`
    expect(confusions(ruleset)).toEqual([
      `interface ${JSON.stringify(longer)} is taken for ${JSON.stringify(shorter)} by iptables: its ingress is judged by the policies of that one`,
      `interfaces ${one}: no egress that a policy allows passes on either`,
    ])
    const place = ruleset.interfaces.findIndex(({ name }) => name === longer)
    const chain = printIptables(ruleset).filters[4].chains.get(`MULTI-IF${place}-EGRESS`) ?? []
    expect(chain.map(ruleText)).toEqual(['-m comment --comment "no policy allows it" -j DROP'])
  })

  test('where the same policies isolate both there is nothing to say', () => {
    expect(confusions(rulesetOf({ [shorter]: BOTH, [longer]: BOTH }))).toEqual([])
    expect(confusions(rulesetOf({ 'a+': BOTH, 'a+b': EGRESS, net1: BOTH }, ['a+c']))).toEqual([])
    expect(confusions(rulesetOf({ 'a+': BOTH, 'a+b+': BOTH }))).toEqual([])
  })

  test('an interface that no policy governs and that gets the rules of one is said', () => {
    expect(confusions(rulesetOf({ 'a+': BOTH }, ['a+b+']))).toEqual([
      'interface "a+b+" is taken for "a+" by iptables: its ingress is judged by the policies of that one',
      'interface "a+b+" is taken for "a+" by iptables: its egress is judged by the policies of that one',
    ])
  })
})

test('of two interfaces that one rule has both, neither gets what only the other one’s policies allow', () => {
  const ofOne = rulesetOf({ 'abcdefghijklm+': { ingress: [1], egress: [] }, 'abcdefghijklm++': BOTH })
  const deny = { policy: 'x/deny', allows: { ingress: [], egress: undefined } } as const
  const [allowing] = ofOne.policies
  const ruleset = { ...ofOne, policies: allowing === undefined ? [] : [allowing, deny] }
  const filter = loadFilter(swapText(new Map(), printIptables(ruleset).filters[4]) ?? '')
  const friend = { source: '10.1.0.2', destination: '10.1.0.1', protocol: 'OTHER' } as const
  const verdicts = ['abcdefghijklm+', 'abcdefghijklm++'].map((name) =>
    interpretFilter(filter, { hook: 'input', interface: name, ...friend }),
  )
  expect(verdicts).toEqual(['drop', 'drop'])
})

test('replies of doubly isolated interfaces meet the other direction’s rules with the ends exchanged, then their own', () => {
  const { chains } = printIptables(rulesetOf({ net1: BOTH })).filters[4]
  const texts = (chain: string) => (chains.get(chain) ?? []).map(ruleText)
  const reply = '-m conntrack --ctstate ESTABLISHED --ctdir REPLY'
  expect(texts('MULTI-INGRESS')).toEqual([
    `-i net1 ${reply} -g MULTI-INGRESS-REPLIES`,
    '-i net1 -g MULTI-INGRESS-COMMON',
  ])
  expect(texts('MULTI-INGRESS-REPLIES')).toEqual([
    '-m addrtype ! --dst-type LOCAL --limit-iface-in -m comment --comment "opened on another interface" -j RETURN',
    '-i net1 -g MULTI-IF0-INGRESS-REPLIES',
  ])
  expect(texts('MULTI-IF0-INGRESS-REPLIES')).toEqual([
    '-s 10.1.0.2/32 -m comment --comment "x/p egress[0]" -j RETURN',
    '-g MULTI-INGRESS-COMMON',
  ])
  expect(texts('MULTI-IF0-EGRESS-REPLIES')[0]).toBe(
    '-d 10.1.0.2/32 -m comment --comment "x/p ingress[0]" -j RETURN',
  )
})

test('chains of ours and of the existing daemon are told from the application’s', () => {
  const ours = [
    'MULTI-INGRESS',
    'MULTI-EGRESS-COMMON',
    'MULTI-12-INGRESS',
    'MULTI-0-EGRESS-3-TO',
    'MULTI-MNPD',
    'MULTI-IF3-EGRESS-REPLIES',
    'MULTI-INGRESS-CUSTOM-REPLIES',
  ]
  const theirs = [
    'MULTI',
    'MULTI-',
    'MULTI-X',
    'MULTI-INGRESS-MINE',
    'XMULTI-INGRESS',
    'MULTI-0',
    'INPUT',
    'multi-ingress',
  ]
  expect([...ours, ...theirs].filter(isOurChain)).toEqual(ours)
  expect(ours.every((name) => name.length <= 28)).toBe(true)
})

test('a rule’s text and back, whatever is in its names and comments', () => {
  for (const text of ['a b', '"', '\\', "'", '-j', 'x" -j ACCEPT', '日', '$(x)', '', '#', '\u0001']) {
    const words = ['-m', 'comment', '--comment', text, '-j', 'DROP']
    expect(ruleWords(ruleText(words))).toEqual(words)
  }
  expect(ruleText(['-m', 'comment', '--comment', 'a\n-A X'])).not.toContain('\n')
  expect(ruleWords('-m comment --comment "no end')).toBeUndefined()
})

test('the order of a rule’s parts does not matter, its values do', () => {
  const rule = [
    '-s',
    '10.0.0.0/8',
    '-p',
    'tcp',
    '-m',
    'tcp',
    '--dport',
    '80',
    '-m',
    'comment',
    '--comment',
    'x',
    '-j',
    'DROP',
  ]
  const other = [
    '-m',
    'comment',
    '--comment',
    'x',
    '-p',
    'tcp',
    '-m',
    'tcp',
    '--dport',
    '80',
    '-s',
    '10.0.0.0/8',
    '-j',
    'DROP',
  ]
  expect(canonicalRule(rule)).toBe(canonicalRule(other))
  expect(canonicalRule(['!', ...rule])).not.toBe(canonicalRule(rule))
  expect(canonicalRule(['-i', '-j', '-j', 'DROP'])).toBe('-i "-j" -j DROP')
})

test('what stands must come first and be all of ours there is', () => {
  const printed = printIptables(rulesetOf({ net1: { ingress: [0], egress: [] } })).filters[4]
  const saved = swapText(new Map(), printed)?.replace(/-I (\S+) \d+ /g, '-A $1 ') ?? ''
  const stands = (text: string): boolean =>
    standsAs(parseSaved(text).tables.get('filter') ?? new Map(), printed)
  const builtIn = saved.replace(
    '*filter\n',
    '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n',
  )
  expect(stands(builtIn)).toBe(true)
  expect(stands(builtIn.replace('COMMIT', '-A INPUT -j DROP\n-A OUTPUT -j DROP\nCOMMIT'))).toBe(true)
  expect(stands(builtIn.replace('-A INPUT', '-A INPUT -j ACCEPT\n-A INPUT'))).toBe(false)
  expect(stands(builtIn.replace('COMMIT', '-A OUTPUT -j MULTI-INGRESS\nCOMMIT'))).toBe(false)
  expect(stands(builtIn.replace(':MULTI-MNPD', ':MULTI-4-EGRESS - [0:0]\n:MULTI-MNPD'))).toBe(false)
  expect(stands(builtIn.replace(/-A MULTI-IF0-INGRESS.*DROP\n/, ''))).toBe(false)
  expect(stands(builtIn.replace(/:FORWARD.*\n/, '').replace(/-A FORWARD.*\n/, ''))).toBe(false)
})

test('a set is named by what it holds, filled under another name, and put in place at once', () => {
  const peers = Array.from({ length: 9 }, (_, host) => formatAddress(4, 0x0a010000n + BigInt(host)))
  const allow = {
    rule: 0,
    peers: { kind: 'only', addresses: peers, ranges: [] },
    ports: { kind: 'any' },
    endpoints: [],
  } as const
  const ruleset = {
    ...rulesetOf({ net1: BOTH }),
    policies: [{ policy: 'x/p', allows: { ingress: [allow], egress: [allow] } }],
  } as const
  const [set, ...others] = printIptables(ruleset).filters[4].sets
  expect(others).toEqual([])
  const name = set?.name ?? ''
  expect(`${name}+`.length).toBeLessThanOrEqual(31)
  const lines = restoreSets(set === undefined ? [] : [set]).split('\n')
  expect(lines.slice(0, 3)).toEqual([
    `create ${name} hash:ip family inet maxelem 65536`,
    `create ${name}+ hash:ip family inet maxelem 65536`,
    `flush ${name}+`,
  ])
  expect(lines.slice(-3)).toEqual([`swap ${name}+ ${name}`, `destroy ${name}+`, ''])
  const saved = `create app hash:ip family inet hashsize 1024 maxelem 65536\nadd app 1.2.3.4\ncreate ${name} hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x12\n${peers.map((each) => `add ${name} ${each}\n`).join('')}`
  expect([...parseSets(saved).values()]).toEqual([set])
})
