/**
 * Pods with their attachments as network-status tells them. Addresses follow from the pod's and the
 * attachment's number, so that shrinking one thing leaves the others where they were; they are unique on a
 * segment, and the separate segments 0 and 1 use the same subnet.
 */
import fc from 'fast-check'
import type { JsonObject } from '../json.ts'
import {
  type ClusterShape,
  choice,
  hostAddress,
  labels,
  podLabels,
  portNames,
  portNumbers,
  printed,
  protocol,
  weighted,
} from './alphabet.ts'
import { badAddresses } from './bad.ts'

interface Attached {
  readonly network: string
  readonly addresses: 'all' | 'first' | 'last' | 'two' | 'none'
  readonly spelling: 'short' | 'long'
}

/** `pod-INDEX`; indices from 0 to 7. */
export function podObject(shape: ClusterShape, index: number): fc.Arbitrary<JsonObject> {
  return fc
    .record({
      namespace: weighted([8, 'alpha'], [3, 'beta'], [1, 'gamma']),
      labels: labels(podLabels),
      phase: weighted([18, 'Running'], [2, 'Pending'], [1, 'Succeeded'], [1, 'Failed']),
      hostNetwork: weighted([14, undefined], [1, true], [1, false]),
      status: status(shape, index),
      ports: fc.array(containerPort(shape), { maxLength: 3 }),
      sidePorts: fc.array(containerPort(shape), { maxLength: 1 }),
      initPorts: fc.array(containerPort(shape), { maxLength: 1 }),
    })
    .map(({ namespace, labels, phase, hostNetwork, status, ports, sidePorts, initPorts }) =>
      printed({
        ...{ apiVersion: 'v1', kind: 'Pod' },
        metadata: {
          ...{ namespace, name: `pod-${index}`, uid: `00000000-0000-4000-8000-00000000000${index}` },
          ...{ labels, annotations: status },
        },
        spec: {
          ...{ nodeName: 'node-1', hostNetwork },
          initContainers: [{ name: 'init', ports: initPorts }],
          containers: [
            { name: 'main', ports },
            { name: 'side', ports: sidePorts },
          ],
        },
        status: { phase },
      }),
    )
}

function containerPort(shape: ClusterShape): fc.Arbitrary<JsonObject> {
  return fc.record({
    name: fc.constantFrom(...portNames),
    containerPort: fc.constantFrom(...portNumbers),
    protocol: protocol(shape),
  })
}

/** The annotations: the newer one, the older one, both at odds, or none. */
function status(shape: ClusterShape, index: number): fc.Arbitrary<JsonObject> {
  const newer = 'k8s.v1.cni.cncf.io/network-status'
  const older = 'k8s.v1.cni.cncf.io/networks-status'
  const first = weighted<string>([5, 'none'], [3, 'plain'], [1, 'named'])
  return fc
    .record({
      first,
      attached: choice<readonly Attached[]>(
        [1, fc.constant([])],
        [8, fc.array(attached(), { minLength: 1, maxLength: 3 })],
      ),
      flaw: flaw(shape),
      annotation: weighted([14, [newer]], [2, [older]], [1, [newer, older]], [1, []]),
    })
    .map(({ first, attached, flaw, annotation }) => {
      const entries = [...defaultEntry(shape, first, index), ...attached.map(entryOf(shape, index))]
      const text = flaw === 'cut' ? '[{"name":' : JSON.stringify(flawed(flaw, entries), null, 4)
      const stale = JSON.stringify(entries.slice(0, 1))
      return Object.fromEntries(annotation.map((key, place) => [key, place === 0 ? text : stale]))
    })
}

function attached(): fc.Arbitrary<Attached> {
  return fc.record({
    network: weighted(
      ...([
        [8, 'alpha/net'],
        [3, 'net'],
        [3, 'alpha/side'],
        [2, 'beta/net'],
      ] as const),
      ...([
        [1, 'side'],
        [1, 'gamma/far'],
        [1, 'gone'],
        [1, 'alpha/gone'],
      ] as const),
    ),
    addresses: weighted<Attached['addresses']>(
      [8, 'all'],
      [2, 'first'],
      [2, 'last'],
      [1, 'two'],
      [1, 'none'],
    ),
    spelling: weighted<Attached['spelling']>([5, 'short'], [1, 'long']),
  })
}

