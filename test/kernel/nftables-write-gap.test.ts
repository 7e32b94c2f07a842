/**
 * A pod's table changed in place from each of a dozen rulesets to each other, thousands of times, under traffic: nothing that
 * is always allowed is lost, and nothing that never is passes. The rulesets have all that takes more than one step: more blocks
 * than are rules of their own, port ranges within rules, addresses that move from one set to another, and sets of one name
 * that hold what is allowed in one ruleset and what is not in the next.
 */
import { accept, anonymousSet, match, meta, payload, range, type Transaction } from 'nftables-json'
import { NftWorker } from 'nftables-json/worker'
import { describe, expect, test } from 'vitest'
import {
  type Address,
  type AddressRange,
  mergeRanges,
  parseCidr,
  rangeOfPrefix,
} from '../../src/compile/address.ts'
import type { CustomRule } from '../../src/compile/custom/rules.ts'
import { changeTable } from '../../src/compile/nftables/change.ts'
import { type Printed, printNftables } from '../../src/compile/nftables/printer.ts'
import type { ProtocolPorts } from '../../src/compile/port.ts'
import { type Allow, NO_EXEMPTIONS, type Ruleset } from '../../src/compile/ruleset.ts'
import type { Pod } from '../lab/pod.ts'
import { World } from './no-gap/world.ts'

const PACKETS_PER_SECOND = 6000
const CHANGES = Number(process.env['CHANGES'] ?? 1000)

/** Both families of each, since the streams take turns. */
const OK = ['10.1.0.2', 'fd00:1::2'] as Address[]
const BAD = ['10.1.0.3', 'fd00:1::3'] as Address[]
const GHOST = ['10.1.0.77', 'fd00:1::77'] as Address[]
const DECOYS = Array.from({ length: 12 }, (_, number) => [
  `10.50.${2 * number}.0/24`,
  `fd00:50:${2 * number}::/48`,
]).flat()
const ANY = { kind: 'any' } as const

/** A rule that is the same in both directions. */
function rule(
  addresses: readonly Address[],
  blocks: readonly string[],
  ports: Allow['ports'] = ANY,
): Omit<Allow, 'rule'> {
  return {
    peers: { kind: 'only', addresses, ranges: mergeRanges(blocks.map(rangeOf)) },
    ports,
    endpoints: [],
  }
}

/** Each address as a block of its own. */
function alone(addresses: readonly Address[]): readonly string[] {
  return addresses.map((address) => `${address}/${address.includes(':') ? 128 : 32}`)
}

function rangeOf(text: string): AddressRange {
  return rangeOfPrefix(parseCidr(text) ?? expect.fail(`no block: ${text}`))
}

const only = (...ports: readonly ProtocolPorts[]): Allow['ports'] => ({ kind: 'only', ports })
const port = (protocol: 'TCP' | 'UDP', first: number): ProtocolPorts => ({
  protocol,
  ranges: [{ first, last: first }],
})
/** The streams' port and the connection's are among them. */
const wide = (protocol: 'TCP' | 'UDP', first: number): ProtocolPorts => ({
  protocol,
  ranges: Array.from({ length: 12 }, (_, number) => ({
    first: first + 10 * number,
    last: first + 10 * number + 3,
  })),
})

const isolated = { ingress: [0], egress: [0] }
function ruleset(rules: readonly Omit<Allow, 'rule'>[], custom: readonly CustomRule[] = []): Ruleset {
  const allows = rules.map((each, number) => ({ ...each, rule: number }))
  return {
    pod: 'x/a',
    exemptions: NO_EXEMPTIONS,
    custom: { ingress: custom, egress: custom },
    policies: [{ policy: 'x/p', allows: { ingress: allows, egress: allows } }],
    interfaces: [{ name: 'net1', networks: ['x/red'], isolatedBy: isolated, allowedBy: isolated }],
    ungoverned: ['net2'],
    logDrops: false,
  }
}

