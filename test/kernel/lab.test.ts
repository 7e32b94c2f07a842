/**
 * The lab proves itself, since every other packet test believes it: what it calls open passes, what it calls
 * blocked was dropped by the rule put there by hand, and nothing of it stays.
 */
import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { now } from '../lab/clock.ts'
import { ip } from '../lab/ip.ts'
import { Lab } from '../lab/lab.ts'
import { NETNS_DIR } from '../lab/names.ts'
import type { Pod } from '../lab/pod.ts'
import type { Probe } from '../lab/probe.ts'
import { renderTable } from '../lab/table.ts'

let lab: Lab
let a: Pod
let b: Pod
/** Has an interface on each of two segments. */
let both: Pod
/** On the other segment, with an address of the same subnet as a and b. */
let apart: Pod
let macvlan: Pod

beforeAll(async () => {
  lab = await Lab.create('self')
  await lab.segment('blue')
  await lab.segment('red')
  const on = (segment: string, name: string, host: number, kind: 'veth' | 'macvlan' = 'veth') => ({
    ...{ segment, interface: name, kind },
    addresses: [`10.1.0.${host}/24`, `fd00:1::${host}/64`],
  })
  ;[a, b, both, apart, macvlan] = (await lab.addPods([
    { name: 'a', attachments: [on('blue', 'n@t1', 1)], eth0: true },
    { name: 'b', attachments: [on('blue', 'net#1', 2)] },
    {
      name: 'both',
      attachments: [
        on('blue', 'net1', 3),
        { segment: 'red', interface: 'net2', addresses: ['10.2.0.3/24', 'fd00:2::3/64'] },
      ],
      routes: [{ to: '10.9.0.0/16', via: '10.2.0.4', interface: 'net2' }],
    },
    { name: 'apart', attachments: [on('red', '"q\'', 4)] },
    { name: 'macvlan', attachments: [on('blue', 'net.100', 5, 'macvlan')] },
  ])) as [Pod, Pod, Pod, Pod, Pod]
  await ip({ netns: apart.netnsName }, [['address', 'add', '10.2.0.4/24', 'dev', '"q\'']])
  await apart.refresh()
  for (const pod of lab.pods) await pod.serve({ tcp: [80, 81], udp: [80, 81] })
})
afterAll(async () => await lab?.[Symbol.asyncDispose]())

/** The six kinds of packet, as `tcp/80 v4`, to the pod's address on the segment, and each one's verdict. */
async function verdicts(from: Pod, to: Pod, segment = 'blue'): Promise<Record<string, string>> {
  const probes = ([4, 6] as const).flatMap((family) =>
    (['tcp', 'udp', 'icmp'] as const).map((protocol) => ({
      family,
      probe: { from, to: to.address(family, segment), protocol } satisfies Probe,
    })),
  )
  const results = await lab.probeAll(probes.map(({ probe }) => probe))
  const keys = probes.map(({ family, probe }) => `${probe.protocol} v${family}`)
  return Object.fromEntries(keys.map((key, index) => [key, results[index]?.verdict ?? '?']))
}

function all(verdict: string): Record<string, string> {
  const kinds = ['tcp v4', 'udp v4', 'icmp v4', 'tcp v6', 'udp v6', 'icmp v6']
  return Object.fromEntries(kinds.map((kind) => [kind, verdict]))
}

/** Puts a table with one chain into the pod; disposing of it takes it away. */
async function rules(pod: Pod, hook: 'input' | 'output', ...lines: string[]): Promise<AsyncDisposable> {
  const chain = `type filter hook ${hook} priority 0; ${lines.join('; ')};`
  await pod.run(['nft', '-f', '-'], `table inet lab {\n chain own {\n ${chain}\n }\n }`)
  return {
    [Symbol.asyncDispose]: async () => void (await pod.run(['nft', 'delete', 'table', 'inet', 'lab'])),
  }
}

