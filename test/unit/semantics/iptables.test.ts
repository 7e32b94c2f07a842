/**
 * What the product prints for iptables, run by an interpreter, against the reference model on made-up clusters: with sets
 * for large peers and without. A failure is shrunk and printed with its seed.
 */

import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Family, formatAddress } from '../../../src/compile/address.ts'
import { NO_CUSTOM_RULES } from '../../../src/compile/custom/rules.ts'
import { printIptables } from '../../../src/compile/iptables/printer.ts'
import { setsText } from '../../../src/compile/iptables/set.ts'
import { swapText } from '../../../src/compile/iptables/swap.ts'
import type { PeerForm } from '../../../src/compile/iptables/table.ts'
import { type Allow, NO_EXEMPTIONS, type Ruleset } from '../../../src/compile/ruleset.ts'
import { decide } from '../../../src/compile/verdict.ts'
import { type Filter, interpretFilter, loadFilter } from '../../iptables-interpreter.ts'
import { arbitraryCluster, generatedOptions, questions } from '../../model/generate.ts'
import { judge } from '../../model/verdict.ts'
import { clusterOf, compileAll } from '../../product.ts'
import { seed } from '../../seed.ts'

const CLUSTERS = 500
const QUESTIONS = 150
const { networkPlugins } = generatedOptions

function filtersOf(ruleset: Ruleset | undefined, form: PeerForm): Readonly<Record<Family, Filter>> {
  const { filters } = printIptables(ruleset, form)
  const load = (family: Family): Filter =>
    loadFilter(swapText(new Map(), filters[family]) ?? '', setsText(filters[family].sets))
  return { 4: load(4), 6: load(6) }
}

describe.each(['sets', 'inline'] as const)(
  'the printed iptables rules agree with the reference model, peers %s',
  (form) => {
    test.each([
      ['with nothing but good parts', { bad: false }],
      ['with bad parts among them', { bad: true }],
    ] as const)('%s', { timeout: 300_000 }, (_, shape) => {
      fc.assert(
        fc.property(arbitraryCluster(shape), (cluster) => {
          const { targets } = compileAll(clusterOf(Object.values(cluster).flat()), networkPlugins)
          const filters = new Map(
            [...targets].map(([pod, { ruleset }]) => [`${pod}`, filtersOf(ruleset, form)]),
          )
          for (const { end, direction, packet } of questions(cluster, QUESTIONS)) {
            const filter = filters.get(`${end.namespace}/${end.pod}`)?.[isIPv6(packet.source) ? 6 : 4]
            const hook = direction === 'ingress' ? 'input' : 'output'
            const verdict = filter && interpretFilter(filter, { hook, interface: end.interface, ...packet })
            const expected = judge(cluster, generatedOptions, end, direction, packet)
            if ((verdict === 'drop' ? 'deny' : 'allow') !== expected)
              expect.fail(
                `the model says ${expected} to ${JSON.stringify({ end, direction, packet })} in ${JSON.stringify(cluster)}`,
              )
          }
        }),
        { seed, numRuns: CLUSTERS },
      )
    })
  },
)

/** Many addresses, blocks, ports and endpoints, of which made-up clusters have few. */
const allow: fc.Arbitrary<Allow> = fc
  .record({
    rule: fc.nat(3),
    hosts: fc.uniqueArray(fc.nat(60), { maxLength: 30 }),
    blocks: fc.uniqueArray(fc.nat(40), { maxLength: 30 }),
    ports: fc.uniqueArray(fc.nat(80), { maxLength: 40 }),
    endpoints: fc.uniqueArray(fc.nat(60), { maxLength: 20 }),
    anyPort: fc.boolean(),
  })
  .map(({ rule, hosts, blocks, ports, endpoints, anyPort }): Allow => {
    const inOrder = (numbers: readonly number[]): readonly number[] => numbers.toSorted((a, b) => a - b)
    return {
      rule,
      peers: {
        kind: 'only',
        addresses: [
          ...inOrder(hosts).map((host) => formatAddress(4, 0x0a010000n + BigInt(host))),
          ...inOrder(hosts).map((host) => formatAddress(6, (0xfd00n << 112n) + BigInt(host))),
        ],
        ranges: inOrder(blocks).map((block) => {
          const first = 0x0a020000n + BigInt(block) * 16n
          return { family: 4, first, last: first + BigInt(block % 11) }
        }),
      },
      ports: anyPort
        ? { kind: 'any' }
        : {
            kind: 'only',
            ports:
              inOrder(ports).length === 0
                ? []
                : [
                    {
                      protocol: 'TCP',
                      ranges: inOrder(ports).map((port) => ({
                        first: 1_000 + port * 10,
                        last: 1_000 + port * 10 + (port % 4),
                      })),
                    },
                  ],
          },
      endpoints: inOrder(endpoints).map((host) => ({
        address: formatAddress(4, 0x0a030000n + BigInt(host)),
        protocol: host % 3 === 0 ? 'UDP' : 'TCP',
        port: 2_000 + (host % 5),
      })),
    }
  })

test.each(['sets', 'inline'] as const)(
  'large peers and long lists of ports mean the same, peers %s',
  { timeout: 120_000 },
  (form) => {
    const packets = fc.record({
      host: fc.integer({ min: 0, max: 700 }),
      subnet: fc.constantFrom(0x0a010000n, 0x0a020000n, 0x0a030000n, 0xfd00n << 112n),
      port: fc.oneof(fc.integer({ min: 995, max: 1_900 }), fc.integer({ min: 1_999, max: 2_006 })),
      protocol: fc.constantFrom('TCP' as const, 'UDP' as const, 'SCTP' as const, 'ICMP' as const),
    })
    fc.assert(
      fc.property(
        fc.array(allow, { maxLength: 3 }),
        fc.array(packets, { minLength: 50, maxLength: 100 }),
        (allows, asked) => {
          const places = { ingress: [], egress: [0] }
          const ruleset: Ruleset = {
            pod: 'x/a',
            exemptions: NO_EXEMPTIONS,
            custom: NO_CUSTOM_RULES,
            logDrops: false,
            policies: [{ policy: 'x/p', allows: { ingress: undefined, egress: allows } }],
            interfaces: [{ name: 'net1', networks: ['x/red'], isolatedBy: places, allowedBy: places }],
            ungoverned: [],
          }
          const filters = filtersOf(ruleset, form)
          for (const { host, subnet, port, protocol } of asked) {
            const family: Family = subnet > 0xffffffffn ? 6 : 4
            const [own, peer] = [
              formatAddress(family, subnet + 9_999n),
              formatAddress(family, subnet + BigInt(host)),
            ]
            const decided = decide(ruleset, 'net1', 'egress', { own, peer, protocol, port }).kind
            const packet = {
              hook: 'output',
              interface: 'net1',
              source: own,
              destination: peer,
              protocol,
              port,
            } as const
            expect(interpretFilter(filters[family], packet), JSON.stringify(packet)).toBe(
              decided === 'denied' ? 'drop' : 'accept',
            )
          }
        },
      ),
      { seed, numRuns: 300 },
    )
  },
)
