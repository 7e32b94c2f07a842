/**
 * An interface that network-status tells to be on several networks gains nothing by it: of what the policies for one of
 * them allow, only what those for all of them allow is left. By both printers, by what explain and matrix say, and by both
 * compilers.
 */
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../../src/compile/address.ts'
import type { Compilation } from '../../../src/compile/compilation.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { IncrementalCompiler } from '../../../src/compile/incremental/compiler.ts'
import { printIptables } from '../../../src/compile/iptables/printer.ts'
import { swapText } from '../../../src/compile/iptables/swap.ts'
import type { Issue, Pod } from '../../../src/compile/model.ts'
import { printNftables } from '../../../src/compile/nftables/printer.ts'
import { NO_EXEMPTIONS, type Ruleset } from '../../../src/compile/ruleset.ts'
import { allowedPorts, decide } from '../../../src/compile/verdict.ts'
import { interpretFilter, loadFilter } from '../../iptables-interpreter.ts'
import { type KubeObject, networkObject, policyObject } from '../../manifests.ts'
import { interpret, loadTable } from '../../nft-interpreter.ts'
import { clusterOf, compileAll } from '../../product.ts'

const PLUGINS = ['macvlan']
const NETWORKS = [networkObject('x', 'red'), networkObject('x', 'lax'), networkObject('x', 'far', 'bridge')]
const from = (address: string) => ({ ingress: [{ from: [{ ipBlock: { cidr: `${address}/32` } }] }] })
const POLICIES = [
  policyObject('x', 'deny', 'red', { podSelector: {}, policyTypes: ['Ingress'] }),
  policyObject('x', 'open', 'lax', { podSelector: {}, ingress: [{}] }),
  policyObject('x', 'some', 'red', { podSelector: {}, ...from('10.0.0.8') }),
]
const FOR_BOTH = policyObject('x', 'both', 'red,lax', { podSelector: {}, ...from('10.0.0.9') })

function podWith(annotations: Readonly<Record<string, unknown>>): KubeObject {
  const texts = Object.entries(annotations).map(([key, value]) => [
    `k8s.v1.cni.cncf.io/${key}`,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'x', name: 'a', uid: 'a', annotations: Object.fromEntries(texts) },
    spec: { containers: [] },
    status: { phase: 'Running' },
  } as unknown as KubeObject
}

const on = (network: string, name: string, more: object = {}): object => ({
  name: network,
  interface: name,
  ips: ['10.0.0.1'],
  ...more,
})

function compiled(objects: readonly KubeObject[]): Compilation {
  return compileAll(clusterOf([...NETWORKS, ...objects]), PLUGINS)
}

function rulesetOf(objects: readonly KubeObject[]): Ruleset | undefined {
  return compiled(objects).targets.get('x/a')?.ruleset
}

/** Of some senders those that reach the interface; whoever is asked says the same. */
function letIn(ruleset: Ruleset | undefined, name: string): string {
  const table = loadTable(printNftables(ruleset).transaction.toJSON().nftables)
  const filter = loadFilter(swapText(new Map(), printIptables(ruleset).filters[4]) ?? '')
  const senders = ['10.0.0.7', '10.0.0.8', '10.0.0.9'].filter((source) => {
    const packet = { source, destination: '10.0.0.1', protocol: 'TCP', port: 80 } as const
    const hooked = { hook: 'input', interface: name, ...packet } as const
    const [own, peer] = [packet.destination, source].map((text) => parseAddress(text) ?? expect.fail(text))
    const ends = { own: own ?? expect.fail(), peer: peer ?? expect.fail() }
    const ports = allowedPorts(ruleset, name, 'ingress', ends)
    const answers = {
      nftables: interpret(table, hooked) === 'accept',
      iptables: interpretFilter(filter, hooked) === 'accept',
      explain: decide(ruleset, name, 'ingress', { ...ends, protocol: 'TCP', port: 80 }).kind !== 'denied',
      matrix: ports.kind === 'any' || ports.ports.length > 0,
    }
    const [first, ...others] = Object.values(answers)
    if (others.some((each) => each !== first)) expect.fail(`${source}: ${JSON.stringify(answers)}`)
    return first
  })
  return senders.map((source) => source.split('.').at(-1)).join(' ')
}