describe('pods', () => {
  test('have the interfaces that were asked for, whatever their names', () => {
    const links = a.interfaces.map(({ name, segment, addresses }) => ({
      ...{ name, segment },
      addresses: addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    }))
    expect(links).toEqual([
      { name: 'eth0', segment: undefined, addresses: [] },
      {
        name: 'n@t1',
        segment: 'blue',
        addresses: ['10.1.0.1/24', 'fd00:1::1/64', expect.stringMatching(/^fe80::/)],
      },
    ])
    expect(lab.pods.flatMap((pod) => pod.interfaces.map(({ name }) => name))).toEqual([
      ...['eth0', 'n@t1', 'net#1', 'net1', 'net2', '"q\'', 'net.100'],
    ])
  })

  test('have addresses that work at once: none is tentative', async () => {
    for (const pod of lab.pods) expect(await pod.run(['ip', '-6', 'address'])).not.toContain('tentative')
  })

  test('can be given a MAC address', async () => {
    const mac = '02:11:22:33:44:55'
    const pod = await lab.pod('mac', [{ segment: 'red', interface: 'net1', mac }])
    expect(pod.interfaces).toMatchObject([{ mac, addresses: [{ address: 'fe80::11:22ff:fe33:4455' }] }])
    await lab.removePod(pod)
  })

  test('that cannot be made say why', async () => {
    await expect(lab.pod('a', [])).rejects.toThrow('has a pod a already')
    await expect(lab.pod('x/y', [])).rejects.toThrow('"x/y"')
    await expect(lab.pod('c', [{ segment: 'green', interface: 'net1' }])).rejects.toThrow('no segment green')
    const bad = [{ segment: 'blue', interface: 'net1', addresses: ['10.1.0.300/24'] }]
    await expect(lab.pod('d', bad)).rejects.toThrow(/^ip .* in mnpd-self-.*-pod-d: .*"10\.1\.0\.300\/24"/)
  })
})

describe('probes', () => {
  test('all pass between two pods of a segment', async () => {
    expect(await verdicts(a, b)).toEqual(all('open'))
  })

  test('do not leave the segment', async () => {
    expect(await verdicts(a, apart, 'red')).toEqual(all('blocked'))
  })

  test('pass on each interface of a pod that has two', async () => {
    expect(await verdicts(a, both, 'blue')).toEqual(all('open'))
    expect(await lab.probe({ from: apart, to: '10.2.0.3', protocol: 'udp' })).toMatchObject({
      verdict: 'open',
    })
    expect(await lab.probe({ from: both, to: '10.2.0.4', protocol: 'tcp' })).toMatchObject({
      verdict: 'open',
    })
  })

  test('pass between macvlan and veth, and between macvlans', async () => {
    expect(await verdicts(a, macvlan)).toEqual(all('open'))
    expect(await verdicts(macvlan, a)).toEqual(all('open'))
    const other = await lab.pod('macvlan2', [
      { segment: 'blue', interface: 'net1', kind: 'macvlan', addresses: ['10.1.0.6/24'] },
    ])
    expect(await lab.probe({ from: other, to: '10.1.0.5', protocol: 'tcp' })).toMatchObject({
      verdict: 'open',
    })
    await lab.removePod(other)
  })

  test('work over link-local addresses', async () => {
    const address = b.interfaces[0]?.addresses.find(({ scope }) => scope === 'link')?.address
    for (const protocol of ['tcp', 'udp', 'icmp'] as const)
      expect(await lab.probe({ from: both, to: `${address}%net1`, protocol })).toMatchObject({
        verdict: 'open',
      })
  })

  test('to a port where nothing listens are refused', async () => {
    for (const protocol of ['tcp', 'udp'] as const)
      expect(await lab.probe({ from: a, to: '10.1.0.2', protocol, port: 999 })).toMatchObject({
        verdict: 'refused',
        reason: 'ECONNREFUSED',
      })
  })

  test('come from the port and address that are asked for, time after time', async () => {
    await using _ = await rules(
      b,
      'input',
      'ip saddr 10.1.0.1 meta l4proto { tcp, udp } th sport != 4242 drop',
    )
    const probe = { from: a, to: '10.1.0.2', source: '10.1.0.1' }
    for (const protocol of ['tcp', 'udp', 'tcp', 'udp'] as const) {
      expect((await lab.probe({ ...probe, protocol, sourcePort: 4242 })).verdict).toBe('open')
      expect((await lab.probe({ ...probe, protocol, sourcePort: 4243 })).verdict).toBe('blocked')
    }
    await expect(lab.probe({ ...probe, protocol: 'tcp', source: '10.1.0.77' })).rejects.toThrow(
      'the probe a → 10.1.0.2 tcp/80 could not be made',
    )
  })
})

