/** Policies of many rules, whose rules are found by their ports: each packet meets the same verdict as one by one. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Address } from '../../../src/compile/address.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { printNftables } from '../../../src/compile/nftables/printer.ts'
import { mergePorts, type PortRange, PROTOCOLS } from '../../../src/compile/port.ts'
import { type Allow, NO_EXEMPTIONS, type PortSet, type Ruleset } from '../../../src/compile/ruleset.ts'
import { decide } from '../../../src/compile/verdict.ts'
import { interpret, loadTable } from '../../nft-interpreter.ts'
import { seed } from '../../seed.ts'

const OWN = '10.0.0.1' as Address
const PEERS = ['10.0.0.2', '10.0.0.3', 'fd00::2'].map((each) => each as Address)
const MOST_PORT = 60

const port = fc.integer({ min: 0, max: MOST_PORT })
const range: fc.Arbitrary<PortRange> = fc.oneof(
  { weight: 3, arbitrary: port.map((first) => ({ first, last: first })) },
  {
    weight: 1,
    arbitrary: fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
  },
  { weight: 1, arbitrary: fc.constant({ first: 0, last: 65535 }) },
)

const ports: fc.Arbitrary<PortSet> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc
      .uniqueArray(fc.constantFrom('TCP' as const, 'TCP' as const, 'UDP' as const), { minLength: 1 })
      .chain((protocols) =>
        fc.tuple(
          ...protocols.map((protocol) =>
            fc.tuple(fc.constant(protocol), fc.array(range, { minLength: 1, maxLength: 3 })),
          ),
        ),
      )
      .map((all) => ({
        kind: 'only' as const,
        ports: PROTOCOLS.flatMap((protocol) =>
          all.flatMap(([each, ranges]) =>
            each === protocol ? [{ protocol, ranges: mergePorts(ranges) }] : [],
          ),
        ),
      })),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'any' as const }) },
)

const allows: fc.Arbitrary<readonly Allow[]> = fc
  .array(fc.tuple(ports, fc.subarray([...PEERS], { minLength: 1 })), { maxLength: 80, size: 'max' })
  .map((all) =>
    all.map(([some, addresses], rule) => ({
      ...{ rule, ports: some, endpoints: [] },
      peers: { kind: 'only', addresses, ranges: [] },
    })),
  )

function rulesetWith(ingress: readonly Allow[], egress: readonly Allow[]): Ruleset {
  const both = { ingress: [0], egress: [0] }
  return {
    ...{ pod: 'shop/web', exemptions: NO_EXEMPTIONS, custom: NO_CUSTOM_RULES, logDrops: false },
    policies: [{ policy: 'shop/many', allows: { ingress, egress } }],
    interfaces: [{ name: 'net1', networks: ['shop/red'], isolatedBy: both, allowedBy: both }],
    ungoverned: [],
  }
}

test('what is printed says what the ruleset says', { timeout: 120_000 }, () => {
  let grouped = 0
  fc.assert(
    fc.property(allows, allows, (ingress, egress) => {
      const ruleset = rulesetWith(ingress, egress)
      const table = loadTable(printNftables(ruleset).transaction.toJSON().nftables)
      grouped += Number(table.chains.has('policy-0-ingress-0'))
      for (const peer of PEERS.slice(0, 2)) {
        for (const protocol of ['TCP', 'UDP', 'SCTP'] as const) {
          for (let each = 0; each <= MOST_PORT + 1; each += 1) {
            const packet = { own: OWN, peer, protocol, port: each }
            const said = decide(ruleset, 'net1', 'ingress', packet).kind === 'allowed'
            const ends = { source: peer, destination: OWN }
            const verdict = interpret(table, {
              hook: 'input',
              interface: 'net1',
              protocol,
              port: each,
              ...ends,
            })
            expect([packet, verdict]).toEqual([packet, said ? 'accept' : 'drop'])
          }
        }
      }
    }),
    { seed, numRuns: 100 },
  )
  expect(grouped).toBeGreaterThan(20)
})

test('of replies the same is asked, the other way round', () => {
  fc.assert(
    fc.property(allows, allows, (ingress, egress) => {
      const { table } = printNftables(rulesetWith(ingress, egress))
      const rulesOf = (name: string): unknown => table?.chains.find((chain) => chain.name === name)?.rules
      for (const { name } of table?.chains ?? []) {
        const original = name.replace('-replies', '')
        if (!name.startsWith('policy-') || original === name) continue
        expect(JSON.parse(turned(JSON.stringify(rulesOf(name))))).toEqual(rulesOf(original))
      }
    }),
    { seed, numRuns: 100 },
  )
})

function turned(rules: string): string {
  const other: Readonly<Record<string, string>> = {
    saddr: 'daddr',
    daddr: 'saddr',
    sport: 'dport',
    dport: 'sport',
  }
  return rules
    .replaceAll(/"(saddr|daddr|sport|dport)"/g, (_, field: string) => `"${other[field]}"`)
    .replaceAll('-replies', '')
}
