/**
 * Made-up clusters whose every field may hold what no honest author writes: quotes, line feeds, the syntax of nft, of
 * iptables and of shells, values too long, of other types, and not ASCII. One policy, `x/sure`, governs the network `x/red`
 * whatever else is there, so that it can be asked whether what stays isolates.
 */
import fc from 'fast-check'

export interface HostileCluster {
  readonly objects: readonly unknown[]
  /** The names that the pods of namespace x have on the network x/red, by the pod's name. */
  readonly interfaces: ReadonlyMap<string, readonly string[]>
}

export const HOSTILE_WORDS: readonly string[] = [
  '',
  ' ',
  '"',
  "'",
  '\\',
  '\0',
  '\n',
  '"; flush ruleset; #',
  '} flush ruleset table inet x {',
  '\n-A INPUT -j ACCEPT\nCOMMIT\n*nat\n',
  '$(touch /tmp/hostile)',
  '`touch /tmp/hostile`',
  "'; touch /tmp/hostile; '",
  '${IFS}',
  '$x',
  '%s%n%1$*1$d',
  '-f',
  '--help',
  '-j ACCEPT',
  '@x',
  '*',
  '!',
  '+',
  'tcp',
  'accept',
  '0x0a',
  '../../../../etc/passwd',
  '__proto__',
  'constructor',
  'é',
  '\u{1f4a5}',
  '\ud800',
  '\u202e',
  '\ufeff',
  '\u0085',
  'a'.repeat(300),
  '字'.repeat(100),
  '0.0.0.0/0 accept',
  '10.0.0.0/8;drop',
  '::/0"',
  '1;2',
]

/** Words, and any text at all. */
export function hostileText(): fc.Arbitrary<string> {
  const word = fc.constantFrom(...HOSTILE_WORDS)
  return fc.oneof(
    word,
    fc.tuple(word, word).map(([a, b]) => `${a}x${b}`),
    fc.string({ unit: 'binary', maxLength: 40 }),
  )
}

/** Of any type. */
function hostileValue(): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 4, arbitrary: hostileText() },
    { weight: 1, arbitrary: fc.constantFrom<unknown>(null, true, -1, 1.5, [], {}, [null], [[]]) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  )
}

/** Names that the kernel takes: 1 to 15 bytes, no blank of its own (0xa0 is one), no slash, no colon. */
export function kernelName(): fc.Arbitrary<string> {
  const words = [
    '"',
    "'",
    '\\',
    '`',
    '$',
    '*',
    '@',
    '+',
    '!',
    '{',
    '}',
    '#',
    ';',
    '-',
    '=',
    '(',
    '|',
    '&',
    '<',
  ]
  const unit = fc.oneof(
    fc.constantFrom(...words, 'a', 'b', '1', '.', ','),
    fc.constantFrom('é', '字', '\u{1f4a5}', '\ufeff', '\u2003', '\u202e', '\x7f', '\x01', '\x1b', '\u0085'),
  )
  const made = fc.array(unit, { minLength: 1, maxLength: 15 }).map((units) => units.join(''))
  const whole = ['tcp', 'udp', 'icmp', 'lo0', 'redirect', 'net1', 'eth0.100', 'a*', '-', '--', '@x', '!', '+']
  return fc
    .oneof(made, fc.constantFrom(...whole))
    .filter((name) => isKernelName(name) && Buffer.byteLength(name) <= 15)
}

function isKernelName(name: string): boolean {
  const bytes = Buffer.from(name)
  return (
    name.isWellFormed() &&
    !['', '.', '..', 'lo'].includes(name) &&
    !bytes.some((byte) => (byte >= 9 && byte <= 13) || [0, 0x20, 0xa0, 0x2f, 0x3a].includes(byte))
  )
}

/** Mostly as it should be. */
function mostly(...good: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...good) },
    { weight: 1, arbitrary: hostileValue() },
  )
}

function labels(): fc.Arbitrary<unknown> {
  const map = fc.dictionary(fc.oneof(fc.constant('app'), hostileText()), mostly('a', 'b'), { maxKeys: 3 })
  return fc.oneof({ weight: 4, arbitrary: map }, { weight: 1, arbitrary: hostileValue() })
}

function selector(): fc.Arbitrary<unknown> {
  const expression = fc.record(
    { key: mostly('app'), operator: mostly('In', 'NotIn', 'Exists'), values: fc.array(mostly('a')) },
    { requiredKeys: [] },
  )
  const selecting = fc.record(
    { matchLabels: labels(), matchExpressions: fc.array(expression, { maxLength: 2 }) },
    { requiredKeys: [] },
  )
  return fc.oneof({ weight: 4, arbitrary: selecting }, { weight: 1, arbitrary: hostileValue() })
}

function peer(): fc.Arbitrary<unknown> {
  const block = fc.record(
    { cidr: mostly('10.0.0.0/8', 'fd00::/64', '10.1.0.1/32'), except: fc.array(mostly('10.1.0.0/16')) },
    { requiredKeys: ['cidr'] },
  )
  const some = fc.record(
    { ipBlock: block, podSelector: selector(), namespaceSelector: selector() },
    { requiredKeys: [] },
  )
  const one = fc.oneof(fc.record({ ipBlock: block }), fc.record({ podSelector: selector() }))
  return fc.oneof({ weight: 3, arbitrary: one }, some, hostileValue())
}

