/** Rule files by the real tools: translated, checked, loaded by both backends, watched, and proven by packets. */
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { parseListing, sameTable, Transaction, toText } from 'nftables-json'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Family } from '../../src/compile/address.ts'
import { restoreText, toIptables } from '../../src/compile/custom/iptables.ts'
import { printCustomRules } from '../../src/compile/custom/print.ts'
import type { CustomRule, IptablesRule, RuleFile } from '../../src/compile/custom/rules.ts'
import { type RuleFilesState, watchRuleFiles } from '../../src/watch/rule-files/source.ts'
import { type RuleBackend, type Validated, validateRules } from '../../src/watch/rule-files/validate.ts'

let directory: string
let stop: AbortController
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rule-files-'))
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await rm(directory, { recursive: true, force: true })
})

const validate = (text: string, family: Family, backend: RuleBackend = 'iptables'): Promise<Validated> =>
  validateRules(text, { path: `/etc/rules/custom-v${family}.txt`, family, backend, signal: stop.signal })

async function rulesOf(text: string, family: Family): Promise<readonly CustomRule[]> {
  const validated = await validate(text, family)
  if (validated.kind !== 'valid') throw new Error(JSON.stringify(validated))
  return validated.rules
}

function printed(rules: readonly CustomRule[]): Transaction {
  const transaction = new Transaction()
  const table = transaction.replaceTable({ family: 'inet', name: 'x' })
  table.addChain({ name: 'custom' })
  printCustomRules(table, 'custom', rules)
  return transaction
}

/** The rules in nft's text, as printed. */
function nftText(rules: readonly CustomRule[]): readonly string[] {
  const lines = toText(printed(rules).commands).split('\n')
  return lines.filter((line) => line.includes('comment')).map((line) => line.trim())
}

/** Loads the printed rules for real. @returns whether the kernel lists what was written */
async function standsAsWritten(rules: readonly CustomRule[]): Promise<boolean> {
  const transaction = new Transaction()
  const table = transaction.replaceTable({ family: 'inet', name: 'x' })
  table.addChain({ name: 'custom' })
  printCustomRules(table, 'custom', rules)
  const file = join(directory, 'printed.json')
  await writeFile(file, JSON.stringify(transaction))
  const script = 'nft -j -f "$1" && exec nft -j list table inet x'
  const { stdout } = await execa('unshare', ['--net', 'sh', '-c', script, 'sh', file])
  const [standing] = parseListing(stdout).tables
  return standing !== undefined && sameTable(standing, table.contents)
}

/** The rules as `iptables-save` tells them once they stand. */
async function saved(rules: readonly IptablesRule[], family: Family): Promise<readonly string[]> {
  const lines = rules.map((rule) => `-A C ${restoreText(rule)}`)
  const file = join(directory, 'restore')
  await writeFile(file, ['*filter', ':C - [0:0]', ...lines, 'COMMIT', ''].join('\n'))
  const program = family === 4 ? 'iptables' : 'ip6tables'
  const script = `${program}-restore "$1" && exec ${program}-save -t filter`
  const { stdout } = await execa('unshare', ['--net', 'sh', '-c', script, 'sh', file])
  return stdout.split('\n').filter((line) => line.startsWith('-A'))
}

const SEED_V4 = `# accept redirect
-p icmp --icmp-type redirect -j ACCEPT
# accept fragmentation-needed (for MTU discovery)
-p icmp --icmp-type fragmentation-needed -j ACCEPT
`
const SEED_V6 = `# accept NDP
-p icmpv6 --icmpv6-type neighbor-solicitation -j ACCEPT
-p icmpv6 --icmpv6-type neighbor-advertisement -j ACCEPT
# accept RA/RS
-p icmpv6 --icmpv6-type router-solicitation -j ACCEPT
-p icmpv6 --icmpv6-type router-advertisement -j ACCEPT
# accept redirect
-p icmpv6 --icmpv6-type redirect -j ACCEPT
# accept packet-too-big (for MTU discovery)
-p icmpv6 --icmpv6-type packet-too-big -j ACCEPT
`

