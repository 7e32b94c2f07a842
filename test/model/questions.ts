/**
 * The packets worth asking about in a cluster: every attachment and direction, against the addresses and
 * ports at which some answer may change.
 */
import { type Address, isSameAddress, parseAddress } from './address.ts'
import { type Attachment, attachmentsOf, isLive } from './attachment.ts'
import { type Cluster, type Direction, nameOf, namespaceOf } from './cluster.ts'
import type { End } from './governance.ts'
import { asObject, at, items, type JsonObject } from './json.ts'
import { boundariesOf } from './number-line.ts'
import type { Protocol } from './port.ts'
import type { Packet } from './verdict.ts'

export interface Question {
  readonly end: End
  readonly direction: Direction
  readonly packet: Packet
}

/**
 * At most `limit` of them, the same ones for the same cluster, spread evenly over all that there are. A
 * quarter goes to what named ports mean on egress, which few of the others would meet by chance. What a pod
 * sends to an address of its own is not among them: it goes over `lo`.
 */
export function questions(cluster: Cluster, limit = 2000): readonly Question[] {
  const named = namedQuestions(cluster, Math.floor(limit / 4))
  const [ends, directions] = [endsOf(cluster), ['ingress', 'egress'] as const]
  const [peers, services] = [peersOf(cluster), servicesOf(cluster)]
  const total = ends.length * directions.length * peers.length * services.length
  const others = spread(total, limit - named.length).flatMap((index) => {
    const [service, withoutService] = digit(services, index)
    const [peer, withoutPeer] = digit(peers, withoutService)
    const [direction, withoutDirection] = digit(directions, withoutPeer)
    const [place] = digit(ends, withoutDirection)
    return questionOf(place, direction, peer, service)
  })
  return [...named, ...others]
}

/** Every end towards every address of every pod, at the ports of that pod. */
function namedQuestions(cluster: Cluster, limit: number): readonly Question[] {
  const ends = endsOf(cluster)
  const pairs = cluster.pods.flatMap((pod) =>
    addressesOf(attachmentsOf(pod)).flatMap((peer) => portsOf(pod).map((service) => ({ peer, service }))),
  )
  return spread(ends.length * pairs.length, limit).flatMap((index) => {
    const [{ peer, service }, withoutPair] = digit(pairs, index)
    const [place] = digit(ends, withoutPair)
    return questionOf(place, 'egress', peer, service)
  })
}

function portsOf(pod: JsonObject): readonly Service[] {
  const containers = [...items(at(pod, 'spec', 'initContainers')), ...items(at(pod, 'spec', 'containers'))]
  return containers
    .flatMap((container) => items(at(container, 'ports')))
    .flatMap((port) => {
      const [number, protocol] = [at(port, 'containerPort'), at(port, 'protocol') ?? 'TCP']
      return typeof number === 'number' ? [{ protocol: protocol as Protocol, port: number }] : []
    })
}

/** Indices below `total`: all of them, or `limit` steps of the golden ratio, which never bunch up. */
function spread(total: number, limit: number): readonly number[] {
  if (total <= limit) return Array.from({ length: total }, (_, index) => index)
  const golden = (Math.sqrt(5) - 1) / 2
  const steps = Array.from({ length: limit }, (_, step) => Math.floor((((step + 1) * golden) % 1) * total))
  return [...new Set(steps)]
}

function digit<Item>(axis: readonly Item[], index: number): readonly [Item, number] {
  return [axis[index % axis.length] as Item, Math.floor(index / axis.length)]
}

interface Service {
  readonly protocol: Protocol
  readonly port?: number
}

/** An end with the addresses of its interface and those of its whole pod. */
interface Place {
  readonly end: End
  readonly interface: readonly Address[]
  readonly pod: readonly Address[]
}

function questionOf(
  place: Place,
  direction: Direction,
  peer: Address,
  service: Service,
): readonly Question[] {
  if (direction === 'egress' && place.pod.some((own) => isSameAddress(own, peer))) return []
  return [{ end: place.end, direction, packet: packetOf(place, direction, peer, service) }]
}

function packetOf(place: Place, direction: Direction, peer: Address, service: Service): Packet {
  const standIn = peer.family === 4 ? '192.0.2.254' : '2001:db8::fe'
  const own = place.interface.find((address) => address.family === peer.family)?.text ?? standIn
  const [source, destination] = direction === 'ingress' ? [peer.text, own] : [own, peer.text]
  return { source, destination, ...service }
}

function endsOf(cluster: Cluster): readonly Place[] {
  return cluster.pods.filter(isLive).flatMap((pod) => {
    const attachments = attachmentsOf(pod)
    const names = new Set(attachments.map((attachment) => attachment.interface))
    return [...names].flatMap((name) => {
      if (name === undefined) return []
      const end = { namespace: namespaceOf(pod), pod: nameOf(pod), interface: name }
      const here = attachments.filter((attachment) => attachment.interface === name)
      return [{ end, interface: addressesOf(here), pod: addressesOf(attachments) }]
    })
  })
}

function addressesOf(attachments: readonly Attachment[]): readonly Address[] {
  return attachments.flatMap((attachment) => attachment.addresses)
}

/** Addresses of all pods, also of those that should not be peers; the edges of every block; strangers. */
function peersOf(cluster: Cluster): readonly Address[] {
  const pods = cluster.pods.flatMap((pod) => addressesOf(attachmentsOf(pod)).map((address) => address.text))
  const edges = cluster.policies.flatMap(textsIn).flatMap(boundariesOf)
  const strangers = ['198.51.100.7', '10.0.0.250', '2001:db8::7', 'fd00::fa']
  return [...new Set([...pods, ...edges, ...strangers])].flatMap((text) => parseAddress(text) ?? [])
}

/** The five protocols, and every port at which the meaning of a number that is mentioned may end. */
function servicesOf(cluster: Cluster): readonly Service[] {
  const mentioned = [
    ...cluster.policies.flatMap((policy) => [...numbersIn(policy), ...textsIn(policy).map(Number)]),
    ...cluster.pods.flatMap((pod) => numbersIn(at(pod, 'spec'))),
  ]
  const around = [...mentioned.flatMap((port) => [port - 1, port, port + 1]), 1, 65535]
  const ports = new Set(around.filter((port) => Number.isInteger(port) && port >= 1 && port <= 65535))
  const numbered = (['TCP', 'UDP', 'SCTP'] as const).flatMap((protocol) =>
    [...ports].sort((one, other) => one - other).map((port) => ({ protocol, port })),
  )
  return [...numbered, { protocol: 'ICMP' }, { protocol: 'OTHER' }]
}

/** Every text anywhere in a value: a CIDR in a bad place is worth a question too. */
function textsIn(value: unknown): readonly string[] {
  return leavesOf(value).filter((leaf) => typeof leaf === 'string')
}

function numbersIn(value: unknown): readonly number[] {
  return leavesOf(value).filter((leaf) => typeof leaf === 'number')
}

function leavesOf(value: unknown): readonly unknown[] {
  const object: JsonObject | undefined = asObject(value)
  if (object !== undefined) return Object.values(object).flatMap(leavesOf)
  return Array.isArray(value) ? items(value).flatMap(leavesOf) : [value]
}
