/** The reflector against a real API server, under the ServiceAccount, the roles and the CRDs that we ship. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiConnection, fromKubeconfig } from '../../src/watch/kube/connection.ts'
import {
  metadataOnly,
  type ReflectorEvent,
  type ReflectorOptions,
  type Resource,
  reflect,
} from '../../src/watch/kube/reflector.ts'
import { type ApiObject, type ControlPlane, startControlPlane } from './control-plane.ts'

const resources = {
  pods: { path: '/api/v1/pods', kind: 'Pod' },
  namespaces: { path: '/api/v1/namespaces', kind: 'Namespace' },
  policies: { path: '/apis/k8s.cni.cncf.io/v1beta1/multi-networkpolicies', kind: 'MultiNetworkPolicy' },
  attachments: {
    path: '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions',
    kind: 'NetworkAttachmentDefinition',
  },
} satisfies Record<string, Resource>

let cp: ControlPlane
let crds: string
let rbac: string

beforeAll(async () => {
  cp = await startControlPlane()
  const shipped = resolve(import.meta.dirname, '../../deploy')
  crds = await readFile(`${shipped}/crds.yaml`, 'utf8')
  rbac = await readFile(`${shipped}/rbac.yaml`, 'utf8')
  await cp.apply(crds)
  await cp.apply(rbac)
})

afterAll(async () => {
  await cp[Symbol.asyncDispose]()
})

/** A reflector of objects by name, and the picture a consumer has by its events. */
class Mirror implements AsyncDisposable {
  readonly objects = new Map<string, ApiObject>()
  /** All events so far, in short: their kind, and the object's name or the reason. */
  readonly events: string[] = []
  readonly #abort = new AbortController()
  readonly #connection: ApiConnection
  readonly #done: Promise<void>
  #changed = Promise.withResolvers<void>()

  constructor(
    connection: ApiConnection,
    resource: Resource,
    options: Partial<ReflectorOptions<ApiObject>> = {},
  ) {
    this.#connection = connection
    const decode = (raw: unknown): ApiObject => raw as ApiObject
    const { signal } = this.#abort
    this.#done = this.#follow(reflect({ connection, resource, decode, signal, ...options }))
  }

  /** Waits for a state, or a history, that is as wanted. */
  async until(wanted: () => boolean): Promise<void> {
    while (!wanted()) await this.#changed.promise
  }

  async names(...names: readonly string[]): Promise<void> {
    await this.until(() => [...this.objects.keys()].sort().join() === [...names].sort().join())
  }

  async said(text: string): Promise<void> {
    await this.until(() => this.events.some((event) => event.includes(text)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#done
    this.#connection[Symbol.dispose]()
  }

  async #follow(events: AsyncIterable<ReflectorEvent<ApiObject>>): Promise<void> {
    for await (const event of events) {
      this.#take(event)
      this.#changed.resolve()
      this.#changed = Promise.withResolvers()
    }
  }

  #take(event: ReflectorEvent<ApiObject>): void {
    switch (event.kind) {
      case 'replaced':
        this.objects.clear()
        for (const object of event.objects) this.objects.set(object.metadata.name, object)
        this.events.push(`replaced ${event.objects.length}`)
        break
      case 'changed':
        this.objects.set(event.object.metadata.name, event.object)
        this.events.push(`changed ${event.object.metadata.name}`)
        break
      case 'deleted':
        this.objects.delete(event.object.metadata.name)
        this.events.push(`deleted ${event.object.metadata.name}`)
        break
      case 'failing':
        this.events.push(`failing ${event.reason}`)
        break
      case 'recovered':
        this.events.push('recovered')
        break
      default:
        event satisfies never
    }
  }
}

async function mirror(
  resource: Resource,
  options: Partial<ReflectorOptions<ApiObject>> = {},
): Promise<Mirror> {
  const kubeconfig = await cp.serviceAccountKubeconfig('kube-system', 'multi-networkpolicy')
  return new Mirror(await fromKubeconfig({ kubeconfig }), resource, options)
}

const policiesOf = (namespace: string): string =>
  `/apis/k8s.cni.cncf.io/v1beta1/namespaces/${namespace}/multi-networkpolicies`
const attachmentsOf = (namespace: string): string =>
  `/apis/k8s.cni.cncf.io/v1/namespaces/${namespace}/network-attachment-definitions`

function policy(name: string, spec: object = { podSelector: {} }): object {
  return { apiVersion: 'k8s.cni.cncf.io/v1beta1', kind: 'MultiNetworkPolicy', metadata: { name }, spec }
}

