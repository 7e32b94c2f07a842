/** What the compiler makes of a description; `tsc` is the judge, and a wrong `@ts-expect-error` fails it. */
import { expectTypeOf, test } from 'vitest'
import type { Operation, OVN_NORTHBOUND, OvsdbClient, Row, Uuid } from '../../src/index.ts'

type NB = typeof OVN_NORTHBOUND

test('rows', () => {
  type ACL = Row<NB['tables']['ACL']>
  expectTypeOf<ACL['_uuid']>().toEqualTypeOf<Uuid>()
  expectTypeOf<ACL['priority']>().toEqualTypeOf<number>()
  expectTypeOf<ACL['name']>().toEqualTypeOf<string | undefined>()
  expectTypeOf<ACL['tier']>().toEqualTypeOf<number | undefined>()
  expectTypeOf<ACL['external_ids']>().toEqualTypeOf<ReadonlyMap<string, string>>()
  expectTypeOf<Row<NB['tables']['Port_Group']>['ports']>().toEqualTypeOf<ReadonlySet<Uuid>>()
})

test('a monitor has the columns that were asked for', () => {
  const watch = (client: OvsdbClient<NB>) =>
    client.monitor({ Port_Group: { columns: ['name', 'acls'] } }).tables
  type PortGroup = ReturnType<typeof watch>['Port_Group'] extends ReadonlyMap<Uuid, infer R> ? R : never
  expectTypeOf<keyof PortGroup>().toEqualTypeOf<'_uuid' | 'name' | 'acls'>()
  // @ts-expect-error: no such column
  const wrong = (client: OvsdbClient<NB>) => client.monitor({ Port_Group: { columns: ['nam'] } })
  expectTypeOf(wrong).toBeFunction()
})

test('operations that do not fit are not compiled', () => {
  const operations: readonly Operation<NB>[] = [
    // @ts-expect-error: no such table
    { op: 'insert', table: 'Acl', row: {} },
    // @ts-expect-error: a number for a string
    { op: 'insert', table: 'ACL', row: { match: 1 } },
    // @ts-expect-error: text is no UUID
    { op: 'insert', table: 'Port_Group', row: { ports: ['x'] } },
    // @ts-expect-error: strings are not ordered
    { op: 'delete', table: 'Port_Group', where: [['name', '<', 'a']] },
    // @ts-expect-error: a scalar has no members to insert
    { op: 'mutate', table: 'ACL', where: [], mutations: [['match', 'insert', ['a']]] },
    { op: 'mutate', table: 'NB_Global', where: [], mutations: [['nb_cfg', '+=', 1]] },
    { op: 'delete', table: 'ACL', where: [['priority', '>=', 1000]] },
  ]
  expectTypeOf(operations).toEqualTypeOf<readonly Operation<NB>[]>()
})
