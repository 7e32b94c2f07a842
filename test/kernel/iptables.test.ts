/**
 * The iptables backend in a pod that has rules of its own, by packets: the application's rules stay and stay in effect, ours
 * come first, and going from one backend, variant or daemon to another leaves no moment open and nothing behind.
 */
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Pod } from '../lab/pod.ts'
import type { Probe } from '../lab/probe.ts'
import { policyObject } from '../manifests.ts'
import { countedPackets } from './no-gap/backends.ts'
import { iptablesDaemon } from './no-gap/standing-chains.ts'
import { ALLOW_OK, governA, OK, World } from './no-gap/world.ts'

const PACKETS_PER_SECOND = 2000
const COMMANDS = ['iptables', 'ip6tables'] as const
const VARIANTS = ['nft', 'legacy'] as const
type Variant = (typeof VARIANTS)[number]

/** A PATH on which the plain names are those of the variant, as a host's choice of alternatives makes them. */
let paths: Record<Variant, string>

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'mnpd-variants-'))
  const made = await Promise.all(
    VARIANTS.map(async (variant) => {
      const own = await mkdtemp(join(directory, variant))
      const names = COMMANDS.flatMap((command) =>
        ['', '-save', '-restore'].map((what) => [command, what] as const),
      )
      for (const [command, what] of names)
        await symlink(`/usr/sbin/${command}-${variant}${what}`, join(own, `${command}${what}`))
      return [variant, `${own}:${process.env['PATH']}`] as const
    }),
  )
  paths = Object.fromEntries(made) as Record<Variant, string>
  return async () => await rm(directory, { recursive: true })
})

async function savedIn(pod: Pod, variant: Variant): Promise<string> {
  return (await Promise.all(COMMANDS.map((command) => pod.run([`${command}-${variant}-save`])))).join('\n')
}