describe('each of the four kinds is listed and followed', () => {
  test('pods', async () => {
    await cp.createNamespace('four')
    await cp.createPod({ namespace: 'four', name: 'before', node: 'n1' })
    await using pods = await mirror(resources.pods)
    await pods.names('before')
    await cp.createPod({
      namespace: 'four',
      name: 'after',
      node: 'n2',
      labels: { a: 'b' },
      status: { podIP: '10.0.0.1' },
    })
    await pods.until(() => JSON.stringify(pods.objects.get('after')?.['status'] ?? '').includes('10.0.0.1'))
    await cp.deletePod('four', 'before')
    await cp.deletePod('four', 'after')
    await pods.names()
  })

  test('namespaces', async () => {
    await using namespaces = await mirror(resources.namespaces)
    await namespaces.until(() => namespaces.objects.has('kube-system'))
    await cp.createNamespace('labelled', { team: 'x' })
    await namespaces.until(() => namespaces.objects.has('labelled'))
    await cp.api('PATCH', '/api/v1/namespaces/labelled', { metadata: { labels: { team: 'y' } } })
    await namespaces.until(() => JSON.stringify(namespaces.objects.get('labelled')).includes('"team":"y"'))
  })

  test('policies, with their endPort', async () => {
    await using policies = await mirror(resources.policies)
    await policies.said('replaced 0')
    const ingress = [{ ports: [{ protocol: 'TCP', port: 80, endPort: 90 }, { port: 'http' }] }]
    await cp.api('POST', policiesOf('four'), policy('p', { podSelector: {}, ingress }))
    await policies.names('p')
    expect(policies.objects.get('p')?.['spec']).toEqual({ podSelector: {}, ingress })
    await cp.api('PATCH', `${policiesOf('four')}/p`, { spec: { policyTypes: ['Whatever'] } })
    await policies.until(() => JSON.stringify(policies.objects.get('p')).includes('Whatever'))
    await cp.api('DELETE', `${policiesOf('four')}/p`)
    await policies.names()
    await expect(cp.api('POST', policiesOf('four'), policy('q', {}))).rejects.toThrow(
      'spec.podSelector: Required',
    )
  })

  test('attachments', async () => {
    await using attachments = await mirror(resources.attachments)
    await attachments.said('replaced 0')
    const spec = { config: '{"type":"macvlan"}' }
    const metadata = { name: 'net1' }
    const head = { apiVersion: 'k8s.cni.cncf.io/v1', kind: 'NetworkAttachmentDefinition' }
    await cp.api('POST', attachmentsOf('four'), { ...head, metadata, spec })
    await attachments.names('net1')
    expect(attachments.objects.get('net1')?.['spec']).toEqual(spec)
    await cp.api('DELETE', `${attachmentsOf('four')}/net1`)
    await attachments.names()
  })
})

describe('what is asked for is what comes', () => {
  beforeAll(async () => {
    await cp.createNamespace('many')
    const names = Array.from({ length: 23 }, (_, at) => `pod-${at}`)
    await Promise.all(names.map((name, at) => cp.createPod({ namespace: 'many', name, node: `n${at % 2}` })))
  })

  test('more objects than a page holds, read from the latest state page by page', async () => {
    const resource = { ...resources.pods, path: '/api/v1/namespaces/many/pods' }
    await using pods = await mirror(resource, { pageSize: 5, relistMs: 1, random: () => 0 })
    await pods.until(() => pods.events.filter((event) => event === 'replaced 23').length === 2)
  })

  test('the pods of one node', async () => {
    await using pods = await mirror({
      path: '/api/v1/namespaces/many/pods',
      kind: 'Pod',
      fieldSelector: 'spec.nodeName=n1',
    })
    await pods.said('replaced 11')
    expect([...pods.objects.keys()]).toContain('pod-1')
    await cp.createPod({ namespace: 'many', name: 'here', node: 'n1' })
    await cp.createPod({ namespace: 'many', name: 'elsewhere', node: 'n0' })
    await cp.createPod({ namespace: 'many', name: 'here-too', node: 'n1' })
    await pods.until(() => pods.objects.has('here-too'))
    expect(pods.objects.has('elsewhere')).toBe(false)
  })

  test('metadata only', async () => {
    await using pods = await mirror({ ...resources.pods, accept: metadataOnly })
    await pods.until(() => pods.objects.has('pod-1'))
    expect(pods.objects.get('pod-1')).not.toHaveProperty('spec')
    await cp.createPod({ namespace: 'many', name: 'small', node: 'n1', labels: { a: 'b' } })
    await pods.until(() => pods.objects.has('small'))
    expect(pods.objects.get('small')).toMatchObject({
      kind: 'PartialObjectMetadata',
      metadata: { labels: { a: 'b' } },
    })
    expect(pods.objects.get('small')).not.toHaveProperty('status')
  })
})

test('a kind in which nothing happens is looked after by short watches, and nothing is said', async () => {
  const kubeconfig = await cp.serviceAccountKubeconfig('kube-system', 'multi-networkpolicy')
  const connection = await fromKubeconfig({ kubeconfig })
  const watches: string[] = []
  const third = Promise.withResolvers<void>()
  const counted: ApiConnection = {
    ...connection,
    get: (path, request) => {
      const seconds = request?.query?.['timeoutSeconds']
      if (seconds !== undefined) watches.push(seconds)
      if (watches.length === 3) third.resolve()
      return connection.get(path, request)
    },
  }
  await using attachments = new Mirror(counted, resources.attachments, { idleMs: 300, random: () => 0 })
  await third.promise
  expect(watches.slice(0, 3)).toEqual(['300', '10', '300'])
  expect(attachments.events).toEqual(['replaced 0'])
})

