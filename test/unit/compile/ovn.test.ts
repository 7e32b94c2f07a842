/** What a cluster becomes in OVN, as text. `rows.test.ts` and `trace.test.ts` of test/ovn have real databases take it. */
import { describe, expect, test } from 'vitest'
import { type OvnPort, portName } from '../../../src/compile/ovn/ports.ts'
import { compiled, nad, pod, policy, text } from './ovn-cluster.ts'

const BLUE = nad('shop/blue')
const WEB = pod('shop/web', { net1: 'shop/blue 10.1.0.1 fd00::1' }, { labels: '{ app: web }' })
const DB = pod('shop/db', { net1: 'shop/blue 10.1.0.2 fd00::2' }, { labels: '{ app: db }' })

const DISCOVERY = '(arp || nd || nd_rs || nd_ra || (icmp6.type == {130, 131, 132, 143} && ip.ttl == 1))'

test('one rule is one ACL on the group of the ports that its policy governs; what no policy allows is dropped once', () => {
  const web = policy(
    'shop/web',
    'blue',
    '{ podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: db } } }], ports: [{ port: 80 }, { port: 443 }, { port: 53, protocol: UDP }] }] }',
  )
  expect(text(compiled(BLUE + WEB + DB + web))).toBe(`\
port group mnpd_isolation_1 # isolated on ingress
  port shop.blue_shop_web
    to-lport  1000 (outport == @mnpd_isolation_1) drop # no policy allows it
    to-lport  1001 (outport == @mnpd_isolation_1 && ${DISCOVERY}) allow-related # discovery
port group mnpd_policy_2 # shop/web
  port shop.blue_shop_web
    to-lport  1001 (outport == @mnpd_policy_2 && (ip4.src == $mnpd_peers_3_v4 || ip6.src == $mnpd_peers_3_v6) && (tcp.dst == {80, 443} || udp.dst == 53)) allow-related # shop/web ingress[0]
address set mnpd_peers_3_v4
  10.1.0.2
address set mnpd_peers_3_v6
  fd00::2
`)
})

test('a policy that only denies has its ports dropped and tracked, and no group of its own', () => {
  const deny = policy('shop/deny', 'blue', '{ podSelector: {}, policyTypes: [Egress] }')
  expect(text(compiled(BLUE + WEB + DB + deny))).toBe(`\
port group mnpd_isolation_1 # isolated on egress
  port shop.blue_shop_db
  port shop.blue_shop_web
  from-lport  1000 (inport == @mnpd_isolation_1) drop [after-lb] # no policy allows it
  from-lport  1001 (inport == @mnpd_isolation_1 && ${DISCOVERY}) allow-related [after-lb] # discovery
`)
})

