/**
 * The daemon as users run it, on a directory of manifests, against real packets. Each test states a cluster, says who
 * may reach whom, and has every ordered pair tried with TCP, UDP and ICMP over both families.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DaemonProcess } from '../daemon.ts'
import { Lab } from '../lab/lab.ts'
import type { MatrixCell } from '../lab/matrix.ts'
import type { Pod } from '../lab/pod.ts'
import { asExpected, renderTable } from '../lab/table.ts'
import {
  type KubeObject,
  Manifests,
  networkObject,
  type PodFacts,
  podObject,
  policyObject,
} from '../manifests.ts'
import { type Backend, countedPackets, rulesOf, withoutCounters } from './no-gap/backends.ts'

const BACKENDS: readonly Backend[] = ['nftables', 'iptables']
const PORTS = [80, 81]
const FACTS: Readonly<Record<string, PodFacts>> = {
  a: {
    namespace: 'x',
    labels: { app: 'a' },
    ports: [
      { name: 'web', containerPort: 80 },
      { name: 'alt', containerPort: 81 },
    ],
  },
  b: { namespace: 'x', labels: { app: 'b' } },
  c: { namespace: 'y', labels: { app: 'c' }, ports: [{ name: 'web', containerPort: 81 }] },
}

let lab: Lab
let manifests: Manifests
let daemon: DaemonProcess
let pods: readonly Pod[]
let backend: Backend

/** Three pods, a and b in namespace x, c in y, on the dual-stack network x/red; a and b on x/blue as well. */
beforeAll(async () => {
  lab = await Lab.create('enforce')
  await lab.segment('red')
  await lab.segment('blue')
  pods = await lab.addPods(
    ['a', 'b', 'c'].map((name, index) => ({
      name,
      attachments: [
        {
          segment: 'red',
          interface: 'net1',
          addresses: [`10.1.0.${index + 1}/24`, `fd00:1::${index + 1}/64`],
        },
        ...(name === 'c'
          ? []
          : [{ segment: 'blue', interface: 'net2', addresses: [`10.2.0.${index + 1}/24`] }]),
      ],
    })),
  )
  manifests = await Manifests.create()
})

afterAll(async () => {
  await manifests?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
})

async function startDaemon(...flags: readonly string[]): Promise<DaemonProcess> {
  const all = [`--manifests=${manifests.directory}`, '--hostname-override=n1', '--log-level=debug']
  const started = await DaemonProcess.start([...all, `--backend=${backend}`, ...flags])
  await started.ready()
  return started
}

function cluster(facts: Readonly<Record<string, PodFacts>> = FACTS): readonly KubeObject[] {
  return [
    { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'x', labels: { team: 'x' } } },
    { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'y', labels: { team: 'y' } } },
    networkObject('x', 'red'),
    networkObject('x', 'blue'),
    ...pods.map((pod) => podObject(pod, { ...facts[pod.name], networks: { red: 'x/red', blue: 'x/blue' } })),
  ]
}

/** Puts policies in force, tries everything, and holds it against who `may`. */
async function tryAll(
  policies: readonly KubeObject[],
  may: (cell: MatrixCell, service: string) => boolean,
): Promise<void> {
  await save('policies', policies)
  const rows = await lab.matrix({
    pods,
    ports: PORTS,
    expect: (cell) => {
      const service = cell.protocol === 'icmp' ? 'icmp' : `${cell.protocol}/${cell.port}`
      return may(cell, service) ? 'open' : 'blocked'
    },
  })
  expect(rows.every(asExpected), `\n${renderTable(rows)}`).toBe(true)
}

async function save(name: string, objects: readonly KubeObject[]): Promise<void> {
  const seen = daemon.log.length
  await manifests.save(name, objects)
  await daemon.settled(seen)
}

const policy = (spec: unknown, policyFor = 'red', namespace = 'x', name = 'p'): KubeObject =>
  policyObject(namespace, name, policyFor, spec)
const app = (name: string) => ({ podSelector: { matchLabels: { app: name } } })
/** `from → to` on a segment. */
const flow = ({ from, to, segment }: MatrixCell): string => `${from.name} → ${to.name} ${segment}`

/** The pods that hold rules of ours. */
async function withRules(): Promise<readonly string[]> {
  const rules = await Promise.all(pods.map((pod) => rulesOf(pod, backend)))
  return pods
    .filter((_, index) => /table inet multi_networkpolicy|MULTI-/.test(rules[index] ?? ''))
    .map(({ name }) => name)
}

async function takeAway(pod: Pod): Promise<void> {
  if (backend === 'nftables') await pod.run(['nft', 'delete', 'table', 'inet', 'multi_networkpolicy'])
  else
    for (const command of ['iptables', 'ip6tables'])
      for (const all of ['-F', '-X']) await pod.run([command, all])
}

