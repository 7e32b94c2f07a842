import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TransactResult } from '../../src/index.ts'
import { connect } from '../../src/session.ts'
import { type NorthboundClient, next, northbound } from './clients.ts'
import { Middleman } from './proxy.ts'
import { type Server, Testbed } from './servers.ts'

let testbed: Testbed
let server: Server

beforeAll(async () => {
  testbed = await Testbed.make()
  server = await testbed.standalone('nb')
})
afterAll(() => testbed[Symbol.asyncDispose]())

const write = (client: NorthboundClient, lock: string, name: string): Promise<TransactResult> =>
  client.transact([
    { op: 'assert', lock },
    { op: 'insert', table: 'Address_Set', row: { name } },
  ])

test('one holds it; when its connection is cut the other has it, and what the first still writes is refused', async () => {
  await using middle = new Middleman(testbed.path('first.sock'), server.endpoint, {})
  const { client: first } = northbound(middle.endpoint)
  const { client: second } = northbound(server.endpoint)
  await Promise.all([first.ready(), second.ready()])

  const a = first.lock('writer')[Symbol.asyncIterator]()
  expect(await next(a, () => true)).toEqual({ kind: 'held' })
  const b = second.lock('writer')[Symbol.asyncIterator]()
  expect(await next(b, () => true)).toEqual({ kind: 'waiting' })
  expect(await write(first, 'writer', 'by-first')).toMatchObject({ kind: 'committed' })
  expect(await write(second, 'writer', 'by-second')).toMatchObject({ error: 'not owner', operation: 0 })

  middle.cut()
  expect(await next(b, () => true)).toEqual({ kind: 'held' })
  expect(await next(a, () => true)).toMatchObject({ kind: 'lost' })
  expect(await next(a, () => true)).toEqual({ kind: 'waiting' })
  expect(await write(first, 'writer', 'by-stale')).toMatchObject({ kind: 'refused', error: 'not owner' })
  expect(await write(second, 'writer', 'by-second')).toMatchObject({ kind: 'committed' })

  await b.return?.()
  expect(await next(a, () => true)).toEqual({ kind: 'held' })
})

test('a stolen lock is lost, and comes back when the thief gives it back', async () => {
  const { client } = northbound(server.endpoint)
  await client.ready()
  const lock = client.lock('stolen')
  const states = lock[Symbol.asyncIterator]()
  expect(await next(states, () => true)).toEqual({ kind: 'held' })

  const signal = AbortSignal.timeout(20_000)
  const path = server.endpoint.replace('unix:', '')
  const connected = await connect({ kind: 'unix', path }, { signal, onNotification: () => {} })
  if (connected.kind === 'failed') throw new Error(connected.reason)
  const thief = connected.session
  await thief.request('steal', ['stolen'], signal, 5_000)
  expect(await next(states, () => true)).toEqual({ kind: 'lost', reason: 'stolen' })
  expect(await write(client, 'stolen', 'robbed')).toMatchObject({ kind: 'refused', error: 'not owner' })
  thief.close('done')
  expect(await next(states, () => true)).toEqual({ kind: 'held' })
})

test('a server that is started anew is asked again', async () => {
  const own = await testbed.standalone('restarted')
  const { client } = northbound(own.endpoint)
  const states = client.lock('l')[Symbol.asyncIterator]()
  expect(await next(states, () => true)).toEqual({ kind: 'held' })
  await own.restart()
  expect(await next(states, () => true)).toMatchObject({ kind: 'lost' })
  expect(await next(states, () => true)).toEqual({ kind: 'held' })
})

test('names that are none, or taken, and clients that may be at a follower', () => {
  const { client } = northbound(server.endpoint)
  client.lock('a')
  expect(() => client.lock('a')).toThrow(RangeError)
  expect(() => client.lock('a b')).toThrow(RangeError)
  expect(() => northbound(server.endpoint, { role: 'any' }).client.lock('a')).toThrow(/leader/)
})

test('closing the client ends the loop of states', async () => {
  const { client } = northbound(server.endpoint)
  const lock = client.lock('closed')
  const seen: string[] = []
  for await (const state of lock) {
    seen.push(state.kind)
    if (state.kind === 'held') await client[Symbol.asyncDispose]()
  }
  expect(seen).toEqual(['held', 'lost'])
})
