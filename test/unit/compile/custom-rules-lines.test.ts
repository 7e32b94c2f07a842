/** Lines of rule files before any tool sees them: what is cut away, and every kind of mistake. */
import { describe, expect, test } from 'vitest'
import { parseIptablesLine } from '../../../src/compile/custom/iptables-line.ts'
import { MOST_RULES, ruleLines } from '../../../src/compile/custom/lines.ts'
import { parseNftLine } from '../../../src/compile/custom/nft-line.ts'
import { customRuleComment } from '../../../src/compile/custom/print.ts'

describe('a file', () => {
  test('holds one rule a line; blank lines, comments and line ends of Windows are cut away', () => {
    const text =
      '\ufeff# neighbours, für alle\r\n\r\n  -j ACCEPT # why\r\n\ttcp dport 22 accept#x\n! -p tcp -j DROP'
    expect(ruleLines(text)).toEqual({
      lines: [
        { line: 3, text: '-j ACCEPT', syntax: 'iptables' },
        { line: 4, text: 'tcp dport 22 accept#x', syntax: 'nft' },
        { line: 5, text: '! -p tcp -j DROP', syntax: 'iptables' },
      ],
      problems: [],
    })
  })

  test('a # within quotes is no comment', () => {
    expect(ruleLines('-j LOG --log-prefix "a # b" # c').lines[0]?.text).toBe('-j LOG --log-prefix "a # b"')
    expect(ruleLines(`-j LOG --log-prefix 'a # b'`).lines[0]?.text).toBe(`-j LOG --log-prefix 'a # b'`)
  })

  test.each([
    ['a NUL', '-j\0ACCEPT', String.raw`holds '\u{0}'; rules are printable ASCII`],
    ['a letter that is not ASCII', '-j ACCEPTÄ', String.raw`holds '\u{c4}'; rules are printable ASCII`],
    [
      'a line feed of another kind',
      'accept\u2028drop',
      String.raw`holds '\u{2028}'; rules are printable ASCII`,
    ],
    ['an overlong line', `-s ${'1'.repeat(2000)}`, 'is longer than 1024 characters'],
  ])('%s is refused by line', (_, line, reason) => {
    const { lines, problems } = ruleLines(`accept\n${line}\ndrop`)
    expect(lines.map((each) => each.line)).toEqual([1, 3])
    expect(problems).toMatchObject([{ line: 2, reason }])
  })

  test('with too many rules is refused whole', () => {
    expect(ruleLines('accept\n'.repeat(MOST_RULES)).lines).toHaveLength(MOST_RULES)
    expect(ruleLines('accept\n'.repeat(10_000))).toEqual({
      lines: [],
      problems: [{ line: undefined, text: undefined, reason: 'holds more than 500 rules' }],
    })
  })

  test('a hostile line costs no time', () => {
    const began = performance.now()
    ruleLines(`${'" #'.repeat(340)}\n`.repeat(400))
    expect(performance.now() - began).toBeLessThan(2_000)
  })
})

