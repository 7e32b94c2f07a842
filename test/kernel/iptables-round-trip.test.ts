/**
 * What is printed for iptables, written to a network namespace and read back, by both variants of the commands: the kernel
 * lists just what was printed, and the application's own rules are as they were.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { iptablesBackend } from '../../src/apply/iptables-backend.ts'
import { hostView } from '../../src/apply/netns/cri-host.ts'
import { type OpenNetns, openNetns } from '../../src/apply/netns/open-netns.ts'
import { type Address, formatAddress } from '../../src/compile/address.ts'
import { Cluster } from '../../src/compile/cluster.ts'
import { compile } from '../../src/compile/compile.ts'
import { NO_CUSTOM_RULES } from '../../src/compile/custom/rules.ts'
import { bothFamiliesText } from '../../src/compile/iptables/text.ts'
import { NO_EXEMPTIONS, type Ruleset } from '../../src/compile/ruleset.ts'
import { parseManifest } from '../../src/watch/manifests/file.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { arbitraryCluster, generatedOptions } from '../model/generate.ts'
import { clusterOf, compileAll } from '../product.ts'
import { seed } from '../seed.ts'

const GOLDEN = join(import.meta.dirname, '../unit/compile/golden')
const { signal } = new AbortController()

let lab: Lab
let pod: Pod

beforeAll(async () => {
  lab = await Lab.create('roundtrip')
  await lab.segment('red')
})
afterAll(async () => await lab?.[Symbol.asyncDispose]())

describe.each(['nft', 'legacy'] as const)('by iptables-%s', (variant) => {
  const COMMANDS = [`iptables-${variant}`, `ip6tables-${variant}`] as const
  const backend = iptablesBackend(variant)
  let netns: OpenNetns

  beforeEach(async () => {
    pod = await lab.pod(`p${variant}${Math.random().toString(36).slice(2)}`, [
      { segment: 'red', interface: 'net1' },
    ])
    const located = await openNetns(pod.netns, hostView(''))
    if (located.kind !== 'found') throw new Error(located.reason)
    netns = located.netns
    return async () => {
      await netns[Symbol.asyncDispose]()
      await lab.removePod(pod)
    }
  })

  async function application(): Promise<string> {
    const rules = `*filter
:APP - [0:0]
:MULTI-MINE - [0:0]
-A INPUT -m comment --comment "a \\"quoted\\" \\\\ thing" -j APP
-A INPUT -i "x\\"y" -j RETURN
-A FORWARD -j MULTI-MINE
-A OUTPUT -d 192.0.2.1/32 -j DROP
-A APP -p tcp -m tcp --dport 7 -j REJECT
COMMIT
*nat
-A PREROUTING -i net1 -j RETURN
-A PREROUTING -p tcp -m tcp --dport 1 -j REDIRECT --to-ports 2
COMMIT
`
    await pod.run([`iptables-${variant}-restore`, '--noflush'], rules)
    return await others()
  }

  /** All rules that are not ours, of all tables. */
  async function others(): Promise<string> {
    const saved = await pod.run([`iptables-${variant}-save`])
    return saved
      .replaceAll(
        /^(?:#|:MULTI-(?!MINE)|-A MULTI-(?!MINE)|-A \S+ -j MULTI-(?!MINE)).*(?:\n|$)|\[\d+:\d+\]/gm,
        '',
      )
      .trim()
  }

  async function writeAndRead(ruleset: Ruleset | undefined, lines = true): Promise<void> {
    const printed = backend.print(ruleset)
    expect(await printed.write(netns, signal)).toEqual({ kind: 'done' })
    const found = await backend.read(netns, signal)
    if (printed.isThere(found)) return
    if (lines) expect(found.kind === 'listed' ? backend.lines(found.listed) : found).toEqual(printed.lines())
    expect.fail('it is not there, though its lines may be the same')
  }

  test('every golden cluster', async () => {
    for (const file of readdirSync(GOLDEN).filter((name) => name.endsWith('.yaml'))) {
      const content = await parseManifest(file, readFileSync(join(GOLDEN, file), 'utf8'), 'n1')
      if (content.kind !== 'parsed') throw new Error(file)
      const cluster = new Cluster()
      for (const object of content.objects) cluster.apply({ kind: 'changed', object })
      const exemptions = {
        ...{
          icmp: true,
          icmpv6: true,
          ipv6Destinations: [{ family: 6 as const, first: 0n, last: 2n ** 128n - 1n }],
        },
        ipv6Sources: [{ family: 6 as const, first: 0xfe80n << 112n, last: (0xfe80n << 112n) + 5n }],
      }
      for (const each of [NO_EXEMPTIONS, exemptions]) {
        const options = {
          node: undefined,
          networkPlugins: new Set(['macvlan']),
          exemptions: each,
          custom: NO_CUSTOM_RULES,
          logDrops: false,
        }
        for (const { ruleset } of compile(cluster, options).targets.values()) await writeAndRead(ruleset)
      }
    }
    await writeAndRead(undefined)
    expect((await backend.read(netns, signal)).kind).toBe('absent')
  })

  test('made-up clusters, one after the other, beside rules of the application', {
    timeout: 300_000,
  }, async () => {
    const before = await application()
    await fc.assert(
      fc.asyncProperty(arbitraryCluster(), async (cluster) => {
        const { targets } = compileAll(
          clusterOf(Object.values(cluster).flat()),
          generatedOptions.networkPlugins,
        )
        for (const { ruleset } of targets.values()) await writeAndRead(ruleset)
        expect(await others()).toBe(before)
      }),
      { seed, numRuns: 15 },
    )
    await writeAndRead(undefined)
    expect(await others()).toBe(before)
  })

  test('interfaces of any name', { timeout: 300_000 }, async () => {
    const character = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...'+-!"\'\\#@*[]=,$`;{}()|&~?^%<>') },
      { weight: 2, arbitrary: fc.constantFrom(...'abcnet019._ü日\u0001\u007f') },
    )
    const name = fc
      .oneof(
        fc.string({ unit: character, minLength: 1, maxLength: 15 }),
        fc.constantFrom(
          '!',
          '+',
          '-j',
          '-g',
          '-m',
          '--comment',
          '-t',
          '-i',
          '"',
          '""',
          '\\',
          '-A',
          'COMMIT',
          '#',
          '*filter',
          ':a',
          '-',
        ),
      )
      .filter((each) => Buffer.byteLength(each) <= 15 && !['.', '..'].includes(each))
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(name, { minLength: 1, maxLength: 40 }), async (names) => {
        const ruleset = rulesetOf({
          interfaces: names.toSorted().map((each, index) => {
            const places = { ingress: index % 3 === 2 ? [] : [0], egress: index % 2 === 0 ? [0] : [] }
            return { name: each, networks: ['x/red'], isolatedBy: places, allowedBy: places }
          }),
          ungoverned: ['a"', 'a+', '!', '++'].filter((each) => !names.includes(each)),
        })
        await writeAndRead(ruleset)
        const found = await backend.read(netns, signal)
        if (found.kind !== 'listed') expect.fail(found.kind)
        expect([...backend.governedBy(found.listed)].sort()).toEqual(
          names.map((each) => [each, ['x/red']]).sort(),
        )
      }),
      { seed, numRuns: 25 },
    )
  })

  test('large peers, many policies and long lists of ports, changed and taken away', async () => {
    const places = Array.from({ length: 40 }, (_, place) => place)
    const all = { ingress: places, egress: places }
    const large = (count: number): Ruleset =>
      rulesetOf({
        policies: Array.from({ length: 40 }, (_, place) => {
          const addresses = Array.from({ length: count }, (_each, host) =>
            formatAddress(
              host % 2 === 0 ? 4 : 6,
              (host % 2 === 0 ? 0x0a000000n : 0xfd00n << 112n) + BigInt(host * 7 + place + 1),
            ),
          )
          return {
            policy: `x/p${place}` as const,
            allows: {
              ingress: [
                {
                  rule: 0,
                  peers: {
                    kind: 'only',
                    addresses,
                    ranges: Array.from({ length: 20 }, (_each, block) => ({
                      family: 4,
                      first: 0xc0a80000n + BigInt(block * 100),
                      last: 0xc0a80000n + BigInt(block * 100 + place),
                    })),
                  },
                  ports: {
                    kind: 'only',
                    ports: [
                      {
                        protocol: 'SCTP',
                        ranges: Array.from({ length: 50 }, (_each, port) => ({
                          first: port * 9,
                          last: port * 9 + (port % 3),
                        })),
                      },
                    ],
                  },
                  endpoints: [],
                },
              ],
              egress: [
                {
                  rule: 0,
                  peers: { kind: 'only', addresses: [], ranges: [] },
                  ports: { kind: 'any' },
                  endpoints: Array.from({ length: count }, (_each, host) => ({
                    address: formatAddress(4, 0x0a000000n + BigInt(host + 1)),
                    protocol: 'UDP',
                    port: place + 1,
                  })),
                },
              ],
            },
          }
        }),
        interfaces: [{ name: 'net1', networks: ['x/red'], isolatedBy: all, allowedBy: all }],
      })
    for (const count of [2, 500, 501]) await writeAndRead(large(count))
    const set = /^create (mnpd-\S+)/.exec(await pod.run(['ipset', 'save']))?.[1] ?? ''
    await pod.run(['ipset', 'flush', set])
    expect(backend.print(large(501)).isThere(await backend.read(netns, signal))).toBe(false)
    await writeAndRead(large(501))
    await writeAndRead(undefined)
    expect(await pod.run(['ipset', 'save'])).toBe('')
    expect(await others()).not.toContain('MULTI')
  })

  test('the text for both families loads as it is, and is what is written', async () => {
    const content = await parseManifest('union.yaml', readFileSync(join(GOLDEN, 'union.yaml'), 'utf8'), 'n1')
    if (content.kind !== 'parsed') throw new Error('union.yaml')
    const cluster = new Cluster()
    for (const object of content.objects) cluster.apply({ kind: 'changed', object })
    const options = {
      node: undefined,
      networkPlugins: new Set(['macvlan']),
      exemptions: NO_EXEMPTIONS,
      custom: NO_CUSTOM_RULES,
      logDrops: false,
    }
    for (const { ruleset } of compile(cluster, options).targets.values()) {
      await writeAndRead(undefined)
      for (const command of ['iptables', 'ip6tables'])
        await pod.run([`${command}-${variant}-restore`, '--noflush'], bothFamiliesText(ruleset))
      expect(backend.print(ruleset).isThere(await backend.read(netns, signal))).toBe(true)
    }
  })

  test('a rule that comes before ours, a rule that is gone, one too many: it is not there, and is put right', async () => {
    const ruleset = rulesetOf({})
    const command = `iptables-${variant}`
    for (const change of [
      ['-I', 'INPUT', '1', '-j', 'ACCEPT'],
      ['-D', 'INPUT', '-j', 'MULTI-INGRESS'],
      ['-A', 'INPUT', '-j', 'MULTI-INGRESS'],
      ['-I', 'FORWARD', '2', '-j', 'ACCEPT'],
      ['-I', 'MULTI-IF0-INGRESS', '1', '-j', 'RETURN'],
      ['-F', 'MULTI-INGRESS-COMMON'],
      ['-N', 'MULTI-7-INGRESS'],
    ] as const) {
      await writeAndRead(ruleset)
      await pod.run([command, ...change])
      expect(backend.print(ruleset).isThere(await backend.read(netns, signal)), change.join(' ')).toBe(false)
      await writeAndRead(ruleset)
    }
    expect(await pod.run([command, '-S', 'INPUT'])).toBe(
      '-P INPUT ACCEPT\n-A INPUT -j MULTI-INGRESS\n-A INPUT -j ACCEPT',
    )
  })

  test('a comment of the application with line feeds in it passes for no rule of ours', async () => {
    const ruleset = rulesetOf({})
    await writeAndRead(ruleset)
    const saved = await pod.run([`iptables-${variant}-save`, '-t', 'filter'])
    const forged = saved
      .split('\n')
      .filter((line) => line.includes('-A MULTI-IF0-INGRESS'))
      .join('\n')
    await pod.run([`iptables-${variant}`, '-F', 'MULTI-IF0-INGRESS'])
    await pod.run([
      `iptables-${variant}`,
      '-A',
      'OUTPUT',
      '-m',
      'comment',
      '--comment',
      `\n${forged}\n`,
      '-j',
      'RETURN',
    ])
    expect(backend.print(ruleset).isThere(await backend.read(netns, signal))).toBe(false)
  })

  test('without ipset there is a rule for each peer, up to a limit; with it again, both are as they should be', async () => {
    const peers = (count: number): Ruleset => {
      const only = { kind: 'only', addresses: addresses(count), ranges: [] } as const
      const allow = { rule: 0, peers: only, ports: { kind: 'any' }, endpoints: [] } as const
      return rulesetOf({ policies: [{ policy: 'x/p', allows: { ingress: [allow], egress: [allow] } }] })
    }
    const all = ['nsenter', ...COMMANDS.flatMap((command) => [`${command}-save`, `${command}-restore`])]
    await withPrograms(Object.fromEntries(all.map((name) => [name, undefined])), async () => {
      await writeAndRead(peers(100), false)
      const outcome = await backend.print(peers(30_000)).write(netns, signal)
      expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ipset') })
      expect(backend.print(peers(100)).isThere(await backend.read(netns, signal))).toBe(true)
    })
    expect(backend.print(peers(100)).isThere(await backend.read(netns, signal))).toBe(true)
    await writeAndRead(peers(101))
    expect(await pod.run(['ipset', 'save'])).toContain('add mnpd-')
  })

  test('sets that cannot be listed are a look that failed, where rules name any', async () => {
    const small = rulesetOf({})
    const only = { kind: 'only', addresses: addresses(100), ranges: [] } as const
    const allow = { rule: 0, peers: only, ports: { kind: 'any' }, endpoints: [] } as const
    const large = rulesetOf({ policies: [{ policy: 'x/p', allows: { ingress: [allow], egress: [] } }] })
    const all = ['nsenter', ...COMMANDS.flatMap((command) => [`${command}-save`, `${command}-restore`])]
    const programs = Object.fromEntries(all.map((name) => [name, undefined]))
    for (const ipset of ['#!/bin/sh\necho no such luck >&2; exit 1\n', undefined]) {
      const broken = ipset === undefined ? programs : { ...programs, ipset }
      await writeAndRead(large)
      await withPrograms(broken, async () => {
        const failed = { kind: 'failed', reason: expect.stringContaining('ipset') }
        expect(await backend.read(netns, signal)).toMatchObject(failed)
        expect(await backend.dump(netns, signal)).toMatchObject(failed)
        expect(await backend.clear(netns, signal)).toMatchObject(failed)
      })
      expect(backend.print(large).isThere(await backend.read(netns, signal))).toBe(true)
      await writeAndRead(small)
      await withPrograms(broken, async () => {
        expect(backend.print(small).isThere(await backend.read(netns, signal))).toBe(true)
        expect((await backend.dump(netns, signal)).kind).toBe('dumped')
      })
    }
  })

  test('where one family cannot be written the other is, and each has the old rules or the new', async () => {
    const [before, after] = [rulesetOf({}), rulesetOf({ pod: 'x/b' })]
    const filters = async (): Promise<readonly string[]> =>
      await Promise.all(
        COMMANDS.map(async (command) => {
          const saved = await pod.run([`${command}-save`, '-t', 'filter'])
          return /pod x\/./.exec(saved)?.[0] ?? 'nothing'
        }),
      )
    for (const [index, command] of COMMANDS.entries()) {
      await writeAndRead(before)
      const broken = { [`${command}-restore`]: '#!/bin/sh\necho no such luck >&2; exit 1\n' }
      const all = ['nsenter', 'ipset', ...COMMANDS.flatMap((each) => [`${each}-save`, `${each}-restore`])]
      const programs = { ...Object.fromEntries(all.map((name) => [name, undefined])), ...broken }
      await withPrograms(programs, async () => {
        const outcome = await backend.print(after).write(netns, signal)
        expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('no such luck') })
      })
      expect(await filters()).toEqual(index === 0 ? ['pod x/a', 'pod x/b'] : ['pod x/b', 'pod x/a'])
      expect(backend.print(after).isThere(await backend.read(netns, signal))).toBe(false)
      await writeAndRead(after)
    }
  })

  test('a table in which the application has rules of nft is none of ours; once ours are in it, it is said that it cannot be read', async () => {
    if (variant === 'legacy') return
    const rules =
      'table ip filter { chain INPUT { type filter hook input priority 0; numgen random mod 2 0 accept; }; }'
    await pod.run(['nft', '-f', '-'], rules)
    expect((await backend.read(netns, signal)).kind).toBe('absent')
    expect(await backend.clear(netns, signal)).toEqual({ kind: 'cleared', what: [] })
    expect(await backend.print(rulesetOf({})).write(netns, signal)).toEqual({ kind: 'done' })
    const chain = await pod.run(['nft', 'list', 'chain', 'ip', 'filter', 'INPUT'])
    expect(chain).toMatch(/jump MULTI-INGRESS\n.*numgen/)
    expect(await backend.read(netns, signal)).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('cannot list'),
    })
  })

  test('what an earlier variant left goes once ours stands', async () => {
    const ruleset = rulesetOf({})
    const other = variant === 'nft' ? 'legacy' : 'nft'
    expect(await iptablesBackend(other).print(ruleset).write(netns, signal)).toEqual({ kind: 'done' })
    const found = await backend.read(netns, signal)
    expect(found.kind === 'listed' && backend.isOwnedBy(found.listed, 'x/a')).toBe(true)
    await writeAndRead(ruleset)
    expect(await pod.run([`iptables-${other}-save`])).not.toContain('MULTI')
  })

  test('what the existing daemon left is taken over whole, and the application’s is left alone', async () => {
    await pod.run([`iptables-${variant}-restore`, '--noflush'], EXISTING_DAEMON)
    await pod.run([`iptables-${variant}`, '-t', 'nat', '-A', 'PREROUTING', '-i', 'eth0', '-j', 'RETURN'])
    await writeAndRead(rulesetOf({}))
    expect(await others()).toContain('-A PREROUTING -i eth0 -j RETURN')
    expect(await others()).not.toContain('net1')
    expect(await backend.clear(netns, signal)).toMatchObject({
      kind: 'cleared',
      what: expect.arrayContaining(['iptables chain MULTI-INGRESS']),
    })
    await pod.run([`iptables-${variant}-restore`, '--noflush'], EXISTING_DAEMON)
    expect((await backend.clear(netns, signal)).kind).toBe('cleared')
    const saved = await pod.run([`iptables-${variant}-save`])
    expect(saved).not.toMatch(/MULTI|net1/)
    expect(saved).toContain('-A PREROUTING -i eth0 -j RETURN')
    expect((await backend.read(netns, signal)).kind).toBe('absent')
  })

  test('a dump is read again as what stands', async () => {
    const ruleset = rulesetOf({})
    await writeAndRead(ruleset)
    const dumped = await backend.dump(netns, signal)
    if (dumped.kind !== 'dumped') expect.fail(dumped.reason)
    const state = backend.parseDump(dumped.files)
    expect(state && backend.lines(state)).toEqual(backend.print(ruleset).lines())
    expect(state && backend.counters(state).map(({ rule, chain }) => `${chain}: ${rule}`)).toContain(
      'iptables MULTI-IF0-INGRESS: no policy allows it',
    )
  })
})

