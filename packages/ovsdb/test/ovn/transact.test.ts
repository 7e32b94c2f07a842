import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asUuid, type Operation, type OVN_NORTHBOUND, type TransactResult } from '../../src/index.ts'
import { northbound } from './clients.ts'
import { Middleman } from './proxy.ts'
import { eventually, type Server, Testbed } from './servers.ts'

type Operations = readonly Operation<typeof OVN_NORTHBOUND>[]

let testbed: Testbed
let server: Server

beforeAll(async () => {
  testbed = await Testbed.make()
  server = await testbed.standalone('nb')
})
afterAll(() => testbed[Symbol.asyncDispose]())

const commit = async (operations: Operations): Promise<TransactResult> => {
  const { client } = northbound(server.endpoint)
  await client.ready()
  return client.transact(operations)
}

describe('what is committed', () => {
  test('rows that name each other, and their UUIDs and counts', async () => {
    const result = await commit([
      { op: 'comment', comment: 'a port group with its ACL' },
      {
        op: 'insert',
        table: 'ACL',
        uuidName: 'deny',
        row: { priority: 1000, direction: 'to-lport', match: 'outport == @pg', action: 'drop', name: 'deny' },
      },
      {
        op: 'insert',
        table: 'Port_Group',
        row: { name: 'pg', acls: [{ named: 'deny' }], external_ids: new Map([['owner', 'test']]) },
      },
      { op: 'update', table: 'Port_Group', where: [['name', '==', 'pg']], row: { ports: new Set() } },
      {
        op: 'mutate',
        table: 'Port_Group',
        where: [['external_ids', 'includes', new Map([['owner', 'test']])]],
        mutations: [
          ['external_ids', 'insert', new Map([['more', 'x']])],
          ['external_ids', 'delete', ['owner']],
        ],
      },
      { op: 'delete', table: 'Address_Set', where: [['name', '==', 'none such']] },
    ])
    const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/)
    expect(result).toEqual({
      kind: 'committed',
      uuids: [undefined, uuid, uuid, undefined, undefined, undefined],
      counts: [undefined, undefined, undefined, 1, 1, 0],
    })
  })

  test('a wait for what is there', async () => {
    const row = { name: 'waited-for', addresses: ['10.0.0.1', '10.0.0.2'] }
    expect(await commit([{ op: 'insert', table: 'Address_Set', row }])).toMatchObject({ kind: 'committed' })
    const where = [['name', '==', 'waited-for']] as const
    const rows = [{ addresses: new Set(['10.0.0.2', '10.0.0.1']) }]
    expect(
      await commit([
        { op: 'wait', table: 'Address_Set', where, columns: ['addresses'], until: '==', rows },
        { op: 'mutate', table: 'Address_Set', where, mutations: [['addresses', 'delete', ['10.0.0.1']]] },
      ]),
    ).toMatchObject({ kind: 'committed', counts: [undefined, 1] })
  })
})