describe('a line in iptables syntax', () => {
  const words = (text: string, family: 4 | 6 = 4): unknown => {
    const parsed = parseIptablesLine(text, family)
    return parsed.kind === 'taken' ? parsed.value : parsed.reason
  }

  test('is the arguments of iptables, less its comment, and what iptables-translate gets', () => {
    expect(
      words(
        '-s 10.1.2.3/8 -p icmp -m icmp --icmp-type 3/4 -m comment --comment "a b" -j REJECT --reject-with=icmp-host-prohibited',
      ),
    ).toEqual({
      rule: {
        matches: ['-s', '10.1.2.3/8', '-p', 'icmp', '-m', 'icmp', '--icmp-type', '3/4'],
        target: ['-j', 'REJECT', '--reject-with', 'icmp-host-prohibited'],
      },
      translate: ['-p', 'icmp', '-j', 'REJECT', '--reject-with', 'icmp-host-prohibited'],
      matches: 'ip saddr 10.0.0.0/8 meta l4proto 1 icmp type 3 icmp code 4',
    })
  })

  test('negated ports get a match each, which iptables-nft does not join', () => {
    expect(words('-p tcp ! --sport 5 ! --dport 7')).toMatchObject({
      rule: { matches: ['-p', 'tcp', '-m', 'tcp', '!', '--sport', '5', '-m', 'tcp', '!', '--dport', '7'] },
    })
  })

  test.each<readonly [string, string]>([
    ['! -s 10.0.0.1', 'ip saddr != 10.0.0.1'],
    ['-d 10.0.0.0/255.255.0.0', 'ip daddr 10.0.0.0/16'],
    ['-s 10.0.0.1,10.0.0.9', 'ip saddr { 10.0.0.1, 10.0.0.9 }'],
    ['-s 0.0.0.0/0', ''],
    ['! -p tcp', 'meta l4proto != 6'],
    ['-p 47', 'meta l4proto 47'],
    ['-p icmp ! --icmp-type 3/4', 'meta l4proto 1 icmp type . icmp code != { 3 . 4 }'],
    ['-p icmp ! --icmp-type Ping', 'meta l4proto 1 icmp type != 8'],
    ['-p icmp --icmp-type any', 'meta l4proto 1'],
    ['-m conntrack ! --ctstate NEW,INVALID', 'ct state established,related,untracked'],
    ['-m state --state ESTABLISHED', 'ct state established'],
    ['-m conntrack --ctdir REPLY', 'ct direction reply'],
  ])('%s is said in nft as "%s"', (text, matches) => {
    expect(words(text)).toMatchObject({ matches })
  })

  test.each<readonly [string, string, string]>([
    ['a table', '-t nat -j ACCEPT', "'-t' names a table; rules of a file stand in the filter of the pod"],
    ['a command', '-A INPUT -j ACCEPT', "'-A' is a command; a line holds what comes after -A CHAIN"],
    ['a deletion', '-D INPUT 1', "'-D' is a command"],
    ['a new chain', '--new-chain X', "'--new-chain' is a command"],
    ['a policy', '-P INPUT DROP', "'-P' is a command"],
    [
      'a jump elsewhere',
      '-j MULTI-0-INGRESS',
      "'MULTI-0-INGRESS' of -j is no target that a rule file may use",
    ],
    ['NAT', '-j DNAT --to-destination 1.2.3.4', "'--to-destination' is no option that a rule file may use"],
    ['an unknown target', '-j NFQUEUE', "'NFQUEUE' of -j is no target"],
    ['a goto', '-g OTHER', "'-g' leads to another chain"],
    ['an unknown match', '-m recent -j DROP', "'recent' of -m is no match that a rule file may use"],
    ['an unknown option', '--frobnicate 5', "'--frobnicate' is no option that a rule file may use"],
    ['what is no option', 'foo -j DROP', "'foo' is no option that a rule file may use"],
    ['a quote that is open', '-j LOG --log-prefix "abc', 'has a quote that is not closed'],
    [
      'a quote within a word',
      '-j LOG --log-prefix a"b"',
      'has a quote that is not closed, or stands within a word',
    ],
    ['a backslash', String.raw`-j LOG --log-prefix a\ b`, String.raw`holds a \, which has no meaning here`],
    [
      'a $ in a log prefix',
      '-j LOG --log-prefix $x',
      "'$x' of --log-prefix is longer than 29 characters, or has",
    ],
    ['an address of the other family', '-s fd00::1 -j DROP', "'fd00::1' of -s is no IPv4 address or CIDR"],
    ['a host by name', '-s example.com -j DROP', "'example.com' of -s is no IPv4 address or CIDR"],
    ['an address in short', '-s 10.1 -j DROP', "'10.1' of -s is no IPv4 address or CIDR"],
    [
      'a mask with holes',
      '-s 10.0.0.0/255.0.255.0',
      "'10.0.0.0/255.0.255.0' of -s is no IPv4 address or CIDR",
    ],
    ['ICMPv6', '-p icmpv6 -j ACCEPT', '-p icmpv6 is not of IPv4'],
    ['ICMPv6 by number', '-p 58 -j ACCEPT', '-p 58 is not of IPv4'],
    ['a hop limit of IPv6', '-m hl --hl-eq 255', '-m hl is not of IPv4'],
    ['two protocols', '-p tcp -p udp', 'has more than one -p'],
    ['two targets', '-j DROP -j ACCEPT', 'has more than one -j'],
    [
      'a port without protocol',
      '--dport 80 -j ACCEPT',
      '--dport is an option of tcp, udp, sctp, dccp, which the line does not have',
    ],
    ['a match without its protocol', '-m tcp --dport 80', '-m tcp needs -p tcp'],
    [
      'multiport without its protocol',
      '-m multiport --dports 1',
      '-m multiport needs -p tcp, udp, sctp or dccp',
    ],
    [
      'an option of another target',
      '-j DROP --reject-with tcp-reset',
      '--reject-with is an option of REJECT',
    ],
    ['a value that lacks', '-p tcp --dport', '--dport lacks its value'],
    ['a value that is none', '-p tcp --dport 80;90', "'80;90' of --dport is no port or range of ports"],
    ['a negation within', '-p tcp --dport ! 80', "'!' of --dport is no port or range of ports"],
    ['a limit negated', '-m limit ! --limit 1/s', '--limit cannot be negated'],
    ['an ICMP type that is none', '-p icmp --icmp-type 256', "'256' of --icmp-type is no type known here"],
    ['nothing at all', '! -s 0.0.0.0/0', '! -s 0.0.0.0/0 matches nothing'],
    [
      'both ports at once',
      '-p tcp -m multiport --ports 22',
      "'--ports' is not taken; write one line with --sports",
    ],
  ])('%s is refused', (_, text, reason) => {
    expect(words(text)).toEqual(expect.stringContaining(reason))
  })

  test.each<readonly [string, string]>([
    ['-s 10.0.0.1 -j DROP', "'10.0.0.1' of -s is no IPv6 address or CIDR"],
    ['-p icmp -j ACCEPT', '-p icmp is not of IPv6'],
    ['-m ttl --ttl-eq 1', '-m ttl is not of IPv6'],
    ['-s ::ffff:1.2.3.4', "'::ffff:1.2.3.4' of -s is no IPv6 address or CIDR"],
  ])('%s is refused in a file for IPv6', (text, reason) => {
    expect(words(text, 6)).toBe(reason)
  })
})