const customFor = (line: number, start: number): CustomRule => ({
  family: 4,
  file: 'custom.txt',
  line,
  text: 'made up',
  statements: [
    match(meta('nfproto'), 'ipv4'),
    match(payload('udp', 'dport'), anonymousSet([range(4990, 5010), range(start, start + 5)])),
    match(payload('ip', 'saddr'), anonymousSet(['10.1.0.1', '10.1.0.2'])),
    match(payload('ip', 'daddr'), anonymousSet(['10.1.0.1', '10.1.0.2'])),
    accept,
  ],
  iptables: { kind: 'unsayable', reason: 'not asked' },
})

const STREAMED = only(port('TCP', 80), { protocol: 'UDP', ranges: [{ first: 5000, last: 5003 }] })
const CUSTOM = [rule(OK, [], only(port('TCP', 80))), rule(OK.slice(1), [], STREAMED)]

const RULESETS: readonly Ruleset[] = [
  ruleset([rule(OK, [])]),
  ruleset([rule([...OK, ...GHOST], [])]),
  ruleset([rule([], [...alone(OK), ...DECOYS])]),
  ruleset([rule([], [...alone(OK), ...DECOYS.slice(2)], STREAMED)]),
  ruleset([rule(OK, [], only(wide('TCP', 60), wide('UDP', 4950)))]),
  ruleset([rule([...OK, ...GHOST], [], only(wide('TCP', 70), wide('UDP', 4960)))]),
  ruleset([rule([], [...alone(BAD), ...DECOYS], only(port('UDP', 9))), rule(OK, [])]),
  ruleset([rule([], [...alone(OK), ...DECOYS]), rule(BAD, [], only(port('UDP', 9)))]),
  ruleset([rule(OK, []), rule(GHOST, [])]),
  ruleset([rule(GHOST, []), rule(OK, [])]),
  ruleset([rule(OK, []), rule([], DECOYS)]),
  ruleset([rule(GHOST, []), rule([], [...alone(OK), ...DECOYS])]),
  ruleset([rule(BAD, [], only(port('UDP', 9))), rule(OK, [])]),
  ruleset(CUSTOM, [customFor(1, 7000)]),
  ruleset(CUSTOM, [customFor(1, 8000), customFor(2, 9000)]),
]

describe('changed in place', { timeout: 600_000 }, () => {
  test(`${CHANGES} times, it lets nothing pass and loses nothing`, async () => {
    await using world = await World.create('changed', 'nftables')
    await using nft = await openWorker()
    const printed = RULESETS.map((ruleset) => printNftables(ruleset))
    await commit(nft, world.pods.a, changeTable(undefined, printed[0] ?? expect.fail()))
    const traffic = await world.startTraffic(PACKETS_PER_SECOND)
    const marks = await traffic.mark()
    const commits = await walk(printed, (transactions) => commit(nft, world.pods.a, transactions))
    await traffic.expectNoGap(`changed ${CHANGES} times, by ${commits} transactions`, marks)
  })
})

/** From each to each other, in turn. @returns how many transactions it took */
async function walk(
  printed: readonly Printed[],
  change: (transactions: readonly Transaction[]) => Promise<void>,
): Promise<number> {
  let commits = 0
  let at = 0
  for (let number = 1; number <= CHANGES; number++) {
    const next = (at + 1 + (Math.floor(number / printed.length) % (printed.length - 1))) % printed.length
    const wanted = printed[next] ?? expect.fail()
    const transactions =
      process.env['WHOLE'] === undefined ? changeTable(printed[at]?.table, wanted) : [wanted.transaction]
    await change(transactions)
    commits += transactions.length
    at = next
  }
  return commits
}

async function commit(nft: NftWorker, { netns }: Pod, transactions: readonly Transaction[]): Promise<void> {
  for (const transaction of transactions)
    expect(await nft.run(transaction, { netns })).toEqual({ kind: 'done' })
}

async function openWorker(): Promise<NftWorker> {
  const opened = await NftWorker.open()
  return opened.kind === 'opened' ? opened.nft : expect.fail(opened.reason)
}
