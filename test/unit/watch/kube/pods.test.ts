/** The two streams of pods, and the third that takes another's place, against a scripted server. */
import { describe, expect, test } from 'vitest'
import type { Policy } from '../../../../src/compile/model.ts'
import { fromKubeconfig } from '../../../../src/watch/kube/connection.ts'
import { type PodsOptions, watchPods } from '../../../../src/watch/kube/pods.ts'
import { PortDemand } from '../../../../src/watch/kube/port-demand.ts'
import { parsePolicy } from '../../../../src/watch/parse/policy.ts'
import type { Source, SourceEvent } from '../../../../src/watch/source.ts'
import { event, podList } from './scene.ts'
import { type ScriptedRequest, ScriptedServer } from './scripted-server.ts'
import { VirtualClock } from './virtual-clock.ts'

const UNFINISHED = 'status.phase!=Succeeded,status.phase!=Failed'
const HERE = `spec.nodeName=n1,${UNFINISHED}`
const THERE = `spec.nodeName!=n1,${UNFINISHED},spec.hostNetwork=false`
const NEEDS_PORTS = parsePolicy({
  metadata: { name: 'p' },
  spec: { podSelector: {}, egress: [{ ports: [{ port: 'web' }] }] },
}) as Policy

function pod(name: string, resourceVersion: string, spec?: object): object {
  const status = JSON.stringify([{ name: 'red', interface: 'net1', ips: ['10.0.0.1'] }])
  const annotations = { 'k8s.v1.cni.cncf.io/network-status': status }
  return { metadata: { name, uid: `${name}-uid`, resourceVersion, annotations }, ...(spec && { spec }) }
}

const withPort = { containers: [{ ports: [{ name: 'web', containerPort: 80 }] }] }

class Scene implements AsyncDisposable {
  readonly server: ScriptedServer
  readonly clock = new VirtualClock()
  readonly demand = new PortDemand()
  readonly #abort = new AbortController()
  readonly #told: (readonly SourceEvent[])[] = []
  readonly #done: Promise<void>
  #more = Promise.withResolvers<void>()
  readonly #arrived: ScriptedRequest[] = []

  private constructor(
    server: ScriptedServer,
    options: Partial<PodsOptions>,
    connection: PodsOptions['connection'],
  ) {
    this.server = server
    const { clock, demand } = this
    const settings = { node: 'n1', random: () => 0, mostSpreadMs: 0, calmMs: 600_000, ...options }
    this.#done = this.#follow(
      watchPods({ connection, clock, demand, signal: this.#abort.signal, ...settings }),
    )
  }

  static async start(options: Partial<PodsOptions> = {}): Promise<Scene> {
    const server = await ScriptedServer.start()
    return new Scene(server, options, await fromKubeconfig({ master: server.url }))
  }

  /** The next events that belong together. */
  async next(): Promise<readonly SourceEvent[]> {
    for (;;) {
      const told = this.#told.shift()
      if (told !== undefined) return told
      await this.#more.promise
    }
  }

  /** Takes events as they come: a stream goes on only when its last was taken. */
  async #follow(source: Source): Promise<void> {
    for await (const events of source) {
      this.#told.push(events)
      this.#more.resolve()
      this.#more = Promise.withResolvers()
    }
  }

  /** The next request, by what it asks for: `list here`, `watch metadata`, `list whole`, `list all`, `count`. */
  async asked(what: string): Promise<ScriptedRequest> {
    for (;;) {
      const index = this.#arrived.findIndex((each) => whatOf(each) === what)
      if (index >= 0) return this.#arrived.splice(index, 1)[0] as ScriptedRequest
      this.#arrived.push(await this.server.next())
    }
  }

  async wasAsked(what: string): Promise<boolean> {
    while (this.server.unanswered > 0) this.#arrived.push(await this.server.next())
    return this.#arrived.some((each) => whatOf(each) === what)
  }

  policies(...objects: readonly Policy[]): void {
    this.demand.take([{ kind: 'replaced', of: 'MultiNetworkPolicy', objects }])
  }

