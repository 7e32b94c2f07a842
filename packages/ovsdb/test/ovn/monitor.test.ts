import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { OVN_NORTHBOUND, Row } from '../../src/index.ts'
import { next, northbound } from './clients.ts'
import { Middleman, type Verdict } from './proxy.ts'
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

/** An old server, as far as its clients can see. */
const without = (...methods: readonly string[]): ((method: string) => Verdict) => {
  return (method) => {
    if (method === 'list_dbs') return { kind: 'answer', result: ['OVN_Northbound'] }
    if (!methods.includes(method)) return { kind: 'forward' }
    const error = { error: 'unknown method', details: method }
    return { kind: 'answer', result: null, error }
  }
}

describe.each([
  ['monitor_cond_since', [] as readonly string[]],
  ['monitor_cond (before 2.12)', ['monitor_cond_since']],
  ['monitor (before 2.6)', ['monitor_cond_since', 'monitor_cond']],
])('%s', (_name, missing) => {
  test('a copy of what was asked for, and every change of it', async () => {
    await using middle = new Middleman(testbed.path(`m-${servers}.sock`), server.endpoint, {
      ...(missing.length === 0 ? {} : { onRequest: without(...missing) }),
    })
    const { client } = northbound(middle.endpoint)
    await populate(client)
    const monitor = client.monitor(PODS)
    const events = monitor[Symbol.asyncIterator]()
    const first = await next(events, (event) => event.kind === 'synchronized')
    expect([...first.tables.Logical_Switch_Port.values()]).toEqual([
      {
        _uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
        name: 'pod-a',
        addresses: new Set(['0a:00:00:00:00:01 10.0.0.1']),
        external_ids: pod,
        enabled: undefined,
      },
    ])
    expect([...first.tables.Logical_Switch.values()]).toMatchObject([{ name: 'sw' }])

    const where = [['name', '==', 'pod-a']] as const
    const table = 'Logical_Switch_Port'
    await client.transact([
      { op: 'update', table, where, row: { enabled: false } },
      {
        op: 'mutate',
        table,
        where,
        mutations: [
          ['addresses', 'insert', ['dynamic']],
          ['external_ids', 'insert', new Map([['a', 'b']])],
        ],
      },
      {
        op: 'update',
        table,
        where: [['name', '==', 'router']],
        row: { options: new Map([['not', 'watched']]) },
      },
    ])
    expect(await next(events, () => true)).toMatchObject({
      kind: 'changed',
      changes: [
        {
          kind: 'modified',
          table,
          before: { enabled: undefined },
          after: {
            enabled: false,
            addresses: new Set(['0a:00:00:00:00:01 10.0.0.1', 'dynamic']),
            external_ids: new Map([
              ['pod', 'true'],
              ['a', 'b'],
            ]),
          },
        },
      ],
    })

    // It meets the condition no more: to this copy it is gone. The router's port comes in its place.
    await client.transact([
      { op: 'mutate', table, where, mutations: [['external_ids', 'delete', ['pod']]] },
      { op: 'update', table, where: [['name', '==', 'router']], row: { external_ids: pod } },
    ])
    const swapped = await next(events, (event) => event.kind === 'changed')
    expect(swapped.changes.map(({ kind }) => kind).toSorted()).toEqual(['deleted', 'inserted'])
    expect(names(monitor.tables.Logical_Switch_Port)).toEqual(['router'])
  })
})

test('changes that nobody reads are put together row by row', async () => {
  const { client } = northbound(server.endpoint)
  await client.ready()
  const monitor = client.monitor({ Address_Set: { columns: ['name', 'addresses'] } })
  const events = monitor[Symbol.asyncIterator]()
  await next(events, (event) => event.kind === 'synchronized')
  const where = [['name', '==', 'a']] as const
  await client.transact([{ op: 'insert', table: 'Address_Set', row: { name: 'a' } }])
  for (let n = 0; n < 10; n += 1) {
    await client.transact([
      { op: 'update', table: 'Address_Set', where, row: { addresses: [`10.0.0.${n}`] } },
      { op: 'insert', table: 'Address_Set', row: { name: `gone-${n}` } },
    ])
    await client.transact([{ op: 'delete', table: 'Address_Set', where: [['name', '==', `gone-${n}`]] }])
  }
  await eventually(() => names(monitor.tables.Address_Set).join() === 'a')
  const after: Partial<Row<(typeof OVN_NORTHBOUND)['tables']['Address_Set']>> = {
    name: 'a',
    addresses: new Set(['10.0.0.9']),
  }
  expect(await next(events, () => true)).toMatchObject({
    kind: 'changed',
    changes: [{ kind: 'inserted', after }],
  })
})

test('leaving the loop ends the monitor at the server', async () => {
  const methods: string[] = []
  await using middle = new Middleman(testbed.path('leave.sock'), server.endpoint, {
    onRequest: (method) => {
      methods.push(method)
      return { kind: 'forward' }
    },
  })
  const { client } = northbound(middle.endpoint)
  await client.ready()
  for await (const event of client.monitor({ NB_Global: { columns: ['name'] } })) {
    if (event.kind === 'synchronized') break
  }
  await eventually(() => methods.at(-1) === 'monitor_cancel')
})

test('a server whose schema lacks what is needed is not used, and says why', async () => {
  const other = await testbed.standalone('other', [], '/usr/share/openvswitch/vswitch.ovsschema')
  const { states } = northbound(other.endpoint)
  await eventually(() => states.some(({ kind }) => kind === 'disconnected'))
  expect(states.find(({ kind }) => kind === 'disconnected')).toMatchObject({
    reason: 'the server does not have the database',
  })
})
