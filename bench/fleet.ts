/**
 * Past one API server: what it would save to hand out members in slices. Today every node watches every pod that can be a
 * peer; here a server holds the member index of the whole cluster, each node subscribes to the sets that the policies on its
 * pods use, and is told their addresses, then what comes and goes.
 *
 * The index, its sets and what changes in them are those of the incremental compiler; pods and what happens to them are
 * parsed as the daemon does. Nodes are simulated: what each would receive is counted, and the cost of a message is that of
 * writing and reading one of its size through a socket here. What today's way costs a pod on the wire is measured on a real
 * API server (bytes.ts). `node bench/fleet.ts [NODES…]`.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { table } from '../src/cli/table.ts'
import { Cluster } from '../src/compile/cluster.ts'
import { MemberIndex } from '../src/compile/incremental/member-index.ts'
import type { MemberSet } from '../src/compile/incremental/member-set.ts'
import { PolicyRecord } from '../src/compile/incremental/policy-record.ts'
import { RuleRecord } from '../src/compile/incremental/rule-record.ts'
import { type Network, nameOf, type Pod, type Policy } from '../src/compile/model.ts'
import { isUnreadable } from '../src/watch/parse/metadata.ts'
import { parsers } from '../src/watch/parse/object.ts'
import { parsePeerPod } from '../src/watch/parse/pod.ts'
import { SharedValues } from '../src/watch/parse/shared.ts'
import { networkObject, policyObject } from '../test/manifests.ts'
import { bytes } from './bytes.ts'
import { quantile } from './figures.ts'

const SIZES = [1_000, 10_000]
/** Of each node, on the network that policies are for. */
const PODS_A_NODE = 10
const PODS_A_NAMESPACE = 40
const APPS = 4
/** One namespace in so many is of the team that all others let in, such as monitoring. */
const TEAM_EVERY = 200
const EVENTS = 3_000
const MESSAGES = 20_000

/** What one message of that many bytes costs who sends and who receives it, µs. */
type Wire = (bytes: number) => { readonly send: number; readonly receive: number }

/** A server's and a node's share: bytes and CPU to start all nodes, and for one change of a pod. */
interface Costs {
  readonly startBytes: number
  readonly eventBytes: number
  /** ms */
  readonly startCpu: number
  readonly eventCpu: number
}

class Fleet {
  readonly nodes: number
  readonly #index: MemberIndex
  readonly #shared = new SharedValues()
  readonly #pods: Pod[] = []
  /** The nodes that have pods of a namespace. */
  readonly #nodesOf = new Map<string, Set<number>>()
  /** The sets of the policies of a namespace. */
  readonly #setsOf = new Map<string, readonly MemberSet[]>()

  constructor(nodes: number) {
    this.nodes = nodes
    const cluster = new Cluster()
    const parse = parsers('none')
    const namespaces = Math.ceil((nodes * PODS_A_NODE) / PODS_A_NAMESPACE)
    for (let number = 0; number < namespaces; number += 1) {
      const labels = { team: number % TEAM_EVERY === 0 ? 'watching' : `t${number % 7}` }
      const object = parse.Namespace({
        kind: 'Namespace',
        apiVersion: 'v1',
        metadata: { name: `ns-${number}`, labels },
      })
      if (!isUnreadable(object)) cluster.apply({ kind: 'changed', object })
    }
    const network = parse.NetworkAttachmentDefinition(networkObject('default', 'red')) as Network
    cluster.apply({ kind: 'changed', object: network })
    this.#index = new MemberIndex(cluster, (name) => name === 'default/red')
    for (let number = 0; number < nodes * PODS_A_NODE; number += 1) this.#add(number)
    for (let number = 0; number < namespaces; number += 1) {
      const policy = parse.MultiNetworkPolicy(policyOf(`ns-${number}`)) as Policy
      this.#setsOf.set(`ns-${number}`, this.#sets(policy))
    }
    this.#index.takeChanged()
  }

