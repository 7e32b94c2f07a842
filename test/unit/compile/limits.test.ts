/** Beyond a limit nothing is allowed, what isolates keeps isolating, one Issue says so, and both compilers agree on all of it. */
import { expect, test } from 'vitest'
import { Cluster, type ClusterChange } from '../../../src/compile/cluster.ts'
import type { Compilation } from '../../../src/compile/compilation.ts'
import { compile } from '../../../src/compile/compile.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { IncrementalCompiler } from '../../../src/compile/incremental/compiler.ts'
import type { Direction, NamespacedName } from '../../../src/compile/model.ts'
import { type Allow, NO_EXEMPTIONS, type Ruleset } from '../../../src/compile/ruleset.ts'
import { describeIssue } from '../../../src/issue-log.ts'
import { parse } from '../../product.ts'

const OPTIONS = {
  node: 'n1',
  networkPlugins: new Set(['macvlan']),
  exemptions: NO_EXEMPTIONS,
  logDrops: false,
}

const many = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n))
const address = (n: number): string => `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`

interface Told {
  readonly interface: string
  readonly network?: string
  readonly ips?: readonly string[]
}

function pod(
  name: string,
  status: readonly Told[],
  { node = 'n1', ports = [] as readonly object[] } = {},
): object {
  const entries = status.map(({ network = 'x/red', ...each }) => ({ name: network, ...each }))
  return {
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'x',
      annotations: { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(entries) },
    },
    spec: { nodeName: node, containers: [{ name: 'c', ports }] },
  }
}

function policy(name: string, spec: object, networks = 'red'): object {
  return {
    kind: 'MultiNetworkPolicy',
    metadata: { name, namespace: 'x', annotations: { 'k8s.v1.cni.cncf.io/policy-for': networks } },
    spec: { podSelector: {}, ...spec },
  }
}

const RED = {
  kind: 'NetworkAttachmentDefinition',
  metadata: { name: 'red', namespace: 'x' },
  spec: { config: '{"type":"macvlan"}' },
}
const LOCAL = pod('local', [{ interface: 'net1', ips: ['10.200.0.1'] }])

/** From scratch; what comes of it object by object, in either order, must be the same. */
function compiled(...objects: readonly object[]): Compilation {
  const changes = [RED, ...objects].map((raw): ClusterChange => {
    const object = parse(raw)
    if (object === undefined) throw new Error('unreadable')
    return { kind: 'changed', object }
  })
  const cluster = new Cluster()
  for (const change of changes) cluster.apply(change)
  const expected = compile(cluster, { ...OPTIONS, custom: NO_CUSTOM_RULES })
  for (const order of [changes, changes.toReversed()]) {
    const incremental = new IncrementalCompiler(OPTIONS)
    for (const change of order) {
      incremental.apply(change)
      if (changes.length < 100) incremental.compile({ custom: NO_CUSTOM_RULES })
    }
    const compilation = incremental.compile({ custom: NO_CUSTOM_RULES })
    expect(issuesOf(compilation).toSorted()).toEqual(issuesOf(expected).toSorted())
    for (const [name, { ruleset }] of expected.targets)
      expect(compilation.targets.get(name)?.ruleset).toEqual(ruleset)
  }
  return expected
}

const issuesOf = ({ issues }: Compilation): readonly string[] => issues.map(describeIssue)
const rulesetOf = ({ targets }: Compilation, name: NamespacedName = 'x/local'): Ruleset | undefined =>
  targets.get(name)?.ruleset
const isolated = (ruleset: Ruleset | undefined, direction: Direction): readonly string[] =>
  ruleset?.interfaces.flatMap(({ name, isolatedBy }) => (isolatedBy[direction].length > 0 ? [name] : [])) ??
  []
const allows = (ruleset: Ruleset | undefined, direction: Direction): readonly Allow[] =>
  ruleset?.policies.flatMap((each) => each.allows[direction] ?? []) ?? []
const peerCount = (allow: Allow | undefined): number =>
  allow?.peers.kind === 'only' ? allow.peers.addresses.length + allow.peers.ranges.length : -1

const blocks = (count: number): object[] =>
  many(count, (n) => ({ ipBlock: { cidr: `${address(2 * n)}/32` } }))