describe('a rule put into a pod by hand', () => {
  test.each([
    ['tcp dport 80 drop', ['tcp v4', 'tcp v6']],
    ['meta nfproto ipv4 udp dport 80 drop', ['udp v4']],
    ['icmpv6 type echo-request drop', ['icmp v6']],
    ['ip saddr 10.1.0.1 drop', ['tcp v4', 'udp v4', 'icmp v4']],
  ])('%s blocks exactly %j', async (rule, blocked) => {
    await using _ = await rules(b, 'input', rule)
    expect(await verdicts(a, b)).toEqual({
      ...all('open'),
      ...Object.fromEntries(blocked.map((kind) => [kind, 'blocked'])),
    })
    expect(await verdicts(both, b)).toEqual(
      rule.includes('saddr') ? all('open') : expect.objectContaining({ [blocked[0] ?? '']: 'blocked' }),
    )
    expect(await lab.probe({ from: b, to: '10.1.0.1', protocol: 'tcp' })).toMatchObject({
      verdict: rule.includes('saddr') ? 'blocked' : 'open',
    })
  })

  test('blocks on the way out too, and where it rejects with an ICMP error', async () => {
    {
      await using _ = await rules(a, 'output', 'ip daddr 10.1.0.2 drop')
      expect(await verdicts(a, b)).toEqual({
        ...all('open'),
        ...{ 'tcp v4': 'blocked', 'udp v4': 'blocked', 'icmp v4': 'blocked' },
      })
    }
    await using _ = await rules(b, 'input', 'reject with icmpx type admin-prohibited')
    // Neighbour discovery is rejected as well; IPv4's is not IP.
    expect(await verdicts(a, b)).toEqual(all('blocked'))
    expect((await lab.probe({ from: a, to: '10.1.0.2', protocol: 'udp' })).reason).toBe('EHOSTUNREACH')
  })

  test('shows in a matrix beside what was expected', async () => {
    await using _ = await rules(b, 'input', 'tcp dport 81 drop')
    const rows = await lab.matrix({
      ...{ pods: [a, b], segment: 'blue', ports: [80, 81], protocols: ['tcp', 'icmp'], families: [4] },
      expect: ({ to, port }) => (to === b && port === 80 ? 'blocked' : 'open'),
    })
    expect(`\n${renderTable(rows)}\n`).toBe(`
blue   tcp/80 v4  tcp/81 v4  icmp v4
a → b  ✓ not ✗    ✗ not ✓    ✓
b → a  ✓          ✓          ✓

✓ open  ○ refused (reached, nothing listens)  ✗ blocked  · not asked    2 of 6 not as expected
`)
  })
})

/** Flushing the chain lets the stream through again and leaves the counter. */
const DROP_STREAM = `
table inet lab {
  counter dropped { }
  chain own { type filter hook input priority 0; udp dport 5000 counter name dropped drop; }
}`

describe('a stream', () => {
  test.each([4, 6] as const)('over IPv%i loses nothing on an open path', async (family) => {
    const stream = await lab.stream({
      ...{ from: a, to: b.address(family), protocol: 'udp', port: 5000, packetsPerSecond: 1000 },
    })
    await stream.until('passed', { after: now() + 200_000_000 })
    const { sent, passed, lost } = (await stream.stop()).window()
    expect({ sent, lost }).toEqual({ sent: passed, lost: 0 })
    expect(sent).toBeGreaterThan(50)
  })

  test('counts exactly what a rule drops for a while, and says when that began and ended', async () => {
    const stream = await lab.stream({
      ...{ from: a, to: '10.1.0.2', protocol: 'udp', port: 5000, packetsPerSecond: 1000 },
    })
    await stream.until('passed')
    const before = now()
    await b.run(['nft', '-f', '-'], DROP_STREAM)
    const set = now()
    const firstLost = await stream.until('lost')
    await stream.until('lost', { after: now() + 50_000_000 })
    const lifting = now()
    await b.run(['nft', 'flush', 'chain', 'inet', 'lab', 'own'])
    const lifted = now()
    await stream.until('passed', { after: lifted })
    const log = await stream.stop()
    const counter = await b.run(['nft', 'list', 'counter', 'inet', 'lab', 'dropped'])
    await b.run(['nft', 'delete', 'table', 'inet', 'lab'])

    expect(counter).toContain(`packets ${log.window().lost} `)
    expect(firstLost).toBe(log.first('lost'))
    expect(log.window(0, before).lost).toBe(0)
    expect(log.window(set, lifting).passed).toBe(0)
    expect(log.window(lifted).lost).toBe(0)
    expect(log.window(lifted).passed).toBeGreaterThan(0)
  })

  test('loses to a rule of its own pod what the rule counts', async () => {
    await using _ = await rules(a, 'output', 'udp dport 5000 numgen inc mod 4 0 counter drop')
    const stream = await lab.stream({
      ...{ from: a, to: '10.1.0.2', protocol: 'udp', port: 5000, packetsPerSecond: 500 },
    })
    await stream.until('lost', { after: now() + 200_000_000 })
    const { sent, lost } = (await stream.stop()).window()
    const listed = await a.run(['nft', 'list', 'table', 'inet', 'lab'])
    expect(listed).toContain(`counter packets ${lost} `)
    expect(lost).toBe(Math.ceil(sent / 4))
  })

  test('needs a receiver that can be told from the address', async () => {
    const stream = { from: a, protocol: 'udp', port: 5000, packetsPerSecond: 1 } as const
    await expect(lab.stream({ ...stream, to: '10.1.0.77' })).rejects.toThrow('name the receiver')
  })
})