describe('the ConfigMaps of the existing daemon, word for word', () => {
  test('in nftables', async () => {
    expect(nftText(await rulesOf(SEED_V4, 4))).toEqual([
      'meta nfproto ipv4 icmp type redirect counter accept comment "custom-v4.txt:2"',
      'meta nfproto ipv4 icmp type destination-unreachable icmp code frag-needed counter accept comment "custom-v4.txt:4"',
    ])
    const v6 = ['nd-neighbor-solicit:2', 'nd-neighbor-advert:3', 'nd-router-solicit:5', 'nd-router-advert:6']
    expect(nftText(await rulesOf(SEED_V6, 6))).toEqual(
      [...v6, 'nd-redirect:8', 'packet-too-big:10'].map((each) => {
        const [type, line] = each.split(':')
        return `meta nfproto ipv6 icmpv6 type ${type} counter accept comment "custom-v6.txt:${line}"`
      }),
    )
  })

  test('in iptables, as they are', async () => {
    for (const [text, family] of [[SEED_V4, 4] as const, [SEED_V6, 6] as const]) {
      const rules = await rulesOf(text, family)
      const lines = rules.flatMap(({ iptables }) => (iptables.kind === 'rules' ? iptables.rules : []))
      expect(lines.map(restoreText)).toEqual(text.split('\n').filter((line) => line.startsWith('-p')))
      expect(await saved(lines, family)).toHaveLength(rules.length)
      expect(await standsAsWritten(rules)).toBe(true)
    }
  })

  test('cost little', async () => {
    const began = performance.now()
    await rulesOf(`${SEED_V4}# again\n`, 4)
    await rulesOf(`${SEED_V6}# again\n`, 6)
    const first = performance.now() - began
    await rulesOf(SEED_V4, 4)
    await rulesOf(SEED_V6, 6)
    const both = performance.now() - began
    console.log(`seed files, iptables backend: ${first.toFixed(0)} ms, again ${(both - first).toFixed(0)} ms`)
    expect(first).toBeLessThan(10_000)
  })
})

/** OpenShift puts such lines into the files for IPv6. */
const ND = `# accept neighbour and router discovery
icmpv6 type nd-neighbor-solicit accept
icmpv6 type nd-neighbor-advert accept
icmpv6 type nd-router-solicit accept
icmpv6 type nd-router-advert accept
icmpv6 type nd-redirect accept
icmpv6 type { nd-router-solicit, packet-too-big } counter accept
udp dport 546 ip6 daddr fe80::/64 accept
`

test('lines in nft syntax come out for both', async () => {
  const rules = await rulesOf(ND, 6)
  expect(nftText(rules)).toEqual([
    'meta nfproto ipv6 icmpv6 type nd-neighbor-solicit counter accept comment "custom-v6.txt:2"',
    'meta nfproto ipv6 icmpv6 type nd-neighbor-advert counter accept comment "custom-v6.txt:3"',
    'meta nfproto ipv6 icmpv6 type nd-router-solicit counter accept comment "custom-v6.txt:4"',
    'meta nfproto ipv6 icmpv6 type nd-router-advert counter accept comment "custom-v6.txt:5"',
    'meta nfproto ipv6 icmpv6 type nd-redirect counter accept comment "custom-v6.txt:6"',
    'meta nfproto ipv6 icmpv6 type { nd-router-solicit, packet-too-big } counter accept comment "custom-v6.txt:7"',
    'meta nfproto ipv6 udp dport 546 ip6 daddr fe80::/64 counter accept comment "custom-v6.txt:8"',
  ])
  const lines = rules.flatMap(({ iptables }) => (iptables.kind === 'rules' ? iptables.rules : []))
  expect(lines.map(restoreText).slice(4)).toEqual([
    '-p ipv6-icmp -m icmp6 --icmpv6-type 137 -j ACCEPT',
    '-p ipv6-icmp -m icmp6 --icmpv6-type 133 -j ACCEPT',
    '-p ipv6-icmp -m icmp6 --icmpv6-type 2 -j ACCEPT',
    '-p udp -m udp --dport 546 -d fe80::/64 -j ACCEPT',
  ])
  expect(await saved(lines, 6)).toHaveLength(lines.length)
  expect(await standsAsWritten(rules)).toBe(true)
})

