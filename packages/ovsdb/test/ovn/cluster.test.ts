import { afterAll, beforeAll, expect, test } from 'vitest'
import { next, northbound } from './clients.ts'
import { names } from './pods.ts'
import { Middleman } from './proxy.ts'
import { eventually, type Server, Testbed } from './servers.ts'

let testbed: Testbed
let servers: readonly Server[]

beforeAll(async () => {
  testbed = await Testbed.make()
  servers = await testbed.cluster(3)
})
afterAll(() => testbed[Symbol.asyncDispose]())

const everywhere = (): string => servers.map(({ endpoint }) => endpoint).join(',')

const others = (leader: string): string =>
  servers.flatMap(({ endpoint }) => (endpoint === leader ? [] : [endpoint])).join(',')

test('a follower will do for those who only read', async () => {
  const { endpoint: leader } = await northbound(everywhere()).client.ready()
  const { client } = northbound(others(leader), { role: 'any' })
  const events = client.monitor({ Address_Set: { columns: ['name'] } })[Symbol.asyncIterator]()
  await next(events, (event) => event.kind === 'synchronized')
  expect(client.state).toMatchObject({ kind: 'ready', absent: new Set(['ACL.tier']) })
})

test('after a broken connection only what came since is sent, and the copy is whole and new', async () => {
  const { client: other } = northbound(everywhere())
  const { endpoint: leader } = await other.ready()
  let received = ''
  await using middle = new Middleman(testbed.path('history.sock'), leader, {
    onBytes: (bytes) => {
      received += bytes.toString()
      return [bytes]
    },
  })
  const insert = (name: string): ReturnType<typeof other.transact> =>
    other.transact([{ op: 'insert', table: 'Address_Set', row: { name } }])
  // A server keeps no more history than it has data: so there must be some.
  const filling = Array.from({ length: 50 }, (_, n) => `kept-${n}`).toSorted()
  await Promise.all([...filling, 'deleted'].map(insert))
  const { client } = northbound(middle.endpoint)
  const events = client.monitor({ Address_Set: { columns: ['name'] } })[Symbol.asyncIterator]()
  const before = await next(events, (event) => event.kind === 'synchronized')
  expect(names(before.tables.Address_Set)).toEqual(['deleted', ...filling])

  middle.cut()
  await other.transact([{ op: 'delete', table: 'Address_Set', where: [['name', '==', 'deleted']] }])
  await insert('new')
  await next(events, (event) => event.kind === 'disconnected')
  received = ''
  const after = await next(events, (event) => event.kind === 'synchronized')
  await eventually(() => names(after.tables.Address_Set).join() === [...filling, 'new'].join())
  expect(names(before.tables.Address_Set)).toEqual(['deleted', ...filling])
  expect(received).toContain('"result":[true,')
  expect(received).not.toContain('kept')
})

test('a leader that stood still while another was elected is left as soon as it says so', async () => {
  const { client, states } = northbound(everywhere())
  const { endpoint: leader } = await client.ready()
  const old = servers.find(({ endpoint }) => endpoint === leader)
  old?.signal('SIGSTOP')
  const { client: second } = northbound(others(leader))
  await second.ready()
  expect(client.state).toMatchObject({ kind: 'ready', endpoint: leader })
  old?.signal('SIGCONT')
  await eventually(() => client.state.kind === 'ready' && client.state.endpoint !== leader)
  expect(states.filter(({ kind }) => kind === 'disconnected')[0]).toMatchObject({
    reason: 'the server is not the leader (clustered)',
  })
})

test('the leader is found, and found again when it is killed', async () => {
  const { client } = northbound(everywhere())
  const { endpoint: leader } = await client.ready()
  const lock = client.lock('writer')[Symbol.asyncIterator]()
  expect(await next(lock, () => true)).toEqual({ kind: 'held' })
  const events = client.monitor({ Address_Set: { columns: ['name'] } })[Symbol.asyncIterator]()
  const insert = (name: string): Parameters<typeof client.transact>[0] => [
    { op: 'assert', lock: 'writer' },
    { op: 'insert', table: 'Address_Set', row: { name } },
  ]
  expect(await client.transact(insert('before'))).toMatchObject({ kind: 'committed' })

  await servers.find(({ endpoint }) => endpoint === leader)?.kill()
  await next(events, (event) => event.kind === 'disconnected')
  expect(await next(lock, () => true)).toMatchObject({ kind: 'lost' })
  expect(await next(lock, () => true)).toEqual({ kind: 'held' })
  const { tables } = await next(events, (event) => event.kind === 'synchronized')
  expect(client.state).toMatchObject({ kind: 'ready' })
  expect(client.state).not.toMatchObject({ endpoint: leader })
  expect(await client.transact(insert('after'))).toMatchObject({ kind: 'committed' })
  await eventually(() => ['after', 'before'].every((name) => names(tables.Address_Set).includes(name)))
})