const NOBODY = ''

/** Title, annotations, who is let in on net1 by the policies for one network, and by one for both besides. */
const rows: readonly (readonly [string, Readonly<Record<string, unknown>>, string, string])[] = [
  ['red alone', { 'network-status': [on('red', 'net1')] }, '8', '8 9'],
  ['lax alone', { 'network-status': [on('lax', 'net1')] }, '7 8 9', '7 8 9'],
  ['both', { 'network-status': [on('red', 'net1'), on('lax', 'net1')] }, NOBODY, '9'],
  ['both the other way round', { 'network-status': [on('lax', 'net1'), on('x/red', 'net1')] }, NOBODY, '9'],
  [
    'both, and one of them twice',
    { 'network-status': ['red', 'lax', 'red'].map((each) => on(each, 'net1')) },
    NOBODY,
    '9',
  ],
  ['red twice', { 'network-status': [on('red', 'net1'), on('x/red', 'net1')] }, '8', '8 9'],
  [
    'a third that no policy is for',
    { 'network-status': [on('red', 'net1'), on('lax', 'net1'), on('gone', 'net1')] },
    NOBODY,
    NOBODY,
  ],
  [
    'red, and a network of another plugin',
    { 'network-status': [on('red', 'net1'), on('far', 'net1')] },
    NOBODY,
    NOBODY,
  ],
  [
    'red, and lax as the default one',
    { 'network-status': [on('red', 'net1'), on('lax', 'net1', { default: true })] },
    '8',
    '8 9',
  ],
  [
    'red as the default one too',
    { 'network-status': [on('red', 'net1', { default: true }), on('red', 'net1')] },
    '8',
    '8 9',
  ],
  [
    'red by the newer annotation, lax by the older',
    { 'network-status': [on('red', 'net1')], 'networks-status': [on('lax', 'net1')] },
    '8',
    '8 9',
  ],
  [
    'lax under names that are no interface’s',
    {
      'network-status': [
        on('red', 'net1'),
        ...['net1 ', 'net1\0', '\ud800', ' net1'].map((name) => on('lax', name)),
      ],
    },
    '8',
    '8 9',
  ],
  [
    'lax under names that look alike',
    {
      'network-status': [
        on('red', 'net1'),
        ...['NET1', 'net\u0661', 'net1\u0301', 'n\u0435t1'].map((name) => on('lax', name)),
      ],
    },
    '8',
    '8 9',
  ],
  [
    'lax under names that are wildcards',
    {
      'network-status': [
        on('red', 'net1'),
        ...['net*', 'net+', '*', '+', 'ne*', 'net1*', 'net1+'].map((name) => on('lax', name)),
      ],
    },
    '8',
    '8 9',
  ],
  [
    'keys twice, where the last counts',
    {
      'network-status':
        '[{"name":"lax","name":"red","interface":"lo","interface":"net1"},{"name":"lax","interface":"net1"}]',
    },
    NOBODY,
    '9',
  ],
  [
    'two interfaces on two networks',
    { 'network-status': [on('red', 'net1'), on('lax', 'net2')] },
    '8',
    '8 9',
  ],
  ['two interfaces on one network', { 'network-status': [on('red', 'net1'), on('red', 'net2')] }, '8', '8 9'],
]

describe('who is let in on an interface that is told to be on', () => {
  test.each(rows)('%s', (_title, annotations, ofOne, ofBoth) => {
    const pod = podWith(annotations)
    expect(letIn(rulesetOf([pod, ...POLICIES]), 'net1')).toBe(ofOne)
    expect(letIn(rulesetOf([pod, ...POLICIES, FOR_BOTH]), 'net1')).toBe(ofBoth)
  })
})