/** A line in iptables syntax, and the rule of nft that says the same (by iptables(8), iptables-extensions(8), nft(8)). */
const TRANSLATED: readonly (readonly [string, string])[] = [
  ['-s 10.0.0.0/8 -p tcp --dport 22 -j ACCEPT', 'ip saddr 10.0.0.0/8 tcp dport 22 counter accept'],
  ['-p tcp --sport 0:65535 -j ACCEPT', 'meta nfproto ipv4 meta l4proto tcp counter accept'],
  ['-p tcp -m tcp -j ACCEPT', 'meta nfproto ipv4 meta l4proto tcp counter accept'],
  [
    '-p tcp ! --sport 5 ! --dport 7 -j DROP',
    'meta nfproto ipv4 tcp sport != 5-5 tcp dport != 7-7 counter drop',
  ],
  ['-s 10.0.0.1,10.0.0.7 -j RETURN', 'ip saddr { 10.0.0.1, 10.0.0.7 } counter return'],
  ['-p udp --dport :99 -j ACCEPT', 'meta nfproto ipv4 udp dport 0-99 counter accept'],
  [
    '-p tcp -m multiport --dports 22,80,100:200 -j ACCEPT',
    'meta nfproto ipv4 tcp dport { 22, 80, 100-200 } counter accept',
  ],
  [
    '-p udp -m multiport ! --sports 22,80 -j ACCEPT',
    'meta nfproto ipv4 udp sport != { 22, 80 } counter accept',
  ],
  ['-m state --state NEW,ESTABLISHED -j ACCEPT', 'meta nfproto ipv4 ct state established,new counter accept'],
  [
    '-m conntrack ! --ctstate INVALID -j ACCEPT',
    'meta nfproto ipv4 ct state established,related,new,untracked counter accept',
  ],
  ['-m conntrack --ctdir REPLY -j ACCEPT', 'meta nfproto ipv4 ct direction reply counter accept'],
  [
    '-m limit --limit 5/min --limit-burst 7 -j LOG --log-prefix "a b: " --log-level debug',
    'meta nfproto ipv4 limit rate 5/minute burst 7 packets counter log prefix "a b: " level debug',
  ],
  [
    '-p tcp --syn -j REJECT --reject-with tcp-reset',
    'meta nfproto ipv4 tcp flags & (fin | syn | rst | ack) == syn counter reject with tcp reset',
  ],
  [
    '-p tcp --tcp-flags ALL NONE -j DROP',
    'meta nfproto ipv4 tcp flags & (fin | syn | rst | psh | ack | urg) == 0-0 counter drop',
  ],
  [
    '-j REJECT --reject-with icmp-admin-prohibited',
    'meta nfproto ipv4 counter reject with icmp admin-prohibited',
  ],
  ['-i net+ ! -o eth0 -j DROP', 'meta nfproto ipv4 iifname "net*" oifname != "eth0" counter drop'],
  ['-m iprange --src-range 10.0.0.1-10.0.0.9 -j ACCEPT', 'ip saddr 10.0.0.1-10.0.0.9 counter accept'],
  [
    '-p icmp ! --icmp-type 3/4 -j ACCEPT',
    'meta nfproto ipv4 icmp type . icmp code != { destination-unreachable . frag-needed } counter accept',
  ],
  ['! -p tcp -j DROP', 'meta nfproto ipv4 meta l4proto != tcp counter drop'],
  ['-p sctp --dport 5:6 -j ACCEPT', 'meta nfproto ipv4 sctp dport 5-6 counter accept'],
  ['-m ttl --ttl-gt 5 -j ACCEPT', 'ip ttl > 5 counter accept'],
  ['-m length --length 1:500 -j ACCEPT', 'meta nfproto ipv4 meta length 1-500 counter accept'],
  ['-m pkttype --pkt-type multicast -j ACCEPT', 'meta nfproto ipv4 meta pkttype multicast counter accept'],
]

test('iptables syntax means in nftables what it says, and stands in the kernel as written', async () => {
  const rules = await rulesOf(TRANSLATED.map(([line]) => line).join('\n'), 4)
  const expected = TRANSLATED.map(([, rule], index) => `${rule} comment "custom-v4.txt:${index + 1}"`)
  expect(nftText(rules)).toEqual(expected)
  expect(await standsAsWritten(rules)).toBe(true)
})

test('made iptables again from nftables, such a line stands in the kernel as it would by itself', async () => {
  // Less what iptables itself would spell differently: the match state, and what says nothing.
  const same = TRANSLATED.map(([line]) => line).filter(
    (line) => !/--state|! --ctstate|0:65535|-m tcp -j/.test(line),
  )
  const rules = await rulesOf(same.join('\n'), 4)
  const given = rules.flatMap(({ iptables }) => (iptables.kind === 'rules' ? iptables.rules : []))
  const again = rules.flatMap(({ statements }) => {
    const form = toIptables(statements, 4)
    if (form.kind !== 'rules') throw new Error(form.reason)
    return form.rules
  })
  expect(await saved(again, 4)).toEqual(await saved(given, 4))
})