function rules(peers: 'from' | 'to'): fc.Arbitrary<unknown> {
  const port = fc.record(
    { port: mostly(80, 443, 'web'), protocol: mostly('TCP', 'UDP', 'SCTP'), endPort: mostly(500) },
    { requiredKeys: [] },
  )
  const rule = fc.record(
    { [peers]: fc.array(peer(), { maxLength: 3 }), ports: fc.array(port, { maxLength: 3 }) },
    { requiredKeys: [] },
  )
  const list = fc.array(fc.oneof({ weight: 6, arbitrary: rule }, { weight: 1, arbitrary: hostileValue() }), {
    maxLength: 3,
  })
  return fc.oneof({ weight: 8, arbitrary: list }, { weight: 1, arbitrary: hostileValue() })
}

const POLICY_FOR = 'k8s.v1.cni.cncf.io/policy-for'
const NETWORK_STATUS = 'k8s.v1.cni.cncf.io/network-status'

function policy(): fc.Arbitrary<unknown> {
  return fc
    .record({
      name: mostly('p', 'q', `${'p'.repeat(63)}.${'q'.repeat(63)}.${'r'.repeat(63)}`),
      namespace: mostly('x', 'y'),
      networks: fc.array(mostly('red', 'blue', 'x/red', 'y/blue'), { maxLength: 3 }),
      labels: labels(),
      spec: fc.record(
        {
          podSelector: selector(),
          policyTypes: fc.array(mostly('Ingress', 'Egress'), { maxLength: 3 }),
          ingress: rules('from'),
          egress: rules('to'),
        },
        { requiredKeys: [] },
      ),
    })
    .map(({ name, namespace, networks, labels, spec }) => ({
      kind: 'MultiNetworkPolicy',
      metadata: { name, namespace, labels, uid: name, annotations: { [POLICY_FOR]: networks.join(',') } },
      spec,
    }))
}

/** Whatever its rules hold, it isolates ingress on x/red of every pod of x. */
function surePolicy(): fc.Arbitrary<unknown> {
  return rules('from').map((ingress) => ({
    kind: 'MultiNetworkPolicy',
    metadata: { name: 'sure', namespace: 'x', annotations: { [POLICY_FOR]: 'red' } },
    spec: { podSelector: {}, policyTypes: ['Ingress'], ingress },
  }))
}

interface MadePod {
  readonly raw: unknown
  readonly name: string
  readonly interfaces: readonly string[]
}

function pod(index: number): fc.Arbitrary<MadePod> {
  const entry = fc.record(
    {
      ips: fc.array(mostly(`10.1.0.${index}`, `fd00:1::${index}`), { maxLength: 3 }),
      mac: mostly('02:00:00:00:00:01'),
      'device-info': fc.oneof(fc.record({ type: mostly('vhost-user', 'pci') }), hostileValue()),
    },
    { requiredKeys: [] },
  )
  const forged = fc.record(
    { name: mostly('red', 'blue', 'y/blue'), interface: hostileValue(), default: mostly(true, false) },
    { requiredKeys: [] },
  )
  return fc
    .record({
      names: fc.uniqueArray(kernelName(), { minLength: 1, maxLength: 4 }),
      entry,
      forged: fc.array(fc.oneof(forged, hostileValue()), { maxLength: 3 }),
      labels: labels(),
      ports: fc.array(fc.record({ name: mostly('web'), containerPort: mostly(80), protocol: mostly('TCP') })),
      netns: hostileValue(),
      uid: hostileText(),
    })
    .map(({ names, entry, forged, labels, ports, netns, uid }) => {
      const status = [...forged, ...names.map((name) => ({ ...entry, name: 'red', interface: name }))]
      const annotations = {
        [NETWORK_STATUS]: JSON.stringify(status),
        'multi-networkpolicyd/netns': netns,
        'kubernetes.io/config.hash': uid,
      }
      const raw = {
        kind: 'Pod',
        metadata: { name: `pod${index}`, namespace: 'x', uid, labels, annotations },
        spec: { nodeName: 'n1', containers: [{ name: 'c', ports }] },
      }
      return { raw, name: `x/pod${index}`, interfaces: names }
    })
}

function network(): fc.Arbitrary<unknown> {
  return fc
    .record({ name: mostly('blue'), namespace: mostly('x', 'y'), config: mostly('{"type":"macvlan"}') })
    .map(({ name, namespace, config }) => ({
      kind: 'NetworkAttachmentDefinition',
      metadata: { name, namespace },
      spec: { config },
    }))
}

function namespace(): fc.Arbitrary<unknown> {
  return fc
    .record({ name: mostly('x', 'y'), labels: labels(), logDrops: mostly('true', 'false') })
    .map(({ name, labels, logDrops }) => ({
      kind: 'Namespace',
      metadata: { name, labels, annotations: { 'multi-networkpolicyd/log-drops': logDrops } },
    }))
}

export function hostileCluster(): fc.Arbitrary<HostileCluster> {
  return fc
    .record({
      others: fc.array(fc.oneof(policy(), policy(), network(), namespace()), { maxLength: 8 }),
      sure: surePolicy(),
      pods: fc.tuple(pod(1), pod(2)),
    })
    .map(({ others, sure, pods }) => ({
      objects: [...others, sure, ...pods.map(({ raw }) => raw)],
      interfaces: new Map(pods.map(({ name, interfaces }) => [name, interfaces])),
    }))
}