describe.each(BACKENDS)('the daemon on manifests, %s', (each) => {
  beforeAll(async () => {
    backend = each
    await manifests.save('cluster', cluster())
    await manifests.save('policies', [policy({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] })])
    daemon = await startDaemon()
  })
  afterAll(async () => await daemon?.[Symbol.asyncDispose]())

  test('leaves pods alone that no policy governs', async () => {
    await tryAll([], () => true)
    expect(await withRules()).toEqual([])
  })

  test('isolates ingress on the policy’s network and on no other', async () => {
    await tryAll([policy(app('a'))], (cell) => flow(cell) !== 'b → a red' && flow(cell) !== 'c → a red')
    expect(await withRules()).toEqual(['a'])
  })

  test('isolates egress, replies to what is let in pass', async () => {
    await tryAll(
      [policy({ ...app('a'), policyTypes: ['Egress'] })],
      (cell) => !flow(cell).startsWith('a →') || cell.segment === 'blue',
    )
  })

  test('both directions, one peer and one port each', async () => {
    const spec = {
      ...app('a'),
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [app('b')], ports: [{ port: 80 }] }],
      egress: [
        {
          to: [{ namespaceSelector: { matchLabels: { team: 'y' } } }],
          ports: [{ protocol: 'UDP', port: 81 }],
        },
      ],
    }
    await tryAll([policy(spec)], (cell, service) => {
      if (cell.segment === 'blue') return true
      if (flow(cell) === 'b → a red') return service === 'tcp/80'
      if (flow(cell) === 'a → c red') return service === 'udp/81'
      return !/\ba\b/.test(flow(cell).replace(' red', ''))
    })
  })

  test('ipBlocks with excepts, of both families', async () => {
    const spec = {
      ...app('a'),
      ingress: [
        {
          from: [
            { ipBlock: { cidr: '10.1.0.0/24', except: ['10.1.0.3/32'] } },
            { ipBlock: { cidr: 'fd00:1::3/128' } },
          ],
        },
      ],
    }
    await tryAll([policy(spec)], (cell) => {
      if (flow(cell) === 'b → a red') return cell.family === 4
      if (flow(cell) === 'c → a red') return cell.family === 6
      return true
    })
  })

  test('named ports: on ingress the governed pod’s, on egress each peer’s own', async () => {
    const spec = {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ ports: [{ port: 'alt' }] }, { from: [app('b')] }],
      egress: [{ ports: [{ port: 'web' }] }, { to: [app('a')] }],
    }
    await tryAll([policy(spec)], (cell, service) => {
      if (cell.segment === 'blue') return true
      switch (flow(cell)) {
        case 'a → c red':
          return service === 'tcp/81'
        case 'b → a red':
          return true
        case 'b → c red':
          return service === 'tcp/81'
        case 'c → a red':
          return service === 'tcp/81'
        default:
          return false
      }
    })
  })

  test('several policies add up, one of them for both networks', async () => {
    const policies = [
      policy(app('a'), 'red, x/blue', 'x', 'deny'),
      policy({ ...app('a'), ingress: [{ from: [app('b')], ports: [{ port: 80 }] }] }, 'blue', 'x', 'blue'),
      policy({ ...app('a'), ingress: [{ from: [{ ipBlock: { cidr: '::/0' } }] }] }, 'red', 'x', 'red'),
    ]
    await tryAll(policies, (cell, service) => {
      if (cell.to.name !== 'a') return true
      return cell.segment === 'blue' ? service === 'tcp/80' : cell.family === 6
    })
  })

  test('a policy with bad parts isolates, and its good parts allow', async () => {
    const spec = {
      ...app('a'),
      ingress: [
        { from: [{ ipBlock: { cidr: '10.1.0.0/99' } }, { ipBlock: { cidr: '10.1.0.2/32' } }] },
        { from: [{}], ports: [{ port: 'no such name' }] },
      ],
    }
    await tryAll(
      [policy(spec)],
      (cell) =>
        cell.to.name !== 'a' || cell.segment === 'blue' || (flow(cell) === 'b → a red' && cell.family === 4),
    )
    const issue = daemon.log.find(({ field }) => field === 'spec.ingress[0].from[0].ipBlock.cidr')
    expect(issue?.object).toBe('MultiNetworkPolicy x/p')
    expect(issue?.reason).toContain('expected a CIDR')
  })

  test('follows labels of pods and namespaces, and networks that come and change type', async () => {
    const spec = { ...app('a'), ingress: [{ from: [app('b')] }] }
    await tryAll([policy(spec)], (cell) => flow(cell) !== 'c → a red')
    await save('cluster', cluster({ ...FACTS, b: { namespace: 'x', labels: { app: 'other' } } }))
    await tryAll([policy(spec)], (cell) => cell.to.name !== 'a' || cell.segment === 'blue')
    const types = (type: string) =>
      cluster().map((object) =>
        object.kind === 'NetworkAttachmentDefinition'
          ? networkObject('x', (object['metadata'] as { name: string }).name, type)
          : object,
      )
    await save('cluster', types('wireguard'))
    await tryAll([policy(spec)], () => true)
    expect(
      daemon.log.some(({ reason }) =>
        reason?.includes(
          "not enforced on pod x/a because the network's CNI type wireguard is not in --network-plugins",
        ),
      ),
    ).toBe(true)
    await save('cluster', cluster())
    await tryAll([policy(spec)], (cell) => flow(cell) !== 'c → a red')
  })

  test('an established connection lives while it is allowed and stops when it no longer is', async () => {
    const [a, b] = pods as [Pod, Pod, Pod]
    await save('policies', [policy({ ...app('a'), ingress: [{ from: [app('b')], ports: [{ port: 80 }] }] })])
    const connection = await b.connection({ to: a.address(4, 'red'), port: 80 })
    await connection.answered()
    await save('policies', [
      policy({ ...app('a'), ingress: [{ from: [app('b'), app('c')], ports: [{ port: 80 }] }] }),
    ])
    await connection.answered()
    await save('policies', [policy({ ...app('a'), ingress: [{ from: [app('c')], ports: [{ port: 80 }] }] })])
    await connection.silent()
  })

  test('the rules stay when the daemon ends, are taken over as they are, and what was deleted meanwhile goes', async () => {
    const [a, , c] = pods as [Pod, Pod, Pod]
    const deny = policy(app('a'))
    await save('policies', [deny, policy(app('c'), 'x/red', 'y')])
    await lab.probe({ from: c, to: a.address(4, 'red'), protocol: 'icmp' })
    // With handles, which a table that is written anew would not keep; packets may go on being counted.
    const listing = async (pod: Pod) => withoutCounters(await rulesOf(pod, backend))
    const before = await listing(a)
    const counted = countedPackets(await rulesOf(a, backend))
    expect(counted).toBeGreaterThan(0)
    expect(await daemon.stop()).toBe(0)
    expect(await listing(a)).toBe(before)
    expect(await withRules()).toEqual(['a', 'c'])
    await manifests.save('policies', [deny])
    daemon = await startDaemon()
    expect(await listing(a)).toBe(before)
    expect(countedPackets(await rulesOf(a, backend))).toBeGreaterThanOrEqual(counted)
    expect(await withRules()).toEqual(['a'])
  })

  test('a pod whose netns is not there is an Issue, and is enforced once it is', async () => {
    const [a, , c] = pods as [Pod, Pod, Pod]
    const late = { ...podObject(a, { ...FACTS['a'], networks: { red: 'x/red', blue: 'x/blue' } }) }
    const metadata = late['metadata'] as { annotations: Record<string, string> }
    const away = {
      ...late,
      metadata: {
        ...metadata,
        annotations: { ...metadata.annotations, 'multi-networkpolicyd/netns': `${a.netns}-gone` },
      },
    }
    await save(
      'cluster',
      cluster().map((object) => ((object['metadata'] as { name: string }).name === 'a' ? away : object)),
    )
    await save('policies', [policy({ ...app('a'), policyTypes: ['Ingress', 'Egress'] })])
    const issue = await daemon.logged(
      /not enforced yet because: no network namespace found: .*-gone is absent/,
    )
    expect(issue.object).toBe('Pod x/a')
    await save('cluster', cluster())
    const result = await lab.probe({ from: c, to: a.address(4, 'red'), protocol: 'icmp' })
    expect(result.verdict).toBe('blocked')
  })

  test('an annotation that no longer tells of a governed interface takes no rule away, not even over a restart', async () => {
    const [a, , c] = pods as [Pod, Pod, Pod]
    const closed = async () =>
      (await lab.probe({ from: c, to: a.address(4, 'red'), protocol: 'icmp' })).verdict
    await save('policies', [policy(app('a'))])
    expect(await closed()).toBe('blocked')
    for (const networks of [{ red: 'x/elsewhere', blue: 'x/blue' }, { blue: 'x/blue' }]) {
      await save('cluster', withStatusOf(a, networks))
      await daemon.logged(
        /Pod x\/a: .*network-status no longer tells of net1 on x\/red, which is still there and stays governed/,
      )
      expect(await closed()).toBe('blocked')
    }
    await daemon.stop()
    daemon = await startDaemon()
    await daemon.logged(/network-status no longer tells of net1/)
    expect(await closed()).toBe('blocked')
    // What the annotation hides follows the policies all the same, both ways, at the latest with the next try.
    await manifests.save('policies', [policy({ ...app('a'), ingress: [{}] })])
    await daemon.until('it is open', async () => (await closed()) === 'open', 10_000)
    await manifests.save('policies', [policy(app('a'))])
    await daemon.until('it is closed', async () => (await closed()) === 'blocked', 10_000)
    await save('cluster', cluster())
    await save('policies', [])
    expect(await closed()).toBe('open')
  })

  test('rules that somebody took away are put back at the next look', async () => {
    const [a, , c] = pods as [Pod, Pod, Pod]
    await save('policies', [policy(app('a'))])
    await daemon.stop()
    daemon = await startDaemon('--sync-period=1')
    await takeAway(a)
    expect(await withRules()).toEqual([])
    await daemon.until('the rules are back', async () => (await withRules()).join() === 'a', 5_000)
    expect((await lab.probe({ from: c, to: a.address(4, 'red'), protocol: 'icmp' })).verdict).toBe('blocked')
  })

  test('a namespace is not for an elder pod whose annotation is edited, and whose it is goes on being enforced', async () => {
    const [a, , c] = pods as [Pod, Pod, Pod]
    const own = podObject(a, { ...FACTS['a'], networks: { red: 'x/red' } })
    const metadata = { ...(own['metadata'] as object), name: '0-thief', labels: { app: 'thief' } }
    const open = policy({ ...app('thief'), ingress: [{}] }, 'red', 'x', 'open')
    const fromC = { ...app('a'), ingress: [{ from: [{ ipBlock: { cidr: '10.1.0.3/32' } }] }] }
    const verdict = async () =>
      (await lab.probe({ from: c, to: a.address(4, 'red'), protocol: 'icmp' })).verdict
    await save('policies', [policy(app('a'))])
    await save('thief', [{ ...own, metadata }, open])
    for (const why of [/which had it before/, /whose rules stand there/]) {
      await daemon.logged(new RegExp(`Pod x/0-thief: .*is that of pod x/a, ${why.source}`))
      expect(await verdict()).toBe('blocked')
      await save('policies', [policy(fromC)])
      expect(await verdict()).toBe('open')
      await save('policies', [policy(app('a'))])
      expect(await verdict()).toBe('blocked')
      await daemon.stop()
      daemon = await startDaemon()
    }
    await manifests.remove('thief')
  })

  test('a start with a file that does not parse takes nothing away, and enforces the rest', async () => {
    const [a, b, c] = pods as [Pod, Pod, Pod]
    await save('policies', [policy(app('a'))])
    await daemon.stop()
    await writeFile(join(manifests.directory, 'policies.json'), '{"kind": "List", "items": [')
    await manifests.save('more', [policy(app('b'), 'red', 'x', 'more')])
    daemon = await startDaemon()
    await daemon.logged(/policies\.json: does not parse/)
    expect(await withRules()).toEqual(['a', 'b'])
    for (const pod of [a, b]) {
      expect((await lab.probe({ from: c, to: pod.address(4, 'red'), protocol: 'icmp' })).verdict).toBe(
        'blocked',
      )
    }
    await save('policies', [])
    await daemon.until('what is gone is taken away', async () => (await withRules()).join() === 'b', 5_000)
    await manifests.remove('more')
  })

  test('an interface or a MAC address that the netns does not have is an Issue', async () => {
    const [a] = pods as [Pod, Pod, Pod]
    await save('policies', [policy(app('a'), 'red, x/blue')])
    const told = (from: string, to: string) =>
      cluster().map((object) => JSON.parse(JSON.stringify(object).replaceAll(from, to)) as KubeObject)
    const mac = a.interfaces.find(({ name }) => name === 'net2')?.mac ?? ''
    await save('cluster', told(mac, '02:ff:ff:ff:ff:ff'))
    await daemon.logged(
      /Pod x\/a: not as told: interface net2 has MAC address .* and not 02:ff:ff:ff:ff:ff as network-status tells/,
    )
    await save('cluster', told('\\"net2\\"', '\\"net9\\"'))
    await daemon.logged(/Pod x\/a: .*which is still there and stays governed/)
    await save('cluster', cluster())
    await daemon.logged(/no longer an issue: Pod x\/a: .*which is still there and stays governed/)
  })
})

/** The cluster with another network-status of one pod: the network of each segment, none where left out. */
function withStatusOf(pod: Pod, networks: Readonly<Record<string, string>>): readonly KubeObject[] {
  const known = new Set(Object.keys(networks))
  const told = {
    ...pod,
    name: pod.name,
    netns: pod.netns,
    interfaces: pod.interfaces.filter(({ segment = '' }) => known.has(segment)),
  }
  return cluster().map((object) =>
    object.kind === 'Pod' && (object['metadata'] as { name: string }).name === pod.name
      ? podObject(told as unknown as Pod, { ...FACTS[pod.name], networks })
      : object,
  )
}
