/** A switch with a pod's port and a router's, of which a monitor sees the pod's. */

import { expect } from 'vitest'
import type { Condition, OVN_NORTHBOUND } from '../../src/index.ts'
import type { NorthboundClient } from './clients.ts'

export const pod: ReadonlyMap<string, string> = new Map([['pod', 'true']])

export const PODS: {
  readonly Logical_Switch_Port: {
    readonly columns: readonly ['name', 'addresses', 'external_ids', 'enabled']
    readonly anyOf: readonly Condition<(typeof OVN_NORTHBOUND)['tables']['Logical_Switch_Port']>[]
  }
  readonly Logical_Switch: { readonly columns: readonly ['name', 'ports'] }
} = {
  Logical_Switch_Port: {
    columns: ['name', 'addresses', 'external_ids', 'enabled'],
    anyOf: [['external_ids', 'includes', pod]],
  },
  Logical_Switch: { columns: ['name', 'ports'] },
}

/** A switch with a pod's port and a router's. */
export async function populate(client: NorthboundClient): Promise<void> {
  await client.ready()
  const result = await client.transact([
    {
      op: 'insert',
      table: 'Logical_Switch_Port',
      uuidName: 'p',
      row: { name: 'pod-a', addresses: ['0a:00:00:00:00:01 10.0.0.1'], external_ids: pod },
    },
    { op: 'insert', table: 'Logical_Switch_Port', uuidName: 'r', row: { name: 'router', type: 'router' } },
    { op: 'insert', table: 'Logical_Switch', row: { name: 'sw', ports: [{ named: 'p' }, { named: 'r' }] } },
  ])
  expect(result).toMatchObject({ kind: 'committed' })
}

export const names = (rows: ReadonlyMap<string, { readonly name: string }>): readonly string[] =>
  [...rows.values()].map(({ name }) => name).toSorted()