/** What is not ours, without what packets and time change. */
function applications(saved: string): string {
  return saved.replaceAll(/^(?:#|:MULTI-|-A MULTI-|-A \S+ -j MULTI-).*\n?|\[\d+:\d+\]/gm, '').trim()
}

describe.each(VARIANTS)('beside an application’s rules, by iptables-%s', (variant) => {
  let world: World
  const rules = (rest: string): string => `*filter\n:APP - [0:0]\n${rest}COMMIT\n`

  beforeAll(async () => {
    world = await World.create(`beside-${variant}`, 'iptables')
    const { a } = world.pods
    await a.serve({ tcp: [80, 81, 82] })
    for (const command of COMMANDS) {
      await a.run(
        [`${command}-${variant}-restore`, '--noflush'],
        rules(
          '-A INPUT -p tcp -m tcp --dport 81 -j APP\n-A INPUT -p tcp -m tcp --dport 82 -j ACCEPT\n-A APP -j DROP\n',
        ),
      )
    }
    await world.manifests.save('policies', [])
    await world.startDaemon(['--sync-period=1'], { PATH: paths[variant] })
  })
  afterAll(async () => await world?.[Symbol.asyncDispose]())

  async function verdict(from: 'ok' | 'bad', port: number, family: 4 | 6 = 4): Promise<string> {
    const { a, [from]: peer } = world.pods
    const probe: Probe = { from: peer, to: a.address(family, 'red'), protocol: 'tcp', port }
    return (await world.lab.probe(probe)).verdict
  }

  test('what policies allow meets the application’s own rules, and what they do not its ACCEPT cannot let in', async () => {
    const before = applications(await savedIn(world.pods.a, variant))
    await world.save('policies', [governA('p', { types: ['Ingress'], rules: [{ peers: [OK] }] })])
    expect(await savedIn(world.pods.a, variant)).toContain('-A MULTI-0-INGRESS')
    for (const family of [4, 6] as const) {
      expect(await Promise.all([80, 81, 82].map((port) => verdict('ok', port, family)))).toEqual([
        'open',
        'blocked',
        'open',
      ])
      expect(await Promise.all([80, 81, 82].map((port) => verdict('bad', port, family)))).toEqual([
        'blocked',
        'blocked',
        'blocked',
      ])
    }
    expect(applications(await savedIn(world.pods.a, variant))).toBe(before)
    await world.save('policies', [])
    expect(await savedIn(world.pods.a, variant)).not.toContain('MULTI')
    expect(applications(await savedIn(world.pods.a, variant))).toBe(before)
    expect(await Promise.all([80, 81, 82].map((port) => verdict('bad', port)))).toEqual([
      'open',
      'blocked',
      'open',
    ])
  })

  test('a rule that the application puts before ours is noticed, and ours come first again', async () => {
    const { a } = world.pods
    await world.save('policies', [ALLOW_OK])
    await a.run([`iptables-${variant}`, '-I', 'INPUT', '1', '-j', 'ACCEPT'])
    expect(await verdict('bad', 80, 6)).toBe('blocked')
    await world.daemon.logged(/x\/a: rules were changed by somebody else/)
    await world.daemon.until('it is closed', async () => (await verdict('bad', 80)) === 'blocked', 10_000)
    expect(await a.run([`iptables-${variant}`, '-S', 'INPUT'])).toContain(
      '-A INPUT -j MULTI-INGRESS\n-A INPUT -j ACCEPT',
    )
    await a.run([`iptables-${variant}`, '-D', 'INPUT', '-j', 'ACCEPT'])
  })

  test('sets that somebody emptied, or filled, are put right', async () => {
    const { a } = world.pods
    const peers = Array.from({ length: 20 }, (_, host) => ({
      ipBlock: { cidr: host === 0 ? '10.1.0.2/32' : `10.7.0.${host * 2}/32` },
    }))
    await world.save('policies', [governA('p', { types: ['Ingress'], rules: [{ peers }] })])
    expect([await verdict('ok', 80), await verdict('bad', 80)]).toEqual(['open', 'blocked'])
    const set = /^create (mnpd-\S+)/.exec(await a.run(['ipset', 'save']))?.[1] ?? ''
    await a.run(['ipset', 'add', set, '10.1.0.3'])
    await world.daemon.until(
      'the stranger is out',
      async () => (await verdict('bad', 80)) === 'blocked',
      10_000,
    )
    await a.run(['ipset', 'flush', set])
    await world.daemon.until('the peer is in', async () => (await verdict('ok', 80)) === 'open', 10_000)
    await world.save('policies', [])
    expect(await a.run(['ipset', 'save'])).toBe('')
  })

  test('as many policies as there are, more than nf_tables has levels', async () => {
    const block = (host: number) => ({ ipBlock: { cidr: `10.9.0.${host}/32` } })
    const policies = Array.from({ length: 60 }, (_, place) =>
      governA(`p${String(place).padStart(2, '0')}`, {
        rules: [{ peers: [place === 59 ? OK : block(place)] }],
      }),
    )
    await world.save('policies', policies)
    expect([await verdict('ok', 80), await verdict('bad', 80)]).toEqual(['open', 'blocked'])
    expect(await savedIn(world.pods.a, variant)).toContain(
      '-A MULTI-59-EGRESS -m comment --comment "x/p59" -j RETURN',
    )
  })

  test('custom rules: accepted goes on to the application’s rules, returned to the policies, replies both ways', async () => {
    const { a, bad } = world.pods
    await bad.serve({ tcp: [80, 82] })
    const file = join(world.manifests.directory, 'rules.txt')
    const egress = join(world.manifests.directory, 'egress.txt')
    await writeFile(
      file,
      '-p icmp --icmp-type echo-request -j LOG --log-prefix "ping "\n-p tcp --dport 80 -s 10.1.0.2 -j RETURN\n' +
        '-p tcp -m multiport --dports 80,81 -j ACCEPT\nudp dport { 1, 2 } reject\n',
    )
    await writeFile(egress, '-p tcp --dport 82 -j ACCEPT\n')
    await world.save('policies', [governA('p', { rules: [] })])
    await world.daemon.stop()
    const flags = [`--custom-v4-ingress-rule-file=${file}`, `--custom-v4-egress-rule-file=${egress}`]
    await world.startDaemon(['--sync-period=1', ...flags], { PATH: paths[variant] })
    expect(await Promise.all([80, 81, 82].map((port) => verdict('bad', port)))).toEqual([
      'open',
      'blocked',
      'blocked',
    ])
    expect([await verdict('ok', 80), await verdict('bad', 80, 6)]).toEqual(['blocked', 'blocked'])
    const out = async (port: number): Promise<string> =>
      (await world.lab.probe({ from: a, to: bad.address(4, 'red'), protocol: 'tcp', port })).verdict
    expect([await out(82), await out(80)]).toEqual(['open', 'blocked'])
    const saved = await savedIn(a, variant)
    expect(saved).toContain('rules.txt:3')
    // They are not written again and again for being spelled otherwise by the kernel.
    await world.daemon.stop()
    await world.startDaemon(['--sync-period=1', ...flags], { PATH: paths[variant] })
    expect(countedPackets(await a.run([`iptables-${variant}-save`, '-c']))).toBeGreaterThan(0)
    expect(world.daemon.log.some(({ msg }) => msg.includes('changed by somebody else'))).toBe(false)
    await world.daemon.stop()
    await world.startDaemon(['--sync-period=1'], { PATH: paths[variant] })
  })

  test('a connection that is no longer allowed stops, whichever end opened it', async () => {
    const { a, ok } = world.pods
    await ok.serve({ tcp: [80] })
    await world.save('policies', [ALLOW_OK])
    const incoming = await ok.connection({ to: a.address(4, 'red'), port: 80 })
    const outgoing = await a.connection({ to: ok.address(6, 'red'), port: 80 })
    await Promise.all([incoming.answered(), outgoing.answered()])
    const allow = (direction: 'ingress' | 'egress') => {
      const peers = direction === 'ingress' ? { from: [OK] } : { to: [OK] }
      return policyObject('x', 'p', 'red', {
        podSelector: { matchLabels: { app: 'a' } },
        policyTypes: ['Ingress', 'Egress'],
        [direction]: [peers],
      })
    }
    await world.save('policies', [allow('ingress')])
    await Promise.all([incoming.answered(), outgoing.silent()])
    await world.save('policies', [ALLOW_OK])
    await outgoing.answered()
    await world.save('policies', [allow('egress')])
    await Promise.all([outgoing.answered(), incoming.silent()])
  })
})

describe('from one to the other under traffic', () => {
  let world: World

  beforeAll(async () => {
    world = await World.create('switch', 'nftables')
    await world.manifests.save('policies', [ALLOW_OK])
    await world.startDaemon()
    await world.startTraffic(PACKETS_PER_SECOND)
  })
  afterAll(async () => await world?.[Symbol.asyncDispose]())

  test.each([
    ['iptables', 'nft'],
    ['nftables', 'nft'],
    ['iptables', 'legacy'],
    ['iptables', 'nft'],
    ['iptables', 'legacy'],
    ['nftables', 'nft'],
  ] as const)('a restart with --backend %s, iptables being iptables-%s', async (backend, variant) => {
    const { a } = world.pods
    const marks = await world.traffic.mark()
    await world.daemon.stop()
    await world.startDaemon([`--backend=${backend}`], { PATH: paths[variant] })
    await world.traffic.expectNoGap(`to ${backend}, ${variant}`, marks)
    const stands = {
      nftables: (await a.run(['nft', 'list', 'tables'])).includes('inet multi_networkpolicy'),
      nft: (await savedIn(a, 'nft')).includes('MULTI-'),
      legacy: (await savedIn(a, 'legacy')).includes('MULTI-'),
    }
    const expected = backend === 'nftables' ? 'nftables' : variant
    expect(Object.entries(stands).flatMap(([name, is]) => (is ? [name] : []))).toEqual([expected])
  })

  test('edits of all kinds of peers under traffic, by iptables', async () => {
    await world.daemon.stop()
    await world.startDaemon(['--backend=iptables'])
    const marks = await world.traffic.mark()
    for (let edit = 0; edit < 20; edit += 1) {
      const blocks = Array.from({ length: edit }, (_, host) => ({
        ipBlock: { cidr: `10.8.${edit}.${host * 2}/32` },
      }))
      await world.save('policies', [governA(`p${edit % 3}`, { rules: [{ peers: [OK, ...blocks] }] })])
    }
    await world.traffic.expectNoGap('20 edits', marks)
    await world.traffic.stop()
  })
})

test.each(VARIANTS)(
  'chains of multi-networkpolicy-iptables, by iptables-%s, are taken over without a gap',
  async (variant) => {
    await using world = await World.create(`takeover-${variant}`, 'iptables')
    const { a } = world.pods
    for (const [command, family] of [
      ['iptables', 4],
      ['ip6tables', 6],
    ] as const)
      await a.run([`${command}-${variant}-restore`, '--noflush'], iptablesDaemon(family))
    await world.manifests.save('policies', [ALLOW_OK])
    const traffic = await world.startTraffic(PACKETS_PER_SECOND)
    const marks = await traffic.mark()
    await world.startDaemon([], { PATH: paths.nft })
    await traffic.expectNoGap(`takeover from iptables-${variant}`, marks)
    await traffic.stop()
    expect(await savedIn(a, variant)).not.toMatch(
      /-PORTS|-FROM|-TO|0x30000|-i net1 -j (?:MULTI|RETURN)|-o net1 -j MULTI/,
    )
    expect(await savedIn(a, 'nft')).toContain('-A MULTI-MNPD')
    if (variant === 'legacy') expect(await savedIn(a, 'legacy')).not.toContain('MULTI')
  },
)

test('where no policy governs the pod any more, they go', async () => {
  await using world = await World.create('takeover-gone', 'iptables')
  const { a } = world.pods
  await a.run(['iptables-restore', '--noflush'], iptablesDaemon(4))
  await world.manifests.save('policies', [])
  await world.startDaemon()
  expect(await savedIn(a, 'nft')).not.toMatch(/MULTI|net1/)
})
