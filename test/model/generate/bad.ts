/**
 * Every kind of bad part that a MultiNetworkPolicy can hold, since its CRD lets nearly all of them through.
 * Where a mistake could open something (all addresses, all pods, all ports), that is the one listed.
 */
export const badSelectors: readonly unknown[] = [
  'all',
  [],
  { matchLabels: 7 },
  { matchLabels: { app: null } },
  { matchLabels: { app: 1 } },
  { matchExpressions: {} },
  { matchExpressions: [null] },
  { matchExpressions: [{ key: 'app', operator: 'In', values: [] }] },
  { matchExpressions: [{ key: 'absent', operator: 'NotIn', values: [] }] },
  { matchExpressions: [{ key: 'absent', operator: 'NotIn' }] },
  { matchExpressions: [{ key: 'absent', operator: 'NotIn', values: ['no label!'] }] },
  { matchExpressions: [{ key: 'absent', operator: 'NotIn', values: 'x' }] },
  { matchExpressions: [{ key: 'app', operator: 'Exists', values: ['a'] }] },
  { matchExpressions: [{ key: 'absent', operator: 'DoesNotExist', values: ['a'] }] },
  { matchExpressions: [{ key: 'app', operator: 'exists' }] },
  { matchExpressions: [{ key: 'app', operator: 'Gt', values: ['1'] }] },
  { matchExpressions: [{ key: 'no key!', operator: 'DoesNotExist' }] },
  { matchLabels: { app: 'a' }, matchExpressions: [{ operator: 'DoesNotExist' }] },
]

export const badPeers: readonly unknown[] = [
  null,
  7,
  {},
  { podSelector: null },
  { ipBlock: { cidr: '0.0.0.0/0' }, podSelector: {} },
  { ipBlock: { cidr: '0.0.0.0/0' }, namespaceSelector: {} },
  { ipBlock: {} },
  { ipBlock: '10.0.0.0/24' },
  { ipBlock: { cidr: '10.0.0.1' } },
  { ipBlock: { cidr: '10.0.0.0/33' } },
  { ipBlock: { cidr: '10.0.0.0/024' } },
  { ipBlock: { cidr: 'fd00::/129' } },
  { ipBlock: { cidr: 'fd00::%net1/64' } },
  { ipBlock: { cidr: '::ffff:10.0.0.0/120' } },
  { ipBlock: { cidr: 'rubbish; drop' } },
  { ipBlock: { cidr: '10.0.0.0/24', except: ['10.0.1.0/28'] } },
  { ipBlock: { cidr: '10.0.0.0/24', except: ['10.0.0.0/16'] } },
  { ipBlock: { cidr: '10.0.0.0/24', except: ['10.0.0.0/24'] } },
  { ipBlock: { cidr: '10.0.0.0/24', except: ['fd00::/120'] } },
  { ipBlock: { cidr: '10.0.0.0/24', except: ['10.0.0.2'] } },
  { ipBlock: { cidr: '10.0.0.0/24', except: [null] } },
  { ipBlock: { cidr: '10.0.0.0/24', except: '10.0.0.2/32' } },
  ...badSelectors.map((podSelector) => ({ podSelector })),
  ...badSelectors.map((namespaceSelector) => ({ namespaceSelector, podSelector: {} })),
]

export const badPorts: readonly unknown[] = [
  null,
  80,
  { protocol: 'tcp' },
  { protocol: 'ICMP', port: 80 },
  { protocol: 'ICMP' },
  { protocol: '' },
  { protocol: 6 },
  { port: 0 },
  { port: 70000 },
  { port: -1 },
  { port: 80.5 },
  { port: '80' },
  { port: '' },
  { port: true },
  { port: 'Web' },
  { port: 'web;drop' },
  { port: 81, endPort: 80 },
  { port: 80, endPort: 70000 },
  { port: 80, endPort: 0 },
  { port: 80, endPort: '82' },
  { port: 'web', endPort: 443 },
  { endPort: 443 },
]

/** In place of a list of rules, peers or ports. */
export const badLists: readonly unknown[] = ['all', 7, true, {}, { cidr: '0.0.0.0/0' }]

export const badRules: readonly unknown[] = [null, 'all', 7, []]

export const badPolicyTypes: readonly unknown[] = [
  ['ingress'],
  ['Sideways'],
  ['Sideways', 'Egress'],
  ['Ingress', null],
  [null],
  'Egress',
  {},
]

/** Items of `policy-for`. */
export const badNetworks: readonly string[] = ['a/b/c', '', 'al pha/net', '/net', 'alpha/', 'Net', 'net;drop']

/** Configurations of a NetworkAttachmentDefinition from which no type can be read. */
export const badConfigurations: readonly unknown[] = [
  '{"type":"bridge"',
  '',
  '[]',
  '{"type":7}',
  '{"type":""}',
  '{"plugins":[]}',
  '{"plugins":[{},{"type":"bridge"}]}',
  '{"plugins":{"type":"bridge"}}',
  { type: 'bridge' },
  null,
]

export const badAddresses: readonly unknown[] = [
  '::ffff:10.0.0.1',
  'fe80::1%net1',
  '10.0.0.1/24',
  '10.0.0.01',
  'rubbish',
  '',
  7,
  null,
]