describe('a line is refused with its reason', () => {
  test.each<readonly [string, Family, string, RegExp]>([
    [
      'iptables: an unknown port',
      4,
      '-p tcp --dport nosuchport -j DROP',
      /^iptables refuses it: .*nosuchport/,
    ],
    [
      'iptables: an unknown way to reject',
      4,
      '-j REJECT --reject-with icmp6-no-route',
      /^iptables refuses it: unknown reject type "icmp6-no-route"/,
    ],
    [
      'iptables: too many ports',
      4,
      `-p tcp -m multiport --dports ${Array.from({ length: 16 }, (_, n) => n + 1)} -j DROP`,
      /^iptables refuses it: too many ports/,
    ],
    ['nft: no rule', 4, 'accept tcp dport 22', /has no effect/],
    ['nft: two protocols', 4, 'tcp dport 22 udp dport 23 accept', /conflicting protocols/],
    ['nft: a port that is none', 4, 'tcp dport 70000 accept', /out of range/i],
    ['the other family in nft', 4, 'ip6 saddr ::1 accept', /^compares ip6 saddr, and the file is for IPv4/],
    [
      'ICMPv6 in a file for IPv4',
      4,
      'icmpv6 type nd-redirect accept',
      /^compares icmpv6 type, and the file is for IPv4/,
    ],
    [
      'ICMP in a file for IPv6',
      6,
      'icmp type echo-request accept',
      /^compares icmp type, and the file is for IPv6/,
    ],
    ['NAT by its innocent name', 4, 'tcp dport 22 redirect', /redirect/],
    [
      'iptables alone cannot',
      4,
      'th dport 53 accept',
      /^cannot be said in iptables: compares ports of any protocol$/,
    ],
  ])('%s', async (_, family, line, reason) => {
    const validated = await validate(`# a comment\n-j ACCEPT\n${line}\n`, family)
    expect(validated).toMatchObject({
      kind: 'invalid',
      problems: [{ line: 3, text: line, reason: expect.stringMatching(reason) }],
    })
  })

  test('what only iptables cannot say is fine in nftables', async () => {
    expect(await validate('th dport 53 accept', 4, 'nftables')).toMatchObject({
      rules: [{ iptables: { kind: 'unsayable', reason: 'compares ports of any protocol' } }],
    })
  })

  test('what only the kernel refuses', async () => {
    const line = 'limit rate 0/second accept'
    expect(await validate(`accept\n${line}\ntcp dport 5 accept`, 4)).toMatchObject({
      problems: [{ line: 2, text: line, reason: expect.stringMatching(/^Could not process rule: /) }],
    })
  })

  test('of many lines the bad ones are found', async () => {
    const lines = Array.from({ length: 400 }, (_, n) => `tcp dport ${n % 190 === 7 ? 70_000 : n + 1} accept`)
    expect(await validate(lines.join('\n'), 4, 'nftables')).toMatchObject({
      problems: [{ line: 8 }, { line: 198 }, { line: 388 }],
    })
  })
})

test('a file of as many lines as may be is validated in seconds', async () => {
  const lines = Array.from({ length: 500 }, (_, n) =>
    n % 2 === 0 ? `tcp dport ${n + 1} accept` : `-p tcp --dport ${n + 1} -j ACCEPT`,
  )
  const began = performance.now()
  expect(await rulesOf(lines.join('\n'), 4)).toHaveLength(500)
  console.log(`500 lines: ${(performance.now() - began).toFixed(0)} ms`)
})

test('a tool that cannot be used says nothing of the file', async () => {
  stop.abort()
  expect(await validate('tcp dport 4242 accept', 4)).toMatchObject({ kind: 'unchecked' })
})