test('an interface beside it is not concerned', () => {
  const pod = podWith({ 'network-status': [on('red', 'net1'), on('lax', 'net1'), on('lax', 'net2')] })
  expect(letIn(rulesetOf([pod, ...POLICIES]), 'net2')).toBe('7 8 9')
})

test('a direction in which one of the networks is not isolated is closed by the other, and one in which none is stays free', () => {
  const pod = podWith({ 'network-status': [on('red', 'net1'), on('lax', 'net1')] })
  const egress = policyObject('x', 'out', 'lax', { podSelector: {}, policyTypes: ['Egress'], egress: [{}] })
  const [, , deny] = [0, 0, POLICIES[0] as KubeObject]
  const free = rulesetOf([pod, deny])?.interfaces
  expect(free).toMatchObject([
    { isolatedBy: { ingress: [0], egress: [] }, allowedBy: { ingress: [], egress: [] } },
  ])
  const closed = rulesetOf([pod, deny, egress])?.interfaces
  expect(closed).toMatchObject([
    { isolatedBy: { ingress: [0], egress: [1] }, allowedBy: { ingress: [], egress: [] } },
  ])
})

test('what a pod had before counts as told', () => {
  const objects = [podWith({ 'network-status': [on('lax', 'net1')] }), ...POLICIES]
  const compilation = compiled(objects)
  const pod = compilation.targets.get('x/a')?.pod as Pod
  const before = {
    network: 'x/red',
    interface: 'net1',
    addresses: [],
    mac: undefined,
    userspace: undefined,
  } as const
  const asked = compilation.rulesetOf({ ...pod, attachments: [...pod.attachments, before] })
  expect(letIn(asked, 'net1')).toBe(NOBODY)
})

const REASON =
  'an interface is on one network, so only policies for all that it is told to be on allow anything on it'

test.each<[string, readonly object[], string | undefined]>([
  [
    'once, however many policies there are',
    ['red', 'lax'].map((each) => on(each, 'net1')),
    `net1: told to be on x/lax and x/red; ${REASON}`,
  ],
  [
    'once, however many interfaces there are',
    ['n1', 'n2', 'n3'].flatMap((name) => ['red', 'lax'].map((each) => on(each, name))),
    `n1: told to be on x/lax and x/red, as are 2 more interfaces; ${REASON}`,
  ],
  [
    'in one line, however many networks there are',
    ['red', 'e', 'd', 'c', 'b', 'a'].map((each) => on(each, 'net1')),
    `net1: told to be on x/a, x/b, x/c and 3 more; ${REASON}`,
  ],
  [
    'in plain text',
    ['red', 'lax'].map((each) => on(each, 'a\x1b[2J\u202e')),
    `/611b5b324ae280ae: told to be on x/lax and x/red; ${REASON}`,
  ],
  ['not of what no policy governs', ['a', 'b'].map((each) => on(each, 'net1')), undefined],
  ['not of one network told twice', ['red', 'x/red'].map((each) => on(each, 'net1')), undefined],
])('an Issue says so %s', (_title, status, expected) => {
  const cluster = clusterOf([...NETWORKS, podWith({ 'network-status': status }), ...POLICIES, FOR_BOTH])
  const compiler = new IncrementalCompiler({
    node: undefined,
    networkPlugins: new Set(PLUGINS),
    exemptions: NO_EXEMPTIONS,
    logDrops: false,
  })
  for (const kind of ['Pod', 'MultiNetworkPolicy', 'NetworkAttachmentDefinition'] as const)
    for (const object of cluster.objects(kind).values()) compiler.apply({ kind: 'changed', object })
  for (const { issues } of [compileAll(cluster, PLUGINS), compiler.compile({ custom: NO_CUSTOM_RULES })]) {
    const told = issues.filter(({ reason }) => reason.includes('told to be on'))
    const text = ({ object, field, value, reason }: Issue): string =>
      `${object.kind} ${object.name} ${field} ${value}: ${reason}`
    const start = 'Pod a metadata.annotations[k8s.v1.cni.cncf.io/network-status] '
    expect(told.map(text)).toEqual(expected === undefined ? [] : [`${start}${expected}`])
  }
})