test('a policy of 10,000 CIDRs, 1,000 rules and 10,000 pods is all there', () => {
  const members = many(10_000, (n) =>
    pod(`m-${n}`, [{ interface: 'net1', ips: [address(n)] }], { node: 'other' }),
  )
  const rules = many(1_000, (n) => ({ from: [{ ipBlock: { cidr: `30.${n >> 8}.${n & 255}.0/24` } }] }))
  const result = compiled(
    LOCAL,
    ...members,
    policy('p', { ingress: [{ from: blocks(10_000) }, { from: [{ podSelector: {} }] }, ...rules] }),
  )
  expect(issuesOf(result)).toEqual([])
  const [first, second, ...others] = allows(rulesetOf(result), 'ingress')
  expect([peerCount(first), peerCount(second), others.length]).toEqual([10_000, 10_001, 1_000])
})

test.each([
  ['peers', { ingress: [{ from: blocks(30_000) }] }],
  [
    'excepts',
    { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: many(30_000, () => '10.0.0.0/32') } }] }] },
  ],
  ['ports', { ingress: [{ ports: many(30_000, (n) => ({ port: n + 1 })) }] }],
  ['rules', { ingress: many(30_000, () => ({})) }],
  [
    'values',
    {
      ingress: [
        {
          from: [
            {
              podSelector: {
                matchExpressions: [{ key: 'a', operator: 'NotIn', values: many(30_000, String) }],
              },
            },
          ],
        },
      ],
    },
  ],
])('of too many %s nothing is allowed', (_, spec) => {
  const result = compiled(LOCAL, policy('p', spec))
  const ruleset = rulesetOf(result)
  expect(isolated(ruleset, 'ingress')).toEqual(['net1'])
  for (const allow of allows(ruleset, 'ingress')) {
    const { peers, ports } = allow
    const isNothing = peerCount(allow) === 0 || (ports.kind === 'only' && ports.ports.length === 0)
    expect([isNothing, peers.kind]).toEqual([true, expect.anything()])
  }
  expect(issuesOf(result)).toEqual([expect.stringMatching(/20,000 .* are the most, and here are 30,00\d/)])
})

test('a podSelector of too many terms isolates every pod', () => {
  const values = many(30_000, String)
  const podSelector = { matchExpressions: [{ key: 'a', operator: 'In', values }] }
  const result = compiled(LOCAL, policy('p', { podSelector }))
  expect(isolated(rulesetOf(result), 'ingress')).toEqual(['net1'])
  expect(issuesOf(result)).toEqual([expect.stringMatching(/30,001 terms; 20,000 are the most/)])
})

test('networks beyond the first thousand are governed, and pods on them are no peers', () => {
  const names = [...many(3_000, (n) => `n${n}`), ' x / late ', 'red'].join(',')
  const far = pod('far', [{ interface: 'net1', network: 'x/late', ips: ['10.0.0.9'] }])
  const near = pod('near', [{ interface: 'net1', network: 'x/n7', ips: ['10.0.0.7'] }])
  const result = compiled(
    LOCAL,
    far,
    near,
    policy('p', { ingress: [{ from: [{ podSelector: {} }] }] }, names),
  )
  for (const name of ['x/local', 'x/far', 'x/near'] as const)
    expect(isolated(rulesetOf(result, name), 'ingress')).toEqual(['net1'])
  const [allow] = allows(rulesetOf(result), 'ingress')
  expect(allow?.peers).toMatchObject({ addresses: ['10.0.0.7'] })
  const issues = issuesOf(result)
  expect(issues.filter((each) => each.includes('no such Network')).length).toBe(20)
  expect(issues.filter((each) => each.includes('980 more of its networks')).length).toBe(1)
  expect(issues.filter((each) => each.includes('2,002 networks beyond the first 1,000')).length).toBe(1)
})

test('a pod’s addresses, ports and attachments beyond the limits are nobody’s peers', () => {
  const status = [
    { interface: 'net1', ips: many(90, address) },
    { interface: 'net2', ips: many(90, (n) => address(1_000 + n)) },
    ...many(300, (n) => ({ interface: `v${n}` })),
  ]
  const ports = many(1_000, (n) => ({ name: 'web', containerPort: n + 1 }))
  const result = compiled(
    LOCAL,
    pod('bomb', status, { node: 'other', ports }),
    policy('p', { ingress: [{ from: [{ podSelector: {} }] }], egress: [{ ports: [{ port: 'web' }] }] }),
  )
  expect(peerCount(allows(rulesetOf(result), 'ingress')[0])).toBe(101)
  const issues = issuesOf(result)
  for (const each of [
    /180 addresses; 100 are the most/,
    /302 entries; 256 are the most/,
    /1,000 named ports; 256/,
  ])
    expect(issues.filter((issue) => each.test(issue)).length).toBe(1)
})

