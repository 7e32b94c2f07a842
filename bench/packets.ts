/**
 * What rules cost a packet: 100 rules, all of them for the sender and nine others, the last one, which is what lets it in, for
 * 10 to 10,000 peers, against no rules; and what it costs to judge the original direction on every packet, against an early
 * accept of established connections (D3).
 *
 * Throughput is one connection of TCP with large writes. The packet generator is `ping -f`, whose packets are small and go
 * there and back: what a rule costs is seen in the rate, as the kernel does nothing else.
 */
import { spawnSync } from 'node:child_process'
import { toText } from 'nftables-json'
import { compile } from '../src/compile/compile.ts'
import { NO_CUSTOM_RULES } from '../src/compile/custom/rules.ts'
import { printNftables } from '../src/compile/nftables/printer.ts'
import type { Ruleset } from '../src/compile/ruleset.ts'
import { NO_EXEMPTIONS } from '../src/compile/ruleset.ts'
import { Lab } from '../test/lab/lab.ts'
import type { Pod } from '../test/lab/pod.ts'
import { networkObject, podObject, policyObject } from '../test/manifests.ts'
import { clusterOf } from '../test/product.ts'
import type { Figure } from './figures.ts'
import { pushBytes } from './push-bytes.ts'

const RULES = 100
const PEERS = [10, 1_000, 10_000] as const
const ROUNDS = 5
const PINGS = 40_000
const PUSH_MS = 700
const GOAL = { kind: 'at least', p50: 0.95 } as const
/** All packets of a connection but its first, whoever sent them. */
const EARLY_ACCEPT = 'ct state established accept'

type Setup = { readonly name: string; readonly script: string }

export async function packets(): Promise<readonly Figure[]> {
  await using lab = await Lab.create('packets')
  await lab.segment('red')
  const [server, client] = await lab.addPods(
    ['server', 'client'].map((name, index) => ({
      name,
      attachments: [{ segment: 'red', interface: 'net1', addresses: [`10.1.0.${index + 1}/8`] }],
    })),
  )
  if (server === undefined || client === undefined) throw new Error('no pods')
  const none: Setup = { name: 'no rules', script: '' }
  const setups = PEERS.map((peers) => ({
    peers,
    ...{ name: `${peers}`, script: scriptOf([server, client], peers) },
  }))
  const most = setups.at(-1)?.script ?? ''
  const early: Setup = { name: 'early accept', script: withEarlyAccept(most) }
  const all = [none, ...setups, early]
  const rates = new Map(all.map((setup) => [setup.name, { bits: [] as number[], packets: [] as number[] }]))
  // In turn, so that all see the same machine.
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const setup of all) {
      await server.run(['nft', '-f', '-'], `flush ruleset\n${setup.script}`)
      rates.get(setup.name)?.bits.push(await pushBytes(client, server, PUSH_MS))
      rates.get(setup.name)?.packets.push(pingRate(client, server))
    }
  }
  return figuresOf(rates)
}

function figuresOf(
  rates: ReadonlyMap<string, { readonly bits: readonly number[]; readonly packets: readonly number[] }>,
): readonly Figure[] {
  const kinds = [
    ['throughput of one connection', 'bits', 'Gbit/s'],
    ['rate of small packets', 'packets', 'packets/s'],
  ] as const
  return kinds.flatMap(([what, key, unit]) => {
    const samples = (name: string): readonly number[] => rates.get(name)?.[key] ?? []
    const free = { name: 'no rules', samples: samples('no rules'), times: 1 }
    const most = String(PEERS.at(-1))
    return [
      ...PEERS.map(
        (peers): Figure => ({
          ...{ name: `${what}, ${RULES} rules, ${peers.toLocaleString('en')} peers`, unit, yardstick: free },
          ...{ samples: samples(String(peers)), goal: GOAL },
          growth: { plot: 'Packets through 100 rules', line: what, x: peers, of: 'peers' },
        }),
      ),
      {
        ...{ name: `${what}, judged on every packet against an early accept`, unit, samples: samples(most) },
        yardstick: { name: 'early accept', samples: samples('early accept'), times: 1 },
      },
    ]
  })
}

const FEW = { matchLabels: { few: 'yes' } }

/** A policy of so many rules, of which the last lets in pods: the client and so many others; and the rest few of them. */
function scriptOf([server, client]: readonly [Pod, Pod], peers: number): string {
  const other = (index: number): string => `10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`
  const others = Array.from({ length: peers - 1 }, (_, index) => ({
    ...{ kind: 'Pod', apiVersion: 'v1' },
    metadata: {
      ...{ name: `peer-${index}`, namespace: 'default' },
      labels: { role: 'peer', ...(index < 9 && FEW.matchLabels) },
      annotations: {
        'k8s.v1.cni.cncf.io/network-status': JSON.stringify([
          { name: 'default/red', interface: 'net1', ips: [other(index)] },
        ]),
      },
    },
    spec: { nodeName: 'elsewhere', containers: [] },
  }))
  const ingress = Array.from({ length: RULES - 1 }, (_, index) => ({
    from: [{ podSelector: FEW }],
    ports: [{ protocol: 'TCP', port: 10_000 + 2 * index }],
  }))
  const cluster = clusterOf([
    networkObject('default', 'red'),
    podObject(server, { node: 'n1', labels: { role: 'server' } }),
    podObject(client, { node: 'n2', labels: { role: 'peer', ...FEW.matchLabels } }),
    ...others,
    policyObject('default', 'rules', 'red', {
      podSelector: { matchLabels: { role: 'server' } },
      ingress: [...ingress, { from: [{ podSelector: { matchLabels: { role: 'peer' } } }] }],
    }),
  ])
  return toText(printNftables(rulesetOf(cluster)).transaction.commands)
}

function rulesetOf(cluster: ReturnType<typeof clusterOf>): Ruleset {
  const options = { networkPlugins: new Set(['macvlan']), exemptions: NO_EXEMPTIONS, logDrops: false }
  const { targets } = compile(cluster, { ...options, node: 'n1', custom: NO_CUSTOM_RULES })
  const ruleset = targets.get('default/server')?.ruleset
  if (ruleset === undefined) throw new Error('the server is not governed')
  return ruleset
}

/** In every chain with a hook, before all else. */
function withEarlyAccept(script: string): string {
  const hooked = /^(\s*type filter hook [^\n]*\n)/gm
  if (!hooked.test(script)) throw new Error('no chain with a hook')
  return script.replaceAll(hooked, `$1\t\t${EARLY_ACCEPT}\n`)
}

/** Packets there and back in a second. */
function pingRate(from: Pod, to: Pod): number {
  const args = [`--net=${from.netns}`, 'ping', '-f', '-q', '-s', '16', '-c', String(PINGS), to.address(4)]
  const { status, stdout, stderr } = spawnSync('nsenter', args, { encoding: 'utf8' })
  const ms = Number(/time (\d+)ms/.exec(stdout)?.[1])
  if (status !== 0 || !(ms > 0)) throw new Error(`ping: ${stderr}${stdout}`)
  return (2 * PINGS * 1000) / ms
}