describe('what is refused, and nothing of it done', () => {
  const insert = { op: 'insert', table: 'Address_Set', row: { name: 'refused' } } as const

  test.each<[string, Operations, object]>([
    [
      'a wait in vain',
      [insert, { op: 'wait', table: 'NB_Global', where: [], columns: ['name'], until: '!=', rows: [] }],
      { error: 'timed out', operation: 1 },
    ],
    [
      'an assert of a lock that is not held',
      [{ op: 'assert', lock: 'mine' }, insert],
      { error: 'not owner', operation: 0 },
    ],
    [
      'a value that the schema forbids',
      [insert, { op: 'insert', table: 'ACL', row: { priority: 70_000 } }],
      { error: 'constraint violation', operation: 1 },
    ],
    [
      'an index that is there already, seen at the commit',
      [insert, insert],
      { error: 'constraint violation', operation: undefined },
    ],
    [
      'a reference to a row that is not there',
      [
        insert,
        {
          op: 'insert',
          table: 'Port_Group',
          row: { name: 'x', acls: [asUuid('0f6a3c1e-9a3b-4a1e-8f5e-0123456789ab')] },
        },
      ],
      { error: 'referential integrity violation', operation: undefined },
    ],
    [
      'a NUL, which would end the connection',
      [insert, { op: 'insert', table: 'Address_Set', row: { name: 'a\0b' } }],
      { error: 'invalid value', operation: 1 },
    ],
    [
      'a column that this schema does not have',
      [{ op: 'insert', table: 'ACL', row: { tier: 2 } }],
      { error: 'invalid value', details: "column ACL.tier is not in the server's schema" },
    ],
  ])('%s', async (_name, operations, refusal) => {
    expect(await commit(operations)).toMatchObject({ kind: 'refused', ...refusal })
    const rows = [] as const
    const where = [['name', '==', 'refused']] as const
    expect(
      await commit([{ op: 'wait', table: 'Address_Set', where, columns: ['name'], until: '==', rows }]),
    ).toMatchObject({ kind: 'committed' })
  })

  test('a NUL does end the connection when it is sent', async () => {
    const { client } = northbound(server.endpoint)
    await client.ready()
    const { connect } = await import('../../src/session.ts')
    const signal = AbortSignal.timeout(10_000)
    const path = server.endpoint.replace('unix:', '')
    const connected = await connect({ kind: 'unix', path }, { signal, onNotification: () => {} })
    if (connected.kind === 'failed') throw new Error(connected.reason)
    const operation = { op: 'insert', table: 'Address_Set', row: { name: 'a\0b' } }
    expect(await connected.session.request('transact', ['OVN_Northbound', operation], signal, 5_000)).toEqual(
      {
        kind: 'unanswered',
        reason: 'the server closed the connection',
      },
    )
  })
})

describe('without an answer', () => {
  test('not connected: unsent', async () => {
    const { client } = northbound('unix:/nonexistent')
    expect(await client.transact([])).toEqual({ kind: 'unsent', reason: 'not connected' })
  })

  test('the connection ends after the request was sent: unknown, and here it was committed', async () => {
    await using middle = new Middleman(testbed.path('cut.sock'), server.endpoint, {
      onRequest: (method) => ({ kind: method === 'transact' ? 'forward-and-cut' : 'forward' }),
    })
    const { client } = northbound(middle.endpoint)
    await client.ready()
    expect(await client.transact([{ op: 'insert', table: 'Address_Set', row: { name: 'unknown' } }])).toEqual(
      {
        kind: 'unknown',
        reason: 'the server closed the connection',
      },
    )
    const where = [['name', '==', 'unknown']] as const
    const columns = ['name'] as const
    const rows = [{ name: 'unknown' }]
    const seen = {
      op: 'wait',
      table: 'Address_Set',
      where,
      columns,
      until: '==',
      rows,
      timeoutMs: 5_000,
    } as const
    expect(await commit([seen])).toMatchObject({ kind: 'committed' })
  })

  test('the caller stops waiting: unknown', async () => {
    const { client } = northbound(server.endpoint)
    await client.ready()
    const where = [['name', '==', 'never']] as const
    const rows = [{ name: 'never' }]
    const wait = {
      op: 'wait',
      table: 'Address_Set',
      where,
      columns: ['name'],
      until: '==',
      rows,
      timeoutMs: 60_000,
    } as const
    expect(await client.transact([wait], AbortSignal.timeout(30))).toEqual({
      kind: 'unknown',
      reason: 'aborted',
    })
  })
})

test('what the server says it has is told', async () => {
  const { client, states } = northbound(server.endpoint)
  await client.ready()
  expect(states).toEqual([
    { kind: 'connecting', endpoint: server.endpoint },
    { kind: 'ready', endpoint: server.endpoint, version: '7.0.0', absent: new Set(['ACL.tier']) },
  ])
  await client[Symbol.asyncDispose]()
  await eventually(() => client.state.kind === 'closed')
  await expect(client.ready()).rejects.toThrow()
})