test.each([
  ['on another network too', WEB.replace('[{', '[{"name":"shop/red","interface":"net1"},{')],
  ['on another network instead', WEB.replace('"shop/blue"', '"shop/red"')],
  ['nothing', WEB.replace(/\[\{.*\}\]'/, "[]'")],
])('a port is on the network that OVN says, whatever the pod tells: %s', (_title, forged) => {
  const deny = policy('shop/deny', 'blue', '{ podSelector: {}, policyTypes: [Ingress] }')
  const open = policy('shop/open', 'red', '{ podSelector: {}, ingress: [{}] }')
  const cluster = (web: string): string => BLUE + nad('shop/red') + web + DB + deny + open
  let ports: readonly OvnPort[] = []
  const inDatabase = (found: typeof ports): typeof ports => {
    ports = found
    return found
  }
  const honest = text(compiled(cluster(WEB), {}, inDatabase))
  expect(honest).toContain('port shop.blue_shop_web')
  expect(forged).not.toBe(WEB)
  expect(text(compiled(cluster(forged), {}, () => ports))).toBe(honest)
})

test('connections are tracked on all ports, governed or not, unless the flag says otherwise', () => {
  expect(text(compiled(BLUE + WEB + DB, { track: true }))).toBe(`\
port group mnpd_tracked_1 # connections are tracked
  port shop.blue_shop_db
  port shop.blue_shop_web
    to-lport  1001 (outport == @mnpd_tracked_1 && arp) allow-related # connections are tracked
`)
  expect(text(compiled(BLUE + WEB + DB)).trim()).toBe('')
})

describe('matches', () => {
  const match = (rule: string, more = ''): string | undefined =>
    text(compiled(`${BLUE}${WEB}${DB}${more}${policy('shop/p', 'blue', rule)}`))
      .split('\n')
      .find((line) => line.includes('# shop/p '))
      ?.replace(/^ *\S+ +1001 \((?:in|out)port == @mnpd_policy_\d+(?: && )?(.*)\) allow-related.*$/, '$1')
  const ingress = (rule: string): string =>
    `{ podSelector: { matchLabels: { app: web } }, ingress: [${rule}] }`
  const egress = (rule: string): string =>
    `{ podSelector: { matchLabels: { app: web } }, policyTypes: [Egress], egress: [${rule}] }`

  test.each([
    ['everyone and everything', ingress('{}'), ''],
    ['everyone on a port', ingress('{ ports: [{ port: 80, endPort: 81 }] }'), 'tcp.dst == 0x50/0xfffe'],
    [
      'all of a protocol',
      ingress('{ ports: [{ protocol: SCTP }, { port: 80 }] }'),
      '(tcp.dst == 80 || sctp)',
    ],
    ['a block', ingress('{ from: [{ ipBlock: { cidr: 10.0.0.0/8 } }] }'), 'ip4.src == 10.0.0.0/8'],
    ['a block of everything', egress('{ to: [{ ipBlock: { cidr: 0.0.0.0/0 } }] }'), 'ip4'],
    [
      'blocks of both families',
      egress('{ to: [{ ipBlock: { cidr: 10.0.0.0/8 } }, { ipBlock: { cidr: "fd00::/8" } }] }'),
      '(ip4.dst == 10.0.0.0/8 || ip6.dst == fd00::/8)',
    ],
    [
      'an except',
      egress('{ to: [{ ipBlock: { cidr: 10.0.0.0/30, except: [10.0.0.1/32] } }] }'),
      'ip4.dst == {10.0.0.0/32, 10.0.0.2/31}',
    ],
    [
      'many excepts',
      egress('{ to: [{ ipBlock: { cidr: 0.0.0.0/0, except: [10.0.0.0/8] } }] }'),
      /^ip4\.dst == \$mnpd_block_\d+_v4$/,
    ],
    [
      'pods that nobody is yet',
      ingress('{ from: [{ podSelector: { matchLabels: { app: none } } }] }'),
      /^\(ip4\.src == \$mnpd_peers_\d+_v4 \|\| ip6\.src == \$mnpd_peers_\d+_v6\)$/,
    ],
    [
      'pods or a block',
      ingress('{ from: [{ podSelector: {} }, { ipBlock: { cidr: 10.9.0.0/16 } }] }'),
      /^\(ip4\.src == \{\$mnpd_peers_\d+_v4, 10\.9\.0\.0\/16\} \|\| ip6\.src == \$mnpd_peers_\d+_v6\)$/,
    ],
    ['a peer that is no valid one', ingress('{ from: [{}] }'), undefined],
    ['a port by a name that nobody has', ingress('{ ports: [{ port: web }] }'), undefined],
  ])('%s', (_, rule, expected) => {
    if (expected instanceof RegExp) expect(match(rule)).toMatch(expected)
    else expect(match(rule)).toBe(expected)
  })

  test('a port by name on egress is each number with the pods that mean it', () => {
    const server = pod(
      'shop/server',
      { net1: 'shop/blue 10.1.0.9' },
      { ports: '[{ name: web, containerPort: 8080 }]' },
    )
    const other = pod(
      'shop/other',
      { net1: 'shop/blue fd00::8' },
      { ports: '[{ name: web, containerPort: 80 }]' },
    )
    expect(match(egress('{ to: [{ podSelector: {} }], ports: [{ port: web }] }'), server + other)).toMatch(
      /^\(\(ip6\.dst == \$mnpd_named_\d+_v6 && tcp\.dst == 80\) \|\| \(ip4\.dst == \$mnpd_named_\d+_v4 && tcp\.dst == 8080\)\)$/,
    )
  })
})

test('a port by name on ingress that pods give to different numbers has a group for each number', () => {
  const server = (name: string, ip: string, port: number): string =>
    pod(`shop/${name}`, { net1: `shop/blue ${ip}` }, { ports: `[{ name: web, containerPort: ${port} }]` })
  const named = policy('shop/p', 'blue', '{ podSelector: {}, ingress: [{ ports: [{ port: web }] }] }')
  const printed = text(
    compiled(
      BLUE + server('a', '10.1.0.3', 80) + server('b', '10.1.0.4', 81) + server('c', '10.1.0.5', 81) + named,
    ),
  )
  const groups = printed
    .split(/(?=^port group)/m)
    .slice(1)
    .map((group) => ({
      ports: group.match(/(?<=port shop\.blue_shop_)\w+/g),
      match: /tcp\.dst == \d+/.exec(group)?.[0],
    }))
  expect(groups).toContainEqual({ ports: ['a'], match: 'tcp.dst == 80' })
  expect(groups).toContainEqual({ ports: ['b', 'c'], match: 'tcp.dst == 81' })
})

test('policies with the same peers share their address sets', () => {
  const rule = '{ podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { app: db } } }] }] }'
  const { rows } = compiled(BLUE + WEB + DB + policy('shop/a', 'blue', rule) + policy('shop/b', 'blue', rule))
  expect(rows.portGroups.size, 'isolation, and one each').toBe(3)
  expect(rows.addressSets.size, 'one a family').toBe(2)
})

test('another network, or another namespace, with the same selector is another set', () => {
  const rule = '{ podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { app: db } } }] }] }'
  const red = nad('shop/red') + pod('shop/r', { net1: 'shop/red 10.2.0.1' }) + policy('shop/b', 'red', rule)
  const far = pod('far/f', { net1: 'shop/blue 10.1.0.7' }) + policy('far/c', 'shop/blue', rule)
  const { rows } = compiled(BLUE + WEB + DB + policy('shop/a', 'blue', rule) + red + far)
  expect(rows.addressSets.size).toBe(6)
})

test('names stay when pods come and go, so that a new peer is one change of one set', () => {
  const rule = policy(
    'shop/a',
    'blue',
    '{ podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: db } } }] }] }',
  )
  const before = compiled(BLUE + WEB + rule).rows
  const after = compiled(BLUE + WEB + DB + rule).rows
  expect([...after.portGroups]).toEqual([...before.portGroups])
  expect([...after.addressSets.keys()]).toEqual([...before.addressSets.keys()])
})

test('only ports in the database are governed there, and a missing one is an Issue', () => {
  const deny = policy('shop/deny', 'blue', '{ podSelector: {} }')
  const { rows, issues } = compiled(BLUE + WEB + DB + deny, { node: 'n1' }, (ports) => ports.slice(0, 1))
  expect([...rows.portGroups.values()].map(({ ports }) => [...ports])).toEqual([['shop.blue_shop_web']])
  expect(issues.map(({ reason }) => reason)).toEqual([
    'not enforced on pod shop/db because it has no port in the OVN northbound database',
  ])
})

test('a pod of a node that has no ports here has them in the database of another zone', () => {
  const deny = policy('shop/deny', 'blue', '{ podSelector: {} }')
  expect(compiled(BLUE + WEB + deny, { node: 'n2' }, () => []).issues).toEqual([])
})

test('a port is governed before the status of its pod tells of it, and is a peer by what OVN gave it', () => {
  const bare = pod('shop/web', {}, { labels: '{ app: web }' })
  const rule = policy(
    'shop/p',
    'blue',
    '{ podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ podSelector: {} }] }] }',
  )
  const { rows } = compiled(BLUE + bare + rule, {}, () => [
    {
      id: 'a-row',
      name: portName('shop/blue', 'shop', 'web'),
      namespace: 'shop',
      network: 'shop/blue',
      ovnNetwork: 'blue',
      podUid: undefined,
      addresses: ['10.1.0.1' as never],
    },
  ])
  expect([...rows.portGroups.values()].flatMap(({ ports }) => [...ports])).toEqual(['a-row', 'a-row'])
  expect([...rows.addressSets.values()].map(({ addresses }) => [...addresses])).toEqual([['10.1.0.1'], []])
})

test('networks that ovn-kubernetes keeps to itself are left to it, and that is said once', () => {
  const deny = policy('shop/deny', 'blue', '{ podSelector: {} }')
  const left = { leftToOvnKubernetes: new Set(['shop/blue']) }
  const { rows, issues } = compiled(BLUE + WEB + DB + deny, left)
  expect(rows.portGroups.size + rows.addressSets.size).toBe(0)
  expect(issues).toEqual([
    {
      object: { kind: 'NetworkAttachmentDefinition', namespace: 'shop', name: 'blue' },
      field: '',
      reason: expect.stringContaining('ovn-kubernetes enforces MultiNetworkPolicy on this network itself'),
    },
  ])
})

test('an attachment of another type is a peer here, and governed elsewhere', () => {
  const both = pod('shop/both', { net1: 'shop/blue 10.1.0.5', net2: 'shop/lan 10.7.0.5' })
  const rule = policy('shop/p', 'blue,lan', '{ podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }')
  const { rows, issues } = compiled(BLUE + nad('shop/lan', 'macvlan') + both + rule)
  expect([...rows.portGroups.values()].map(({ ports }) => [...ports])).toEqual([
    ['shop.blue_shop_both'],
    ['shop.blue_shop_both'],
  ])
  expect([...rows.addressSets.values()].map(({ addresses }) => [...addresses])).toEqual([
    ['10.1.0.5', '10.7.0.5'],
    [],
  ])
  expect(issues).toEqual([])
})

test('nothing that a tenant writes is part of a match or of a name that a match uses', () => {
  const evil = '") || 1; #'
  const { rows } = compiled(
    BLUE +
      pod('shop/web', { net1: 'shop/blue 10.1.0.1' }, { labels: `{ app: '${evil}' }` }) +
      policy(
        'shop/evil',
        'blue',
        `{ podSelector: {}, ingress: [{ from: [{ podSelector: {} }, { podSelector: { matchLabels: { app: '${evil}' } } }, { ipBlock: { cidr: '${evil}' } }], ports: [{ port: '${evil}' }, { port: 1 }] }] }`,
      ),
  )
  const printed = [...rows.portGroups.values()].flatMap(({ name, acls }) => [
    name,
    ...acls.map(({ match }) => match),
  ])
  expect(printed.join('')).not.toMatch(/[^\w@$.&|=(){}, :]/)
  expect([...rows.addressSets.keys()].join('')).toMatch(/^[a-z0-9_]+$/)
})

test('flags that let packets pass are one ACL a direction', () => {
  const exemptions = {
    icmp: true,
    icmpv6: true,
    ipv6Sources: [
      { family: 6 as const, first: 0xfe80n << 112n, last: (0xfe80n << 112n) + (1n << 118n) - 1n },
    ],
    ipv6Destinations: [],
  }
  const deny = policy('shop/deny', 'blue', '{ podSelector: {} }')
  expect(text(compiled(BLUE + WEB + deny, { exemptions }))).toContain(
    '(outport == @mnpd_isolation_1 && (icmp4 || icmp6 || ip6.src == fe80::/10)) allow-related # exempt by flags',
  )
})