test('no process stays, and with it no namespace', async () => {
  const children = async (): Promise<string> =>
    await readFile(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
  const before = await children()
  await rulesOf('accept', 4)
  expect(await children()).toBe(before)
})

describe('watched', () => {
  const path = (name: string): string => join(directory, name)
  const both = (name: string): readonly RuleFile[] => [
    { direction: 'egress', family: 6, path: path('v6') },
    { direction: 'ingress', family: 4, path: path(name) },
    { direction: 'egress', family: 4, path: path(name) },
  ]

  function follow(files: readonly RuleFile[]): (until: (told: Told) => boolean) => Promise<Told> {
    const states = watchRuleFiles({ files, backend: 'nftables', clock: systemClock, signal: stop.signal })
    let told: Told | undefined
    return async (until) => {
      while (told === undefined || !until(told)) {
        const { value, done } = await states.next()
        if (done || value === undefined) throw new Error('the source ended')
        told = tell(value)
      }
      return told
    }
  }

  interface Told {
    readonly ingress: readonly string[]
    readonly egress: readonly string[]
    readonly issues: readonly string[]
  }

  const tell = ({ rules, issues }: RuleFilesState): Told => ({
    ingress: rules.ingress.map(({ text }) => text),
    egress: rules.egress.map(({ text }) => text),
    issues: issues.map(({ field, reason }) => `${field}: ${reason}`),
  })

  /** As kubelet writes a ConfigMap: a directory of its own, and a symlink to it that is swapped. */
  async function configMap(version: string, contents: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(path(`..${version}`))
    for (const [name, text] of Object.entries(contents)) await writeFile(path(`..${version}/${name}`), text)
    await symlink(`..${version}`, path('..data_tmp'))
    await rename(path('..data_tmp'), path('..data'))
  }

  test('a ConfigMap that is swapped takes effect live; a bad version leaves the last good one in force', async () => {
    await configMap('1', { rules: '-p tcp --dport 1 -j ACCEPT', v6: 'accept' })
    await symlink('..data/rules', path('rules'))
    await symlink('..data/v6', path('v6'))
    const until = follow(both('rules'))
    expect(await until(() => true)).toEqual({
      ingress: ['-p tcp --dport 1 -j ACCEPT'],
      egress: ['-p tcp --dport 1 -j ACCEPT', 'accept'],
      issues: [],
    })
    await configMap('2', { rules: '-p tcp --dport 2 -j ACCEPT', v6: 'accept' })
    await until(({ ingress }) => ingress[0] === '-p tcp --dport 2 -j ACCEPT')
    await configMap('3', { rules: '-p tcp --dport 3 -j ACCEPT\n-p tcp --dport 3 -j NOSUCH', v6: 'drop' })
    const bad = await until(({ issues }) => issues.length > 0)
    expect(bad.ingress).toEqual(['-p tcp --dport 2 -j ACCEPT'])
    expect(bad.issues).toEqual([
      expect.stringMatching(/^line 2: 'NOSUCH' of -j .*; its last good version stays in force$/),
    ])
    expect((await until(({ egress }) => egress.includes('drop'))).egress).toContain(
      '-p tcp --dport 2 -j ACCEPT',
    )
    await configMap('4', { rules: '', v6: 'drop' })
    expect(await until(({ ingress }) => ingress.length === 0)).toEqual({
      ingress: [],
      egress: ['drop'],
      issues: [],
    })
  })

  test('a file that is bad from the start counts as empty, and the Issue says so', async () => {
    await writeFile(path('v6'), 'accept')
    await writeFile(path('rules'), 'accept\njump elsewhere')
    const told = await follow(both('rules'))(() => true)
    expect(told.ingress).toEqual([])
    expect(told.egress).toEqual(['accept'])
    expect(told.issues).toEqual([expect.stringMatching(/^line 2: 'jump' .*; the file counts as empty$/)])
  })

  test('a file that vanishes keeps its last good version', async () => {
    await writeFile(path('v6'), '')
    await writeFile(path('rules'), 'accept')
    const until = follow(both('rules'))
    await until(() => true)
    await rm(path('rules'))
    const gone = await until(({ issues }) => issues.length > 0)
    expect(gone.ingress).toEqual(['accept'])
    expect(gone.issues).toEqual([expect.stringMatching(/ENOENT.*; its last good version stays in force$/)])
    await writeFile(path('rules'), 'drop')
    expect(await until(({ ingress }) => ingress[0] === 'drop')).toMatchObject({ issues: [] })
  })

  test('edits that land while others are validated are not lost', async () => {
    await writeFile(path('v6'), '')
    await writeFile(path('rules'), '')
    const until = follow(both('rules'))
    await until(() => true)
    const writing = (async () => {
      for (let n = 1; n <= 40; n += 1) {
        await writeFile(path('rules'), `${`tcp dport ${n} accept\n`.repeat(20)}-p tcp --dport ${n} -j DROP\n`)
        await systemClock.sleep(n % 8 === 0 ? 90 : 15, stop.signal)
      }
    })()
    const last = await until(({ ingress }) => ingress.at(-1) === '-p tcp --dport 40 -j DROP')
    await writing
    expect(last.issues).toEqual([])
  })
})
