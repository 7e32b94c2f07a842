/** The chains of what passes on every governed interface, whatever the policies say. */
import { accept, anonymousSet, ct, match, meta, payload, type TableHandle } from 'nftables-json'
import type { Exemptions } from '../ruleset.ts'
import { type Leg, printRange } from './allow.ts'
import { COMMON } from './interface.ts'
import { type PrintedPart, partsOf } from './part.ts'

export const commonPart: (exemptions: Exemptions, legs: readonly Leg[]) => PrintedPart = partsOf(
  (table, exemptions: Exemptions, _, legs) => {
    for (const leg of legs) printCommon(table, exemptions, leg)
  },
)

/** What passes whatever the policies say (D4), and errors (D3). To replies only what is said of addresses matters. */
function printCommon(table: TableHandle, exemptions: Exemptions, leg: Leg): void {
  const chain = COMMON[leg]
  table.addChain({ name: chain })
  if (leg === 'original') printDiscovery(table, chain, exemptions)
  const [source, destination] =
    leg === 'original' ? (['saddr', 'daddr'] as const) : (['daddr', 'saddr'] as const)
  printPrefixes(table, chain, source, exemptions.ipv6Sources, '--allow-ipv6-src-prefix')
  printPrefixes(table, chain, destination, exemptions.ipv6Destinations, '--allow-ipv6-dst-prefix')
}

function printDiscovery(table: TableHandle, chain: string, exemptions: Exemptions): void {
  const icmpv6 = payload('icmpv6', 'type')
  table.addRule(
    chain,
    [
      match(ct('state'), 'related', 'in'),
      match(meta('l4proto'), anonymousSet(['icmp', 'ipv6-icmp'])),
      accept,
    ],
    'errors of a tracked connection',
  )
  table.addRule(
    chain,
    [match(icmpv6, anonymousSet([133, 134, 135, 136])), match(payload('ip6', 'hoplimit'), 255), accept],
    'neighbour and router discovery',
  )
  table.addRule(
    chain,
    [match(icmpv6, anonymousSet([130, 131, 132, 143])), match(payload('ip6', 'hoplimit'), 1), accept],
    'multicast listener reports',
  )
  if (exemptions.icmp) table.addRule(chain, [match(meta('l4proto'), 'icmp'), accept], '--accept-icmp')
  if (exemptions.icmpv6)
    table.addRule(chain, [match(meta('l4proto'), 'ipv6-icmp'), accept], '--accept-icmpv6')
}

function printPrefixes(
  table: TableHandle,
  chain: string,
  field: 'saddr' | 'daddr',
  ranges: Exemptions['ipv6Sources'],
  flag: string,
): void {
  for (const range of ranges)
    table.addRule(chain, [match(payload('ip6', field), printRange(range)), accept], flag)
}