describe('what is missing is said, and heals', () => {
  test('when the CRD is not installed, and when it goes', async () => {
    await cp.remove(crds)
    await using policies = await mirror(resources.policies)
    await policies.said(`failing list ${resources.policies.path}: 404 Not Found`)
    await cp.apply(crds)
    await policies.said('recovered')
    await cp.api('POST', policiesOf('default'), policy('p'))
    await policies.names('p')
    const missing = (): number => policies.events.filter((event) => event.includes('404')).length
    const before = missing()
    await cp.remove(crds)
    await policies.until(() => missing() > before)
    await cp.apply(crds)
    await policies.until(() => policies.events.at(-1) === 'recovered')
    expect(policies.objects.size).toBe(0)
  })

  test('when the roles are missing', async () => {
    const kubeconfig = await cp.serviceAccountKubeconfig('kube-system', 'multi-networkpolicy')
    const binding = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/multi-networkpolicy'
    await cp.api('DELETE', binding)
    await using pods = new Mirror(await fromKubeconfig({ kubeconfig }), resources.pods)
    const who = 'system:serviceaccount:kube-system:multi-networkpolicy'
    await pods.said(`failing list /api/v1/pods: 403 Forbidden: pods is forbidden: User "${who}" cannot list`)
    await cp.apply(rbac)
    await pods.said('recovered')
    expect(pods.events.filter((event) => event.startsWith('failing'))).toHaveLength(1)
  })
})

test('the roles we ship allow reading and Events, and nothing else', async () => {
  const kubeconfig = await cp.serviceAccountKubeconfig('kube-system', 'multi-networkpolicy')
  using connection = await fromKubeconfig({ kubeconfig })
  const send = async (path: string, body: object): Promise<number> =>
    (await connection.send('POST', path, JSON.stringify(body), 'application/json')).status
  const metadata = { name: 'e' }
  const involvedObject = { kind: 'Pod', namespace: 'default', name: 'x' }
  const event = { metadata, involvedObject, reason: 'Test', message: 'test', type: 'Normal' }
  expect(await send('/api/v1/namespaces/default/events', event)).toBe(201)
  const patch = JSON.stringify({ message: 'again' })
  const merge = 'application/merge-patch+json'
  expect(await connection.send('PATCH', '/api/v1/namespaces/default/events/e', patch, merge)).toMatchObject({
    status: 200,
  })
  expect(await send('/api/v1/namespaces/default/pods', { metadata })).toBe(403)
  expect(await send(policiesOf('default'), policy('x'))).toBe(403)
  expect(await connection.get('/api/v1/secrets')).toMatchObject({ status: 403 })
})

test('a server that goes away and comes back is followed on, with nothing missed', async () => {
  await cp.api('POST', policiesOf('default'), policy('stays'))
  await cp.api('POST', policiesOf('default'), policy('goes'))
  await using policies = await mirror(resources.policies)
  await policies.names('stays', 'goes')
  await cp.stopApiServer()
  await policies.said('ECONNREFUSED')
  await policies.names('stays', 'goes')
  await cp.startApiServer()
  await cp.api('DELETE', `${policiesOf('default')}/goes`)
  await cp.api('POST', policiesOf('default'), policy('comes'))
  await policies.names('stays', 'comes')
  await policies.said('recovered')
})

test('a version that the server has forgotten leads to a list of all', async () => {
  await using policies = await mirror(resources.policies)
  await policies.names('stays', 'comes')
  const before = policies.events.length
  await using late = new Mirror(await agedConnection(), resources.policies)
  await late.names('stays', 'comes')
  await cp.compact()
  await cp.api('POST', policiesOf('default'), policy('one-more'))
  await late.names('stays', 'comes', 'one-more')
  expect(late.events.filter((event) => event.startsWith('replaced')).length).toBeGreaterThanOrEqual(2)
  // Who was up to date is not bothered.
  await policies.names('stays', 'comes', 'one-more')
  expect(policies.events.slice(before)).toEqual(['changed one-more'])
})

/** A connection whose first watch asks for a version long gone, as one does that was cut off for an hour. */
async function agedConnection(): Promise<ApiConnection> {
  const kubeconfig = await cp.serviceAccountKubeconfig('kube-system', 'multi-networkpolicy')
  const connection = await fromKubeconfig({ kubeconfig })
  let aged = false
  return {
    ...connection,
    get: (path, request = {}) => {
      const { query = {} } = request
      if (aged || query['watch'] === undefined) return connection.get(path, request)
      aged = true
      return connection.get(path, { ...request, query: { ...query, resourceVersion: '1' } })
    },
  }
}