/**
 * Does something where there are no other programs than these.
 * @param programs by name, the text of a script, or undefined for the one there is
 */
const addresses = (count: number): readonly Address[] =>
  Array.from({ length: count }, (_, host) => formatAddress(4, 0x0a000000n + BigInt(host)))

async function withPrograms(
  programs: Readonly<Record<string, string | undefined>>,
  act: () => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'mnpd-programs-'))
  const path = process.env['PATH']
  for (const [name, script] of Object.entries({ sh: '#!/bin/dash\nexec /bin/dash "$@"\n', ...programs })) {
    if (script !== undefined) await writeFile(join(directory, name), script, { mode: 0o755 })
    else await symlink(name === 'nsenter' ? '/usr/bin/nsenter' : `/usr/sbin/${name}`, join(directory, name))
  }
  try {
    process.env['PATH'] = directory
    await act()
  } finally {
    process.env['PATH'] = path
    await rm(directory, { recursive: true })
  }
}

/** What what multi-networkpolicy-iptables writes. */
const EXISTING_DAEMON = `*nat
-A PREROUTING -i net1 -j RETURN
COMMIT
*filter
:MULTI-0-INGRESS - [0:0]
:MULTI-0-INGRESS-0-FROM - [0:0]
:MULTI-0-INGRESS-0-PORTS - [0:0]
:MULTI-EGRESS - [0:0]
:MULTI-EGRESS-COMMON - [0:0]
:MULTI-INGRESS - [0:0]
:MULTI-INGRESS-COMMON - [0:0]
-I INPUT -i net1 -j MULTI-INGRESS
-I OUTPUT -o net1 -j MULTI-EGRESS
-A MULTI-INGRESS -j MULTI-INGRESS-COMMON
-A MULTI-INGRESS -i net1 -m comment --comment "policy:p net-attach-def:x/red" -j MULTI-0-INGRESS
-A MULTI-INGRESS -m mark --mark 0x30000/0x30000 -j RETURN
-A MULTI-INGRESS -j DROP
-A MULTI-INGRESS-COMMON -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A MULTI-0-INGRESS -j MARK --set-xmark 0x0/0x30000
-A MULTI-0-INGRESS -j MULTI-0-INGRESS-0-PORTS
-A MULTI-0-INGRESS -j MULTI-0-INGRESS-0-FROM
-A MULTI-0-INGRESS -m mark --mark 0x30000/0x30000 -j RETURN
-A MULTI-0-INGRESS-0-FROM -s 10.1.0.2/32 -i net1 -j MARK --set-xmark 0x20000/0x20000
-A MULTI-0-INGRESS-0-PORTS -m comment --comment "no ingress ports, skipped" -j MARK --set-xmark 0x10000/0x10000
COMMIT
`

/** A pod x/a with net1 isolated both ways by x/p, which allows 10.1.0.2 and fd00:1::2, but for what is given. */
function rulesetOf(parts: Partial<Ruleset>): Ruleset {
  const addresses = [formatAddress(4, 0x0a010002n), formatAddress(6, (0xfd000001n << 96n) + 2n)]
  const allow = {
    rule: 0,
    peers: { kind: 'only', addresses, ranges: [] },
    ports: { kind: 'any' },
    endpoints: [],
  } as const
  const both = { ingress: [0], egress: [0] }
  return {
    pod: 'x/a',
    exemptions: NO_EXEMPTIONS,
    custom: NO_CUSTOM_RULES,
    logDrops: false,
    policies: [{ policy: 'x/p', allows: { ingress: [allow], egress: [allow] } }],
    interfaces: [{ name: 'net1', networks: ['x/red'], isolatedBy: both, allowedBy: both }],
    ungoverned: [],
    ...parts,
  }
}
