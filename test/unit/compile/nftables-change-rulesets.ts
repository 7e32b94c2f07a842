/**
 * Made-up rulesets of one pod, from few addresses, blocks and ports so that two of them have much in common; some have more
 * blocks and port ranges than are printed as rules of their own.
 */
import fc from 'fast-check'
import { accept, anonymousSet, drop, match, meta, payload, range } from 'nftables-json'
import { type Address, type AddressRange, mergeRanges, parseCidr } from '../../../src/compile/address.ts'
import type { CustomRule } from '../../../src/compile/custom/rules.ts'
import { mergePorts, type Protocol } from '../../../src/compile/port.ts'
import { type Allow, NO_EXEMPTIONS, type PolicyRules, type Ruleset } from '../../../src/compile/ruleset.ts'
import type { InterpretedPacket } from '../../nft-interpreter.ts'

const ADDRESSES = ['10.0.0.1', '10.0.1.1', '10.0.2.1', '10.0.3.9', 'fd00::1', 'fd00:1::1'] as Address[]
const PORTS = [80, 81, 90, 443]

/** Every other /24 of 10.0.0.0/16, so that none joins its neighbour, and the blocks around them. */
const blocks = fc
  .tuple(
    fc.uniqueArray(fc.integer({ min: 0, max: 11 }), { maxLength: 12 }),
    fc.uniqueArray(fc.constantFrom('10.0.0.0/23', '10.0.0.0/21', '10.0.8.0/22', 'fd00::/32', 'fd00:1::/32')),
  )
  .map(([numbers, wide]) =>
    mergeRanges([...numbers.map((number) => `10.0.${2 * number}.0/24`), ...wide].map(rangeOf)),
  )

const ports = fc
  .tuple(
    fc.uniqueArray(fc.constantFrom(...PORTS), { maxLength: 3 }),
    fc.uniqueArray(fc.integer({ min: 0, max: 10 }), { maxLength: 11 }),
  )
  .map(([single, wide]) =>
    mergePorts([
      ...single.map((port) => ({ first: port, last: port })),
      ...wide.map((number) => ({ first: 79 + 10 * number, last: 85 + 10 * number })),
    ]),
  )

const portSet: fc.Arbitrary<Allow['ports']> = fc.oneof(
  fc.constant({ kind: 'any' as const }),
  fc.tuple(ports, ports).map(([tcp, udp]) => ({
    kind: 'only' as const,
    ports: [
      ...(tcp.length > 0 ? [{ protocol: 'TCP' as const, ranges: tcp }] : []),
      ...(udp.length > 0 ? [{ protocol: 'UDP' as const, ranges: udp }] : []),
    ],
  })),
)

const addresses = fc.subarray(ADDRESSES)

const allow = fc.record({
  peers: fc.oneof(
    { weight: 1, arbitrary: fc.constant({ kind: 'anyone' as const }) },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('only' as const),
        addresses,
        ranges: fc.oneof(fc.constant([]), blocks),
      }),
    },
  ),
  ports: portSet,
  endpoints: fc.subarray(
    ADDRESSES.flatMap((address) =>
      PORTS.slice(0, 2).map((port) => ({ address, port, protocol: 'TCP' as Protocol })),
    ),
    { maxLength: 3 },
  ),
})

const allows = fc
  .array(allow, { maxLength: 2 })
  .map((each): readonly Allow[] => each.map((one, rule) => ({ ...one, rule })))

const policy = fc
  .tuple(fc.constantFrom('x/p', 'x/q', 'x/r'), allows, fc.option(allows, { nil: undefined }))
  .map(
    ([name, ingress, egress]): PolicyRules => ({
      policy: name as PolicyRules['policy'],
      allows: { ingress, egress },
    }),
  )

/** A chain whose rules have sets of intervals in them. */
const custom = fc.subarray([80, 90, 440]).map((starts) =>
  starts.map(
    (start, line): CustomRule => ({
      family: 4,
      file: 'custom.txt',
      line: line + 1,
      text: `tcp dport { ${start}-${start + 4}, 500-510 }`,
      statements: [
        match(meta('nfproto'), 'ipv4'),
        match(payload('tcp', 'dport'), anonymousSet([range(start, start + 4), range(500, 510)])),
        line === 1 ? drop : accept,
      ],
      iptables: { kind: 'unsayable', reason: 'not asked' },
    }),
  ),
)