  /** Both streams listed: a pod here, a pod there; and watched. */
  async underWay(): Promise<{ readonly here: ScriptedRequest; readonly there: ScriptedRequest }> {
    const replaced = this.next()
    this.policies()
    ;(await this.asked('list here')).answer(200, podList('10', [pod('here', '5', withPort)]))
    ;(await this.asked('list metadata')).answer(200, podList('10', [pod('there', '6')]))
    expect(names(await replaced)).toEqual(['replaced there here'])
    return {
      here: (await this.asked('watch here')).open(),
      there: (await this.asked('watch metadata')).open(),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#done
    await this.server[Symbol.asyncDispose]()
  }
}

function whatOf({ query, headers }: ScriptedRequest): string {
  if (query['limit'] === '1') return 'count'
  const verb = query['watch'] === undefined ? 'list' : 'watch'
  const selector = query['fieldSelector']
  if (selector === undefined) return `${verb} all`
  if (selector === HERE) return `${verb} here`
  expect(selector).toBe(THERE)
  return `${verb} ${headers.accept?.includes('as=PartialObjectMetadata') ? 'metadata' : 'whole'}`
}

function names(events: readonly SourceEvent[]): string[] {
  return events.map((each) => {
    if (each.kind === 'replaced') return `replaced ${each.objects.map((object) => object.name).join(' ')}`
    if (each.kind === 'changed') return `changed ${each.object.name}`
    if (each.kind === 'deleted') return `deleted ${each.key}`
    return each.kind
  })
}

describe('pods', () => {
  test('are asked for after the policies, or when these do not come', async () => {
    await using s = await Scene.start()
    const replaced = s.next()
    ;(await s.asked('list here')).answer(200, podList('10', []))
    await s.clock.sleeping(1_000)
    expect(await s.wasAsked('list metadata')).toBe(false)
    s.clock.advance(1_000)
    ;(await s.asked('list metadata')).answer(200, podList('10', []))
    expect(names(await replaced)).toEqual(['replaced '])
  })

  test('of which a list brings nothing new are not told again', async () => {
    await using s = await Scene.start()
    const { there } = await s.underWay()
    const next = s.next()
    there.write('nonsense\n').end()
    ;(await s.asked('list metadata')).answer(200, podList('20', [pod('there', '6'), pod('more', '12')]))
    expect(await next).toMatchObject([{ kind: 'failing', what: 'Pod' }])
    expect(names(await s.next())).toEqual(['changed more'])
  })

  test('that lose their networks elsewhere are gone, as nothing can be asked of them', async () => {
    await using s = await Scene.start()
    const { there } = await s.underWay()
    const bare = { metadata: { name: 'there', uid: 'there-uid', resourceVersion: '11' } }
    const next = s.next()
    there.events(event('MODIFIED', bare))
    expect(names(await next)).toEqual(['deleted default/there'])
  })

  test('fail in both streams for one reason, which is said once, as is the end of it', async () => {
    await using s = await Scene.start()
    const first = s.next()
    s.policies()
    const forbidden = { kind: 'Status', message: 'no' }
    ;(await s.asked('list here')).answer(403, forbidden)
    expect(await first).toEqual([
      { kind: 'failing', what: 'Pod', reason: 'list /api/v1/pods: 403 Forbidden: no' },
    ])
    const next = s.next()
    ;(await s.asked('list metadata')).answer(403, forbidden)
    ;(await s.asked('list here')).answer(200, podList('10', []))
    ;(await s.asked('list metadata')).answer(200, podList('10', []))
    expect(names(await next)).toEqual(['replaced ', 'recovered'])
  })

  test('wait at the start as long as was drawn, by how many there are', async () => {
    await using s = await Scene.start({ random: () => 0.5, mostSpreadMs: 5_000 })
    const replaced = s.next()
    s.policies()
    ;(await s.asked('list here')).answer(200, podList('10', []))
    const { query } = await s.asked('count').then((request) => {
      const list = podList('10', [pod('first', '1')]) as { metadata: object }
      request.answer(200, { ...list, metadata: { ...list.metadata, remainingItemCount: 19_999 } })
      return request
    })
    expect(query).toEqual({ limit: '1' })
    await s.clock.sleeping(500)
    expect(await s.wasAsked('list metadata')).toBe(false)
    s.clock.advance(500)
    ;(await s.asked('list metadata')).answer(200, podList('10', []))
    expect(names(await replaced)).toEqual(['replaced '])
  })
})

describe('another form', () => {
  test('is listed beside the one that there is, from what is newest, and takes its place with nothing lost', async () => {
    await using s = await Scene.start()
    const { there } = await s.underWay()
    const changed = s.next()
    s.policies(NEEDS_PORTS)
    const list = await s.asked('list whole')
    expect(list.query['resourceVersion']).toBeUndefined()
    there.events(event('ADDED', pod('between', '11')))
    expect(names(await changed)).toEqual(['changed between'])

    const swapped = s.next()
    const left = there.closed()
    list.answer(200, podList('12', [pod('there', '6', withPort), pod('between', '11', withPort)]))
    expect(names(await swapped)).toEqual(['changed there', 'changed between'])
    await left
    const after = s.next()
    const watch = await s.asked('watch whole')
    watch.open().events(event('DELETED', pod('there', '13')))
    expect(names(await after)).toEqual(['deleted default/there'])

    const back = s.next()
    s.policies()
    await s.clock.sleeping(600_000)
    expect(await s.wasAsked('list metadata')).toBe(false)
    s.clock.advance(600_000)
    ;(await s.asked('list metadata')).answer(200, podList('20', [pod('between', '11')]))
    expect(names(await back)).toEqual(['changed between'])
  })

  test('that is no longer wanted before it was listed is given up', async () => {
    await using s = await Scene.start()
    const { there } = await s.underWay()
    const next = s.next()
    s.policies(NEEDS_PORTS)
    const list = await s.asked('list whole')
    s.policies()
    await list.closed()
    there.events(event('ADDED', pod('more', '11')))
    expect(names(await next)).toEqual(['changed more'])
  })

  test.for([400, 406])(
    'is not asked for again where the server says %d: all come whole in one',
    async (status) => {
      await using s = await Scene.start()
      const next = s.next()
      s.policies(NEEDS_PORTS)
      ;(await s.asked('list here')).answer(200, podList('10', [pod('here', '5', withPort)]))
      ;(await s.asked('list whole')).answer(status, { kind: 'Status', message: 'not supported' })
      expect(await next).toMatchObject([
        { kind: 'failing', reason: expect.stringContaining('all pods are watched') },
      ])
      const replaced = s.next()
      const objects = [
        pod('here', '5', { nodeName: 'n1', ...withPort }),
        pod('there', '6', { nodeName: 'n2', ...withPort }),
        pod('host', '7', { nodeName: 'n2', hostNetwork: true }),
      ]
      ;(await s.asked('list all')).answer(200, podList('10', objects))
      const events = await replaced
      expect(names(events)).toEqual(['replaced here there', 'recovered'])
      expect(s.demand.wanted).toBe(true)
      expect(events).toMatchObject([
        {
          objects: [
            { node: 'n1', ports: [{ port: 80 }] },
            { node: undefined, ports: [{ port: 80 }] },
          ],
        },
        {},
      ])
    },
  )
})