describe('a line in nft syntax', () => {
  const rule = (text: string): string => {
    const parsed = parseNftLine(text)
    return parsed.kind === 'taken' ? parsed.value : parsed.reason
  }

  test.each<readonly [string, string]>([
    ['icmpv6 type nd-redirect accept', 'icmpv6 type nd-redirect accept'],
    [
      'tcp dport {22,80} ip saddr 10.0.0.0/8 counter accept',
      'tcp dport { 22 , 80 } ip saddr 10.0.0.0/8 counter accept',
    ],
    ['tcp dport!=22 accept comment "jump ; }"', 'tcp dport != 22 accept'],
    ['iifname net1 oifname != "eth*" drop', 'iifname net1 oifname != "eth*" drop'],
    [
      'ip6 saddr fe80::1-fe80::9 limit rate 5/second burst 3 packets log prefix "a; }" drop',
      'ip6 saddr fe80::1-fe80::9 limit rate 5/second burst 3 packets log prefix "a; }" drop',
    ],
  ])('%s is taken', (text, taken) => {
    expect(rule(text)).toBe(taken)
  })

  test.each<readonly [string, string, string]>([
    ['a way out of the rule', 'accept; drop', "';' has no place in a rule"],
    ['a way out of the chain', 'accept } chain x { accept', "'chain' is not for rule files"],
    ['a brace too many', 'tcp dport { 22 } } accept', 'has a brace that is not closed'],
    ['a brace that is open', 'tcp dport { 22 accept', 'has a brace that is not closed'],
    [
      'a brace within another',
      'tcp dport { { 22 } } accept',
      'has a brace that is not closed, or one within another',
    ],
    ['a jump', 'tcp dport 22 jump evil', "'jump' is not for rule files"],
    ['a goto', 'goto evil', "'goto' is not for rule files"],
    ['a verdict map', 'tcp dport vmap { 22 : accept }', "'vmap' is not for rule files"],
    ['a queue', 'queue num 0', "'queue' is not for rule files"],
    ['a file', 'include "/etc/passwd"', "'include' is not for rule files"],
    ['a variable', 'tcp dport $x accept', "'$' has no place in a rule"],
    ['a definition', 'define x = 5', "'define' is not for rule files"],
    ['a set of the table', 'ip saddr @peers accept', "'@' has no place in a rule"],
    ['a continued line', 'accept \\', String.raw`'\' has no place in a rule`],
    ['a host by name', 'ip saddr face accept', "'face' is nothing that a rule file may say"],
    ['a port by name', 'tcp dport ssh accept', "'ssh' is nothing that a rule file may say"],
    ['a mark', 'meta mark set 1', "'mark' is not for rule files"],
    ['a quote that is open', 'log prefix "abc', 'has a quote that is not closed'],
    [
      'a comment that ends it all',
      'accept comment "x" drop',
      "'comment' is nothing that a rule file may say",
    ],
    [
      'matches that nft would move',
      'tcp dport 5 limit rate 1/second tcp sport 7 accept',
      'compares headers both before and after a limit',
    ],
    ['a text that nft crashes on', `log prefix "${'x'.repeat(128)}" accept`, 'is longer than 127 characters'],
    ['a word that nft does not have', 'garbage', "'garbage' is nothing that a rule file may say"],
    ['nothing but a comment', 'comment "x"', 'holds no rule'],
  ])('%s is refused', (_, text, reason) => {
    expect(rule(text)).toEqual(expect.stringContaining(reason))
  })
})

describe('the comment of a rule', () => {
  test('is the file and the line', () => {
    expect(customRuleComment({ file: '/etc/rules/custom-v4.txt', line: 3 })).toBe('custom-v4.txt:3')
  })

  test('is printable, short, and never the same for two files', () => {
    const long = [...'ab'].map((end) => customRuleComment({ file: `/x/${'n'.repeat(300)}${end}`, line: 500 }))
    expect(new Set(long).size).toBe(2)
    for (const comment of [...long, customRuleComment({ file: '/x/a"b\nä', line: 1 })])
      expect(comment).toMatch(/^[\x20-\x21\x23-\x7e]{1,127}$/)
  })
})