  /** The sets of each node. */
  subscriptions(): readonly ReadonlySet<MemberSet>[] {
    const all = Array.from({ length: this.nodes }, () => new Set<MemberSet>())
    for (const [namespace, nodes] of this.#nodesOf) {
      for (const node of nodes) for (const set of this.#setsOf.get(namespace) ?? []) all[node]?.add(set)
    }
    return all
  }

  /** A pod is replaced by one with another address. @returns the sets that differ, and the CPU that it took, ms */
  replaceOne(number: number): { readonly changed: ReadonlySet<MemberSet>; readonly cpu: number } {
    const before = this.#pods[number]
    const raw = podOf(number, this.nodes, 1)
    const began = performance.now()
    const after = parsePeerPod(raw, this.#shared) as Pod
    this.#index.podChanged(before, after)
    const changed = this.#index.takeChanged()
    this.#pods[number] = after
    return { changed, cpu: performance.now() - began }
  }

  #add(number: number): void {
    const pod = parsePeerPod(podOf(number, this.nodes, 0), this.#shared) as Pod
    this.#pods.push(pod)
    this.#index.podChanged(undefined, pod)
    const nodes = this.#nodesOf.get(pod.namespace) ?? new Set()
    this.#nodesOf.set(pod.namespace, nodes.add(nodeOf(number, this.nodes)))
  }

  #sets(policy: Policy): readonly MemberSet[] {
    const record = new PolicyRecord(policy, this.#index)
    return policy.rules.ingress.flatMap((rule, number) => {
      const user = new RuleRecord(record, 'ingress', number, rule, this.#index)
      return this.#index.selected(policy, rule.peers, user) ?? []
    })
  }
}

/** Pods of a namespace are on nodes all over the cluster. */
function nodeOf(number: number, nodes: number): number {
  return (number * 7_919) % nodes
}

function podOf(number: number, nodes: number, life: number): unknown {
  const address = `10.${64 * life + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`
  const networks = [{ name: 'default/red', interface: 'net1', ips: [address], mac: '02:00:00:00:00:01' }]
  return {
    ...{ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' },
    metadata: {
      name: `app-${number}-${life}`,
      namespace: `ns-${Math.floor(number / PODS_A_NAMESPACE)}`,
      uid: `uid-${number}-${life}`,
      resourceVersion: String(number + nodes),
      labels: { app: `app-${number % APPS}`, 'pod-template-hash': `hash-${number % 50}` },
      annotations: { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(networks) },
    },
  }
}

/** Lets in one app of the own namespace, and one of the namespaces of a team. */
function policyOf(namespace: string): object {
  const pods = (app: string): object => ({ podSelector: { matchLabels: { app } } })
  const watching = { namespaceSelector: { matchLabels: { team: 'watching' } }, ...pods('app-0') }
  return policyObject(namespace, 'in', 'default/red', {
    podSelector: {},
    ingress: [{ from: [pods('app-1')] }, { from: [watching] }],
  })
}

/** What a node is told of a set at first, as a line. */
function wholeSet(set: MemberSet): string {
  return `${JSON.stringify({ set: 17, is: set.addresses })}\n`
}

/** What it is told when one address is replaced. */
const CHANGE = `${JSON.stringify({ set: 17, add: ['10.128.255.255'], delete: ['10.128.255.254'] })}\n`

function compare(nodes: number, wire: Wire, pod: { readonly list: number; readonly update: number }): string {
  const fleet = new Fleet(nodes)
  const parsing = parseCost(nodes)
  const pods = nodes * PODS_A_NODE
  const list = wire(pod.list)
  const update = wire(pod.update)
  const node: Costs = {
    ...{ startBytes: pods * pod.list, eventBytes: pod.update },
    ...{ startCpu: pods * (list.receive / 1e3 + parsing), eventCpu: update.receive / 1e3 + parsing },
  }
  const server: Costs = {
    ...{ startBytes: nodes * node.startBytes, eventBytes: nodes * node.eventBytes },
    ...{ startCpu: (nodes * pods * list.send) / 1e3, eventCpu: (nodes * update.send) / 1e3 },
  }
  const sliced = slices(fleet, wire)
  const row = (name: string, costs: Costs): readonly string[] => [
    name,
    megabytes(costs.startBytes),
    `${short(costs.startCpu)} ms`,
    `${short(costs.eventBytes)} bytes`,
    `${short(costs.eventCpu * 1_000)} µs`,
  ]
  return table([
    [`${nodes} nodes, ${pods} pods`, 'all start: bytes', 'CPU', 'a pod replaced: bytes', 'CPU'],
    row('server, every node watches every pod', server),
    row('server, slices', sliced.server),
    row('node, every node watches every pod', node),
    row('node, slices', sliced.node),
  ])
}

/** A pod that is replaced is one message a set here, and one event in today's way, where it is two or more. */
function slices(fleet: Fleet, wire: Wire): { readonly server: Costs; readonly node: Costs } {
  const subscriptions = fleet.subscriptions()
  const subscribers = new Map<MemberSet, number>()
  for (const sets of subscriptions)
    for (const set of sets) subscribers.set(set, (subscribers.get(set) ?? 0) + 1)
  const whole = [...subscribers].map(([set, count]) => ({ text: wholeSet(set), count }))
  const startBytes = whole.reduce((sum, { text, count }) => sum + count * text.length, 0)
  const parsing = whole.reduce((sum, { text, count }) => sum + count * parseTime(text), 0)
  const startMessages = [...subscribers.values()].reduce((sum, count) => sum + count, 0)
  const start = wire(startBytes / startMessages)
  let messages = 0
  let indexing = 0
  for (let event = 0; event < EVENTS; event += 1) {
    const { changed, cpu } = fleet.replaceOne(Math.floor((event * fleet.nodes * PODS_A_NODE) / EVENTS))
    indexing += cpu
    for (const set of changed) messages += subscribers.get(set) ?? 0
  }
  const each = wire(CHANGE.length)
  const perEvent = messages / EVENTS
  const share = 1 / fleet.nodes
  return {
    server: {
      ...{ startBytes, startCpu: (startMessages * start.send) / 1e3, eventBytes: perEvent * CHANGE.length },
      eventCpu: indexing / EVENTS + (perEvent * each.send) / 1e3,
    },
    node: {
      ...{
        startBytes: startBytes * share,
        startCpu: (startMessages * start.receive * share) / 1e3 + parsing * share,
      },
      ...{
        eventBytes: perEvent * CHANGE.length * share,
        eventCpu: perEvent * share * (each.receive / 1e3 + parseTime(CHANGE)),
      },
    },
  }
}

/** ms */
function parseTime(text: string): number {
  const began = performance.now()
  JSON.parse(text)
  return performance.now() - began
}

/** What it takes to read a pod's metadata, ms. */
function parseCost(nodes: number): number {
  const shared = new SharedValues()
  const texts = Array.from({ length: EVENTS }, (_, number) => JSON.stringify(podOf(number, nodes, 0)))
  const began = performance.now()
  for (const text of texts) nameOf(parsePeerPod(JSON.parse(text), shared) as Pod)
  return (performance.now() - began) / EVENTS
}

/** Costs of messages by their size, from two sizes through a socket of this machine, sender and receiver apart. */
async function measuredWire(): Promise<Wire> {
  const [small, large] = [await through(64), await through(4_096)] as const
  return (bytes) => {
    const at = (a: number, b: number): number => Math.max(0, a + ((b - a) * (bytes - 64)) / (4_096 - 64))
    return { send: at(small.send, large.send), receive: at(small.receive, large.receive) }
  }
}

async function through(size: number): Promise<{ readonly send: number; readonly receive: number }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const receiver = connect(port, '127.0.0.1')
  const [sender] = (await once(server, 'connection')) as [Socket]
  sender.setNoDelay(true)
  receiver.pause()
  const text = 'x'.repeat(size)
  const took: number[] = []
  let reading = 0
  // In parts, so that the socket's buffers take each of them.
  for (let part = 0; part < 100; part += 1) {
    const before = process.cpuUsage()
    for (let message = 0; message < MESSAGES / 100; message += 1) sender.write(text)
    took.push(total(process.cpuUsage(before)) / (MESSAGES / 100))
    const began = process.cpuUsage()
    const wanted = (size * MESSAGES) / 100
    let got = 0
    receiver.on('data', (data) => {
      got += data.length
    })
    receiver.resume()
    while (got < wanted) await new Promise((resolve) => setImmediate(resolve))
    receiver.removeAllListeners('data')
    receiver.pause()
    reading += total(process.cpuUsage(began))
  }
  sender.destroy()
  receiver.destroy()
  server.close()
  return { send: quantile(took, 0.5), receive: reading / MESSAGES }
}

function total({ user, system }: NodeJS.CpuUsage): number {
  return user + system
}

function short(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(2)))
}

function megabytes(value: number): string {
  return value < 1e6
    ? `${(value / 1e3).toFixed(1)} kB`
    : `${(value / 1e6).toLocaleString('en', { maximumFractionDigits: 1 })} MB`
}

const sizes = process.argv.slice(2).map(Number)
console.error('measuring what a pod is on the wire, on a real API server')
const [list, update] = (await bytes()).map(({ samples }) => samples[0] ?? Number.NaN)
if (list === undefined || update === undefined) throw new Error('no bytes')
const wire = await measuredWire()
for (const nodes of sizes.length > 0 ? sizes : SIZES)
  console.log(`${compare(nodes, wire, { list, update })}\n`)