test('of too many endpoints those of pods that have few are allowed', () => {
  const ports = many(256, (n) => ({ name: 'web', containerPort: n + 1 }))
  const bombs = many(3, (n) =>
    pod(`bomb-${n}`, [{ interface: 'net1', ips: many(100, (k) => address(1_000 * n + k)) }], {
      node: 'o',
      ports,
    }),
  )
  const honest = pod('z', [{ interface: 'net1', ips: ['10.99.0.1'] }], {
    node: 'o',
    ports: [{ name: 'web', containerPort: 80 }],
  })
  const to = { policyTypes: ['Egress'], egress: [{ ports: [{ port: 'web' }] }] }
  const result = compiled(LOCAL, ...bombs, honest, policy('p', to))
  const [allow] = allows(rulesetOf(result), 'egress')
  expect(allow?.endpoints).toEqual([{ address: '10.99.0.1', protocol: 'TCP', port: 80 }])
  expect(issuesOf(result)).toEqual([
    expect.stringMatching(/egress\[0\]: it stands for 76,801 named ports of pods; 25,000/),
  ])
})

test('of too many addresses those of pods that have few are allowed', () => {
  const bombs = many(260, (n) =>
    pod(`bomb-${n}`, [{ interface: 'net1', ips: many(100, (k) => address(100 * n + k)) }], { node: 'o' }),
  )
  const result = compiled(LOCAL, ...bombs, policy('p', { ingress: [{ from: [{ podSelector: {} }] }] }))
  const [allow] = allows(rulesetOf(result), 'ingress')
  expect(allow?.peers).toMatchObject({ addresses: expect.arrayContaining(['10.200.0.1']) })
  expect(peerCount(allow)).toBe(24_901)
  expect(issuesOf(result)).toEqual([expect.stringMatching(/it stands for 26,001 addresses of pods; 25,000/)])
})

test('policies beyond the limit of a pod only isolate it', () => {
  const interfaces = many(250, (n) => ({ interface: `v${n}` }))
  const open = many(30, (n) => policy(`p${10 + n}`, { ingress: [{}] }))
  const result = compiled(
    pod('local', interfaces),
    ...open,
    policy('p99', { policyTypes: ['Egress'], egress: [{}] }),
  )
  const ruleset = rulesetOf(result)
  expect(isolated(ruleset, 'ingress').length).toBe(250)
  expect(isolated(ruleset, 'egress').length).toBe(250)
  expect(allows(ruleset, 'egress')).toEqual([])
  expect(
    issuesOf(result).filter((each) => /7,750 times; 5,000 are the most, and 11 policies/.test(each)).length,
  ).toBe(1)
})

test('rules that no longer fit into a pod allow nothing, and those after them do', () => {
  const policies = ['a', 'b', 'c'].map((name) => policy(name, { ingress: [{ from: blocks(15_000) }] }))
  const result = compiled(LOCAL, ...policies, policy('d', { ingress: [{ ports: [{ port: 80 }] }] }))
  const ruleset = rulesetOf(result)
  expect(ruleset?.policies.map((each) => each.allows.ingress?.length)).toEqual([1, 1, 0, 1])
  expect(isolated(ruleset, 'ingress')).toEqual(['net1'])
  expect(issuesOf(result)).toEqual([
    expect.stringMatching(
      /^Pod x\/local: its rules come to 45,0\d\d elements; 40,000 are the most: x\/c ingress\[0\] allows nothing$/,
    ),
  ])
})

test('what cannot be enforced on a pod, and of a policy’s rules, is named twenty times', () => {
  const many300 = many(40, (n) => ({ interface: `much-too-long-a-name-${n}` }))
  const silent = pod('silent', [{ interface: 'net1' }], { node: 'o' })
  const rules = many(50, () => ({ from: [{ podSelector: {} }] }))
  const result = compiled(LOCAL, pod('odd', many300), silent, policy('p', { ingress: rules }))
  const issues = issuesOf(result)
  expect(issues.filter((each) => each.includes('no interface can have')).length).toBe(20)
  expect(issues.filter((each) => each.includes('no address is known')).length).toBe(20)
  expect(issues.filter((each) => /^Pod x\/odd: 20 more is not/.test(each)).length).toBe(1)
  expect(issues.filter((each) => /x\/p: spec: 30 more is not/.test(each)).length).toBe(1)
})