export const arbitraryRuleset: fc.Arbitrary<Ruleset> = fc
  .tuple(
    fc.array(policy, { minLength: 1, maxLength: 3 }),
    fc.constantFrom(['net1'], ['net1', 'net2']),
    fc.oneof(fc.constant([]), custom),
    fc.constantFrom('all', 'one', 'none'),
  )
  .map(([policies, names, ingress, allowing]) => ({
    pod: 'x/a' as Ruleset['pod'],
    exemptions: NO_EXEMPTIONS,
    custom: { ingress, egress: [] },
    policies,
    interfaces: names.map((name, number) => {
      const places = [...policies.keys()].filter((place) => names.length === 1 || place % 2 === number)
      const isolatedBy = {
        ingress: places,
        egress: places.filter((place) => policies[place]?.allows.egress !== undefined),
      }
      const some = (isolating: readonly number[]): readonly number[] =>
        isolating.slice(0, { all: undefined, one: 1, none: 0 }[allowing])
      const allowedBy = { ingress: some(isolatedBy.ingress), egress: some(isolatedBy.egress) }
      return { name, networks: ['x/red' as Ruleset['pod']], isolatedBy, allowedBy }
    }),
    ungoverned: [],
    logDrops: false,
  }))

/** The same ruleset with other addresses in some of its rules, as when pods come and go. */
export function otherMembers(ruleset: Ruleset): fc.Arbitrary<Ruleset> {
  const rules = ruleset.policies.flatMap(({ allows: { ingress = [], egress = [] } }) => [
    ...ingress,
    ...egress,
  ])
  return fc
    .tuple(...rules.map(() => fc.tuple(fc.subarray(ADDRESSES, { minLength: 1 }), fc.boolean())))
    .map((changes) => {
      const edited = new Map(rules.map((rule, index) => [rule, edit(rule, changes[index])]))
      const allowsOf = (each: readonly Allow[] | undefined): readonly Allow[] | undefined =>
        each?.map((one) => edited.get(one) ?? one)
      return {
        ...ruleset,
        policies: ruleset.policies.map(({ policy: name, allows: { ingress, egress } }) => ({
          policy: name,
          allows: { ingress: allowsOf(ingress), egress: allowsOf(egress) },
        })),
      }
    })
}

function edit(rule: Allow, [members, fewer]: readonly [readonly Address[], boolean] = [[], false]): Allow {
  if (rule.peers.kind === 'anyone') return rule
  const ranges = fewer && rule.peers.ranges.length > 10 ? rule.peers.ranges.slice(1) : rule.peers.ranges
  return { ...rule, peers: { ...rule.peers, addresses: members, ranges } }
}

function rangeOf(text: string): AddressRange {
  const block = parseCidr(text)
  if (block === undefined) throw new Error(`no block: ${text}`)
  const bits = BigInt((block.family === 4 ? 32 : 128) - block.length)
  return { family: block.family, first: block.first, last: block.first + (1n << bits) - 1n }
}

/** From and to each of the addresses, on both interfaces. */
export const PACKETS: readonly InterpretedPacket[] = (['input', 'output'] as const).flatMap((hook) =>
  ['net1', 'net2'].flatMap((name) =>
    [...ADDRESSES, '10.0.4.7', '10.0.9.9', '10.0.20.2', '192.0.2.1'].flatMap((peer) =>
      (
        [
          ['TCP', 80],
          ['TCP', 82],
          ['TCP', 110],
          ['UDP', 443],
          ['UDP', 82],
        ] as const
      ).map(([protocol, port]) => {
        const own = peer.includes(':') ? 'fd00:9::9' : '10.99.0.9'
        const [source, destination] = hook === 'input' ? [peer, own] : [own, peer]
        return { hook, interface: name, source, destination, protocol, port }
      }),
    ),
  ),
)
