/** Custom rules by packets: what a line lets through in a pod that drops everything else, by either backend. */

import { Transaction } from 'nftables-json'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Family } from '../../src/compile/address.ts'
import { restoreText, toIptables } from '../../src/compile/custom/iptables.ts'
import { printCustomRules } from '../../src/compile/custom/print.ts'
import type { CustomRule } from '../../src/compile/custom/rules.ts'
import { validateRules } from '../../src/watch/rule-files/validate.ts'
import { Lab } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'

let lab: Lab
let client: Pod
let server: Pod

beforeAll(async () => {
  lab = await Lab.create('rule-files')
  await lab.segment('blue')
  const at = (host: number) => [
    { segment: 'blue', interface: 'net1', addresses: [`10.1.0.${host}/24`, `fd00:1::${host}/64`] },
  ]
  client = await lab.pod('client', at(1))
  server = await lab.pod('server', at(2))
  await server.serve({ tcp: [80, 81], udp: [80, 81] })
})
afterAll(async () => await lab?.[Symbol.asyncDispose]())
afterEach(async () => {
  await server.run(['nft', 'flush', 'ruleset'])
})

async function rulesOf(text: string, family: Family): Promise<readonly CustomRule[]> {
  const options = {
    path: 'rules.txt',
    family,
    backend: 'iptables',
    signal: new AbortController().signal,
  } as const
  const validated = await validateRules(text, options)
  if (validated.kind !== 'valid') throw new Error(JSON.stringify(validated))
  return validated.rules
}

/** Neighbour discovery passes, then what the rules accept, then nothing. */
async function enforceByNft(rules: readonly CustomRule[]): Promise<void> {
  const transaction = new Transaction()
  const table = transaction.replaceTable({ family: 'inet', name: 'x' })
  table.addChain({ name: 'custom' })
  printCustomRules(table, 'custom', rules)
  await server.run(
    ['sh', '-c', 'cat > /tmp/rules-$$ && nft -j -f /tmp/rules-$$; code=$?; rm /tmp/rules-$$; exit $code'],
    JSON.stringify(transaction),
  )
  await server.run(
    ['nft', '-f', '-'],
    `table inet x {
      chain in {
        type filter hook input priority 0; policy drop;
        icmpv6 type { 133, 134, 135, 136 } accept
        jump custom
      }
    }`,
  )
}

async function enforceByIptables(rules: readonly CustomRule[], again: boolean): Promise<void> {
  for (const family of [4, 6] as const) {
    const lines = rules
      .filter((rule) => rule.family === family)
      .map((rule) => (again ? toIptables(rule.statements, family) : rule.iptables))
      .flatMap((form) => {
        if (form.kind !== 'rules') throw new Error(form.reason)
        return form.rules
      })
      .map((rule) => `-A INPUT ${restoreText(rule)}`)
    const discovery = [133, 134, 135, 136].map((type) => `-A INPUT -p icmpv6 --icmpv6-type ${type} -j ACCEPT`)
    const all = family === 4 ? lines : [...discovery, ...lines]
    const script = ['*filter', ':INPUT DROP [0:0]', ...all, 'COMMIT', ''].join('\n')
    await server.run([family === 4 ? 'iptables-restore' : 'ip6tables-restore'], script)
  }
}

/** What passes, of TCP and UDP to two ports and ping, in both families. TCP comes from port 5000 where it says so. */
async function passing(): Promise<readonly string[]> {
  const probes = ([4, 6] as const).flatMap((family) => {
    const common = { from: client, to: server.address(family, 'blue') }
    const ported = (['tcp', 'udp'] as const).flatMap((protocol) =>
      [80, 81].map((port) => ({
        name: `${protocol} ${port} v${family}`,
        probe: { ...common, protocol, port },
      })),
    )
    return [...ported, { name: `ping v${family}`, probe: { ...common, protocol: 'icmp' as const } }]
  })
  const results = await lab.probeAll(probes.map(({ probe }) => probe))
  return probes.filter((_, index) => results[index]?.verdict === 'open').map(({ name }) => name)
}

const CASES: readonly (readonly [string, string, readonly string[]])[] = [
  ['', '', []],
  ['-p tcp --dport 80 -j ACCEPT', '', ['tcp 80 v4']],
  ['', '-p tcp --dport 80 -j ACCEPT', ['tcp 80 v6']],
  ['tcp dport 80 accept', 'udp dport { 80, 81 } accept', ['tcp 80 v4', 'udp 80 v6', 'udp 81 v6']],
  ['-p tcp --sport 0:65535 -j ACCEPT', '', ['tcp 80 v4', 'tcp 81 v4']],
  ['-s 10.1.0.1,10.9.9.9 -p udp -j ACCEPT', '-s fd00:1::2 -j ACCEPT', ['udp 80 v4', 'udp 81 v4']],
  ['-p udp -m multiport ! --dports 1,80 -j ACCEPT', '', ['udp 81 v4']],
  [
    '-p icmp --icmp-type fragmentation-needed -j ACCEPT',
    '-p icmpv6 --icmpv6-type ping -j ACCEPT',
    ['ping v6'],
  ],
  ['-p icmp ! --icmp-type 8/1 -j ACCEPT', 'icmpv6 type != { echo-reply, 2 } accept', ['ping v4', 'ping v6']],
  [
    '-p tcp --dport 80 -j DROP\n-p tcp -j ACCEPT',
    '-p tcp --dport 80 -j RETURN\n-p tcp -j ACCEPT',
    ['tcp 81 v4', 'tcp 81 v6'],
  ],
  [
    '-m conntrack ! --ctstate ESTABLISHED,INVALID -p udp -j ACCEPT',
    'ct state ! new accept',
    ['udp 80 v4', 'udp 81 v4'],
  ],
  [
    'ip saddr != 10.1.0.0/24 accept',
    'meta l4proto { tcp, udp } ip6 saddr fd00:1::1-fd00:1::1 accept',
    ['tcp 80 v6', 'tcp 81 v6', 'udp 80 v6', 'udp 81 v6'],
  ],
  // nft 1.0.6 would join the two and let port 80 through, from whatever port.
  [
    'tcp sport != 5 tcp dport != 80 accept',
    '-p tcp ! --sport 5 ! --dport 80 -j ACCEPT',
    ['tcp 81 v4', 'tcp 81 v6'],
  ],
]

describe.each(CASES)('v4 "%s" and v6 "%s"', (v4, v6, open) => {
  test('let the same through in nftables, in iptables, and in iptables by way of nftables', async () => {
    const rules = [...(await rulesOf(v4, 4)), ...(await rulesOf(v6, 6))]
    await enforceByNft(rules)
    expect(await passing()).toEqual(open)
    for (const again of [false, true]) {
      await server.run(['nft', 'flush', 'ruleset'])
      await enforceByIptables(rules, again)
      expect(await passing()).toEqual(open)
    }
  })
})
