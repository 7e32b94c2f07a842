/** Rules of any matches in any order come back, and their text is loaded to the same effect. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  accept,
  anonymousSet,
  canonical,
  counter,
  ct,
  drop,
  type Expression,
  jump,
  log,
  match,
  meta,
  payload,
  prefix,
  range,
  reject,
  type Statement,
  Transaction,
  toText,
  vmap,
} from '../../src/index.ts'
import { TABLE } from '../constructs.ts'
import { committed, scratchNetns } from './scratch.ts'

/** The same in each run; a failure prints it, and SEED=n takes another. */
const seed = Number(process.env['SEED'] ?? 20261123)

const byJson = scratchNetns('rjson')
const byText = scratchNetns('rtext')

const port = fc.integer({ min: 0, max: 65535 })
const ends = fc.tuple(port, port).map(([a, b]): Expression => range(Math.min(a, b), Math.max(a, b)))
const ports = fc.oneof(
  port,
  ends,
  fc.array(fc.oneof(port, ends), { minLength: 1, maxLength: 5 }).map(anonymousSet),
)

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6()
const net4 = fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })).map(([addr, len]) => prefix(addr, len))
const net6 = fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })).map(([addr, len]) => prefix(addr, len))
const some = (one: fc.Arbitrary<Expression>): fc.Arbitrary<Expression> =>
  fc.oneof(one, fc.array(one, { minLength: 1, maxLength: 4 }).map(anonymousSet))

const op = fc.constantFrom('==', '!=')
const matching = (key: Expression, value: fc.Arbitrary<Expression>): fc.Arbitrary<Statement> =>
  fc.tuple(value, op).map(([right, operator]) => match(key, right, operator))

const anyOf = fc.oneof(
  matching(meta('iifname'), some(fc.constantFrom('net1', 'drop', 'n@t'))),
  matching(meta('mark'), fc.integer({ min: 0, max: 0xffffffff })),
  fc.constant(match(ct('state'), ['established', 'related'], 'in')),
  fc.constant(match(ct('direction'), 'reply')),
)

const FAMILIES = {
  ip: fc.oneof(
    matching(payload('ip', 'saddr'), some(fc.oneof(ipv4, net4))),
    matching(payload('ip', 'daddr'), some(fc.oneof(ipv4, net4))),
    fc.constant(match(meta('nfproto'), 'ipv4')),
  ),
  ip6: fc.oneof(
    matching(payload('ip6', 'saddr'), some(fc.oneof(ipv6, net6))),
    matching(payload('ip6', 'hoplimit'), fc.constant(255)),
    fc.constant(match(meta('nfproto'), 10)),
  ),
}

const transport = (protocol: 'tcp' | 'udp' | 'sctp'): fc.Arbitrary<Statement> =>
  fc.oneof(
    matching(payload(protocol, 'sport'), ports),
    matching(payload(protocol, 'dport'), ports),
    fc.constant(match(meta('l4proto'), protocol)),
  )

const between = fc.constantFrom<Statement>(counter(), log({ prefix: 'x' }))
const last = fc.constantFrom<Statement>(
  accept,
  drop,
  jump('other'),
  reject(),
  vmap(meta('iifname'), [
    ['net1', accept],
    ['lo', drop],
  ]),
)

const rule = fc
  .tuple(fc.constantFrom('ip', 'ip6'), fc.constantFrom('tcp', 'udp', 'sctp'))
  .chain(([family, protocol]) =>
    fc.tuple(
      fc.array(fc.oneof(anyOf, FAMILIES[family], transport(protocol), between), { maxLength: 7 }),
      last,
    ),
  )
  .map(([statements, verdict]) => [...statements, verdict])

test('random rules come back, by text as by JSON', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(rule, { minLength: 20, maxLength: 20 }), async (rules) => {
      const transaction = new Transaction()
      const table = transaction.replaceTable(TABLE)
      table.addChain({ name: 'other' })
      table.addChain({ name: 'under-test' })
      for (const statements of rules) table.addRule('under-test', statements)

      expect(canonical(await committed(byJson, transaction))).toEqual(canonical(table.contents))
      await byText.nft(['-f', '-'], toText(transaction.commands))
      const [loaded] = (await byText.list()).tables
      expect(loaded && canonical(loaded)).toEqual(canonical(table.contents))
    }),
    { seed, numRuns: 25 },
  )
})
