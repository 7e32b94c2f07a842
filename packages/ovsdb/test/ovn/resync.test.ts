import { copyFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { next, northbound } from './clients.ts'
import { Middleman } from './proxy.ts'
import { eventually, type Server, Testbed } from './servers.ts'

let testbed: Testbed
let server: Server

beforeAll(async () => {
  testbed = await Testbed.make()
})
afterAll(() => testbed[Symbol.asyncDispose]())

let servers = 0
beforeEach(async () => {
  servers += 1
  server = await testbed.standalone(`nb-${servers}`)
})

import { names, PODS, pod, populate } from './pods.ts'

describe('the server is started anew', () => {
  test('with other contents: what was deleted meanwhile is gone, no ghosts', async () => {
    const { client } = northbound(server.endpoint)
    await populate(client)
    const monitor = client.monitor(PODS)
    const events = monitor[Symbol.asyncIterator]()
    const before = await next(events, (event) => event.kind === 'synchronized')
    expect(names(before.tables.Logical_Switch_Port)).toEqual(['pod-a'])

    const other = await testbed.standalone(`other-${servers}`)
    const { client: writer } = northbound(other.endpoint)
    await writer.ready()
    const row = { name: 'pod-b', external_ids: pod }
    await writer.transact([
      { op: 'insert', table: 'Logical_Switch_Port', uuidName: 'p', row },
      { op: 'insert', table: 'Logical_Switch', row: { name: 'sw', ports: [{ named: 'p' }] } },
    ])

    await server.kill()
    expect(await next(events, () => true)).toMatchObject({ kind: 'disconnected' })
    expect(names(monitor.tables.Logical_Switch_Port)).toEqual(['pod-a'])
    await copyFile(testbed.path(`other-${servers}.db`), testbed.path(`nb-${servers}.db`))
    server = await server.restart()
    const after = await next(events, (event) => event.kind === 'synchronized')
    expect(names(after.tables.Logical_Switch_Port)).toEqual(['pod-b'])
    expect(after.tables.Logical_Switch_Port).not.toBe(before.tables.Logical_Switch_Port)
    expect(names(before.tables.Logical_Switch_Port)).toEqual(['pod-a'])
  })

  test('with the same contents, and goes on', async () => {
    const { client } = northbound(server.endpoint)
    await populate(client)
    const events = client.monitor(PODS)[Symbol.asyncIterator]()
    await next(events, (event) => event.kind === 'synchronized')
    server = await server.restart()
    const after = await next(events, (event) => event.kind === 'synchronized')
    expect(names(after.tables.Logical_Switch_Port)).toEqual(['pod-a'])
    await client.transact([{ op: 'delete', table: 'Logical_Switch', where: [['name', '==', 'sw']] }])
    await eventually(() => after.tables.Logical_Switch_Port.size === 0)
  })
})

describe('a connection that goes wrong', () => {
  test('bytes one by one are the same', async () => {
    await using middle = new Middleman(testbed.path('torn.sock'), server.endpoint, {
      onBytes: (bytes) => Array.from(bytes, (byte) => Buffer.of(byte)),
    })
    const { client } = northbound(middle.endpoint)
    await populate(client)
    const events = client.monitor(PODS)[Symbol.asyncIterator]()
    const first = await next(events, (event) => event.kind === 'synchronized')
    expect(names(first.tables.Logical_Switch_Port)).toEqual(['pod-a'])
  })

  test.each([
    ['garbage', 'HTTP/1.1 200 OK\r\n\r\n', 'a message begins with byte 0x48, not with "{"'],
    [
      'a change of a row that is not there',
      '{"id":null,"method":"update3","params":["monitor-0","0f6a3c1e-9a3b-4a1e-8f5e-0123456789ab",{"Logical_Switch":{"0f6a3c1e-9a3b-4a1e-8f5e-0123456789ab":{"modify":{"name":"x"}}}}]}',
      'table Logical_Switch: row 0f6a3c1e-9a3b-4a1e-8f5e-0123456789ab changed, and is not there',
    ],
  ])('%s: a new connection, and a new copy', async (_name, bytes, reason) => {
    await using middle = new Middleman(testbed.path(`wrong-${servers}.sock`), server.endpoint, {})
    const { client, states } = northbound(middle.endpoint)
    await populate(client)
    const events = client.monitor(PODS)[Symbol.asyncIterator]()
    await next(events, (event) => event.kind === 'synchronized')
    middle.inject(bytes)
    expect(await next(events, () => true)).toEqual({ kind: 'disconnected', reason })
    const again = await next(events, (event) => event.kind === 'synchronized')
    expect(names(again.tables.Logical_Switch_Port)).toEqual(['pod-a'])
    expect(states.filter(({ kind }) => kind === 'ready')).toHaveLength(2)
  })

  test('a server that stands still is given up, and found again', async () => {
    const { client } = northbound(server.endpoint, { probeIntervalMs: 200, requestTimeoutMs: 1_000 })
    await populate(client)
    const events = client.monitor(PODS)[Symbol.asyncIterator]()
    await next(events, (event) => event.kind === 'synchronized')
    server.signal('SIGSTOP')
    const lost = await next(events, (event) => event.kind === 'disconnected')
    expect(lost.reason).toMatch(/^nothing heard for \d+ ms$/)
    server.signal('SIGCONT')
    await next(events, (event) => event.kind === 'synchronized')
  })
})
