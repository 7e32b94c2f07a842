/**
 * Clusters and questions short enough to be read in a table row, for the tests of the reference model.
 *
 *     pods:
 *       a/server: { labels: { app: server }, ports: { web: 80/TCP }, net1: net 10.0.0.1 fd00::1 }
 *     policies:
 *       a/policy: { for: net, ingress: [{ from: [{ podSelector: {} }] }] }
 *
 * A question about `a/server net1` is `in 10.0.0.2 TCP/80` or `out 10.0.0.2 ICMP`.
 */
import { parse } from 'yaml'
import { type Cluster, type End, type JsonObject, judge, type Protocol } from '../../model/verdict.ts'

type Fields = Record<string, unknown>

export const options: { readonly networkPlugins: readonly string[] } = { networkPlugins: ['macvlan'] }

/** Four pods of two namespaces on one network; the rows ask about `a/server`. */
export const fourPods: string = `
namespaces: { a: { team: red }, b: { team: blue } }
networks: { a/net: macvlan, a/side: macvlan, b/net: macvlan, a/foreign: bridge }
pods:
  a/server:
    { labels: { app: server, tier: back }, ports: { web: 80/TCP }, net1: net 10.0.0.1 fd00::1, net2: side 10.1.0.1 }
  a/client: { labels: { app: client }, net1: net 10.0.0.2 fd00::2, net2: side 10.1.0.2 }
  a/other: { net1: net 10.0.0.3 fd00::3 }
  b/client: { labels: { app: client }, net1: a/net 10.0.0.4 fd00::4, net2: net 10.2.0.4 }
`

/** Later texts replace objects of the same name. */
export function cluster(...texts: readonly string[]): Cluster {
  const parts = texts.map((text) => (parse(text) ?? {}) as Record<string, Fields>)
  const named = (kind: string, build: (name: string, value: unknown) => JsonObject) =>
    Object.entries(Object.assign({}, ...parts.map((part) => part[kind] ?? {})) as Fields).map(
      ([name, value]) => build(name, value),
    )
  return {
    namespaces: named('namespaces', (name, labels) => ({ metadata: { name, labels } })),
    pods: named('pods', (name, value) => pod(name, (value ?? {}) as Fields)),
    networkAttachmentDefinitions: named('networks', definition),
    policies: named('policies', (name, value) => policy(name, (value ?? {}) as Fields)),
  }
}

/** Every field that is none of the known ones is an interface: `NETWORK ADDRESS...`. */
function pod(name: string, fields: Fields): JsonObject {
  const { labels, annotations, phase = 'Running', hostNetwork, ports, initPorts, ...interfaces } = fields
  const status = Object.entries(interfaces).map(([device, text]) => {
    const [network, ...ips] = String(text).split(' ')
    return { name: network, interface: device, ips }
  })
  return {
    metadata: {
      ...metadata(name),
      labels,
      annotations: { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(status), ...(annotations ?? {}) },
    },
    spec: {
      hostNetwork,
      initContainers: [{ name: 'init', ports: containerPorts(initPorts) }],
      containers: [{ name: 'main', ports: containerPorts(ports) }],
    },
    status: { phase },
  }
}

/** `{ web: 80/TCP }`, or a list of such for a name with several numbers. */
function containerPorts(ports: unknown): readonly JsonObject[] {
  return [ports ?? []].flat().flatMap((map) =>
    Object.entries(map as Fields).map(([name, text]) => {
      const [number, protocol] = String(text).split('/')
      return { name, containerPort: Number(number), protocol }
    }),
  )
}

/** A word is the CNI type; anything else is the spec as it stands. */
function definition(name: string, value: unknown): JsonObject {
  const spec = typeof value === 'string' ? { config: JSON.stringify({ type: value }) } : value
  return { metadata: metadata(name), spec }
}

function policy(name: string, fields: Fields): JsonObject {
  const { for: networks, spec, ...rest } = fields
  const annotations = networks === undefined ? {} : { 'k8s.v1.cni.cncf.io/policy-for': networks }
  return { metadata: { ...metadata(name), annotations }, spec: 'spec' in fields ? spec : rest }
}

function metadata(text: string): Fields {
  const [namespace, name] = text.split('/')
  return { namespace, name }
}

export const server: End = { namespace: 'a', pod: 'server', interface: 'net1' }

/** The questions of a list whose answer is `allow`; the separator is a comma. */
export function allowed(asked: Cluster, questions: string, end: End = server): string {
  return questions
    .split(',')
    .map((question) => question.trim())
    .filter((question) => question !== '' && isAllowed(asked, question, end))
    .join(', ')
}

function isAllowed(asked: Cluster, question: string, end: End): boolean {
  const [direction, peer = '', what = ''] = question.split(' ')
  const [protocol, port] = what.split('/')
  const own = peer.includes(':') ? 'fd00::1' : '10.0.0.1'
  const [source, destination] = direction === 'in' ? [peer, own] : [own, peer]
  const verdict = judge(asked, options, end, direction === 'in' ? 'ingress' : 'egress', {
    ...{ source, destination, protocol: protocol as Protocol },
    ...(port === undefined ? {} : { port: Number(port) }),
  })
  return verdict === 'allow'
}

/** A policy of `a/net` and what it does to `a/server`. */
export interface Row {
  readonly title: string
  /** YAML, over {@link fourPods}; or only the policies' YAML map when it starts with `a/` or `b/`. */
  readonly given: string
  readonly allow: string
  readonly deny: string
}

/** `[allowed of what should be, allowed of what should not]`, to be compared with `[row.allow, '']`. */
export function outcome(row: Row): readonly [string, string] {
  const text = /^[ab]\//.test(row.given) ? `policies: { ${row.given} }` : row.given
  const asked = cluster(fourPods, text)
  return [allowed(asked, row.allow), allowed(asked, row.deny)]
}