function entryOf(shape: ClusterShape, pod: number) {
  return ({ network, addresses, spelling }: Attached, place: number): JsonObject => {
    const separate = !network.startsWith('alpha/') && network !== 'net'
    const subnet = network === 'gamma/far' ? 1 : 0
    const host = 4 * (separate ? (pod + 1) % 8 : pod) + place + 1
    const all = shape.families.map((family) => spelled(spelling, hostAddress(family, subnet, host)))
    const second = hostAddress(shape.families[0] ?? 4, subnet, host + 64)
    const ips = { all, first: all.slice(0, 1), last: all.slice(-1), two: [...all, second], none: undefined }
    const mac = `02:00:00:00:0${pod}:0${place}`
    return printed({ name: network, interface: `net${place + 1}`, ips: ips[addresses], mac, dns: {} })
  }
}

/** fd00::5 as FD00:0:0:0:0:0:0:5. */
function spelled(spelling: Attached['spelling'], address: string): string {
  if (spelling === 'short' || !address.includes('::')) return address
  const missing = 8 - address.split(':').filter((group) => group !== '').length
  return address.replace('::', `:${'0:'.repeat(missing)}`).toUpperCase()
}

/** `named` is a default network that comes from a definition which policies name. */
function defaultEntry(shape: ClusterShape, kind: string, pod: number): readonly JsonObject[] {
  const entry = { interface: 'eth0', mac: `02:00:00:01:0${pod}:00`, default: true, dns: {} }
  if (kind === 'plain') return [{ name: 'cbr0', ...entry, ips: [`172.16.0.${pod + 1}`] }]
  const ips = shape.families.map((family) => hostAddress(family, 0, 40 + pod))
  return kind === 'named' ? [{ name: 'alpha/net', ...entry, ips }] : []
}

/**
 * What is wrong with a status, if anything; `same` and `too`, by which interfaces are told to be on several networks, are
 * no mistakes of form, yet only a forger would write them.
 */
function flaw(shape: ClusterShape): fc.Arbitrary<unknown> {
  if (!shape.bad) return fc.constant('none')
  return choice<unknown>(
    [30, fc.constant('none')],
    [2, fc.constant('same')],
    [3, fc.constantFrom('alpha/net', 'alpha/side', 'beta/net', 'gone').map((too) => ({ too }))],
    [1, fc.constantFrom('cut', 'null', 'name')],
    [1, fc.constantFrom(undefined, '', 'a/b', 'sixteen-letters-').map((device) => ({ interface: device }))],
    [2, fc.constantFrom(...ODD_NAMES)],
    [1, fc.constantFrom(...badAddresses).map((ip) => ({ ips: [ip, '10.0.0.99'] }))],
  )
}

/** Names that Linux takes and rules have trouble with, for the first attachments of a pod. */
const ODD_NAMES: readonly (readonly string[])[] = [
  ['tcp'],
  ['udp', 'tcp'],
  ['@net2'],
  ['net*'],
  ['net2*'],
  ['a"b'],
  ['\u00fcnet', 'eth0.7'],
  ['drop'],
]

function flawed(flaw: unknown, entries: readonly JsonObject[]): readonly unknown[] {
  if (flaw === 'same') return entries.map((entry) => ({ ...entry, interface: 'net1' }))
  if (flaw === 'null') return [null, ...entries]
  if (flaw === 'name') return [{ name: 'a/b/net', interface: 'net9', ips: ['10.0.0.98'] }, ...entries]
  if (typeof flaw !== 'object' || flaw === null) return entries
  if ('too' in flaw) return entries.flatMap((entry) => [entry, { ...entry, name: flaw.too }])
  if (Array.isArray(flaw)) return renamed(entries, flaw as readonly string[])
  return entries.map((entry) => (entry['default'] === true ? entry : { ...entry, ...flaw }))
}

function renamed(entries: readonly JsonObject[], names: readonly string[]): readonly JsonObject[] {
  const [free, ...rest] = names
  const [entry, ...others] = entries
  if (entry === undefined || free === undefined) return entries
  return entry['default'] === true
    ? [entry, ...renamed(others, names)]
    : [{ ...entry, interface: free }, ...renamed(others, rest)]
}