describe('a connection', () => {
  test('falls silent behind a rule and goes on when the rule is gone', async () => {
    const connection = await a.connection({ to: '10.1.0.2', port: 80 })
    await connection.answered()
    {
      await using _ = await rules(b, 'input', 'tcp dport 80 drop')
      const set = now()
      // An answer that came just before the rule may be read a little later.
      expect(await connection.silent()).toBeLessThan(set + 100_000_000)
    }
    await connection.answered()
    expect((await connection.state()).closed).toBeUndefined()
    await connection.close()
    expect(await connection.closed()).toMatchObject({ reason: 'end' })
  })

  test('survives a rule for new connections only', async () => {
    await using _ = await rules(b, 'input', 'ct state established accept')
    const connection = await a.connection({ to: 'fd00:1::2', port: 80, sourcePort: 4000 })
    await b.run(['nft', 'add', 'rule', 'inet', 'lab', 'own', 'tcp', 'dport', '80', 'drop'])
    await connection.answered()
    expect((await lab.probe({ from: a, to: 'fd00:1::2', protocol: 'tcp' })).verdict).toBe('blocked')
    await connection.answered()
    expect((await connection.state()).sourcePort).toBe(4000)
  })

  test('ends when it is reset', async () => {
    const connection = await a.connection({ to: '10.1.0.2', port: 80 })
    await using _ = await rules(b, 'input', 'tcp dport 80 reject with tcp reset')
    expect(await connection.closed()).toMatchObject({ reason: 'ECONNRESET' })
    await expect(connection.answered()).rejects.toThrow('ended: ECONNRESET')
  })

  test('cannot be opened where it is dropped', async () => {
    await using _ = await rules(b, 'input', 'tcp dport 80 drop')
    await expect(a.connection({ to: '10.1.0.2', port: 80 })).rejects.toThrow(
      'no connection to 10.1.0.2 port 80',
    )
  })
})

describe('the end of', () => {
  test('a pod is the end of its agent, and its name can be used again', async () => {
    const wanted = [{ segment: 'blue', interface: 'net1', addresses: ['10.1.0.9/24'] }]
    const first = await lab.pod('short', wanted)
    await first.serve({ tcp: [80] })
    await lab.removePod(first)
    await expect(first.serve({ tcp: [80] })).rejects.toThrow('pod short has been removed')
    expect((await lab.probe({ from: a, to: '10.1.0.9', protocol: 'icmp' })).verdict).toBe('blocked')
    const second = await lab.pod('short', wanted)
    const again = { from: a, to: '10.1.0.9', protocol: 'icmp', timeoutMs: 3000 } as const
    expect((await lab.probe(again)).verdict).toBe('open')
    await lab.removePod(second)
  })

  test('a lab leaves no namespace of it, nor does a pod that was half made', async () => {
    let prefix: string
    {
      await using short = await Lab.create('short')
      prefix = short.prefix
      await short.segment('blue')
      const pod = await short.pod('a', [{ segment: 'blue', interface: 'net1' }])
      await pod.serve({ tcp: [80] })
      await expect(short.pod('b', [{ segment: 'none', interface: 'net1' }])).rejects.toThrow('none')
      expect(await namespacesOf(prefix)).toEqual([`${prefix}fabric`, `${prefix}pod-a`])
    }
    expect(await namespacesOf(prefix)).toEqual([])
  })

  test('a lab waits for pods that are still being made', async () => {
    const short = await Lab.create('hasty')
    const making = short.pod('a', [])
    await short[Symbol.asyncDispose]()
    await making
    expect(await namespacesOf(short.prefix)).toEqual([])
    await expect(short.pod('b', [])).rejects.toThrow('disposed')
  })

  test('a process that made a lab lets the next lab clean up', async () => {
    const dead = `mnpd-dead-${2 ** 22 + 1}xabcdef-`
    await ip('here', [['netns', 'add', `${dead}fabric`]])
    await using _ = await Lab.create('heir')
    expect(await namespacesOf(dead)).toEqual([])
    expect(await namespacesOf(lab.prefix)).not.toEqual([])
  })
})

async function namespacesOf(prefix: string): Promise<string[]> {
  return (await readdir(NETNS_DIR)).filter((name) => name.startsWith(prefix)).sort()
}
