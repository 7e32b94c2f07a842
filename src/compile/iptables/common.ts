/** What passes on governed interfaces whatever the policies say (semantics.md, D3 and D4), as iptables' rules. */
import { formatPrefix, prefixesOfRange } from '../address.ts'
import type { Direction } from '../model.ts'
import type { Leg } from '../nftables/allow.ts'
import type { Exemptions } from '../ruleset.ts'
import { commonChain } from './names.ts'
import { comment, type Words } from './rule.ts'
import type { FamilyTable } from './table.ts'

/** On to the application's own rules. */
export const RETURN: Words = ['-j', 'RETURN']

/** Adds to the chain. To replies only what is said of addresses matters. */
export function printCommon(
  table: FamilyTable,
  exemptions: Exemptions,
  direction: Direction,
  leg: Leg,
): void {
  const chain = commonChain(direction, leg)
  if (leg === 'original') printDiscovery(table, chain, exemptions)
  if (table.family === 4) return
  const [source, destination] = leg === 'original' ? (['-s', '-d'] as const) : (['-d', '-s'] as const)
  printPrefixes(table, chain, source, exemptions.ipv6Sources, '--allow-ipv6-src-prefix')
  printPrefixes(table, chain, destination, exemptions.ipv6Destinations, '--allow-ipv6-dst-prefix')
}

function printDiscovery(table: FamilyTable, chain: string, exemptions: Exemptions): void {
  const icmp: Words = ['-p', table.family === 4 ? 'icmp' : 'ipv6-icmp']
  const related: Words = ['-m', 'conntrack', '--ctstate', 'RELATED']
  table.addRule(chain, icmp, related, comment('errors of a tracked connection'), RETURN)
  if (table.family === 6) {
    for (const type of [133, 134, 135, 136])
      table.addRule(chain, icmp, message(type, 255), comment('neighbour and router discovery'), RETURN)
    for (const type of [130, 131, 132, 143])
      table.addRule(chain, icmp, message(type, 1), comment('multicast listener reports'), RETURN)
  }
  const [accepted, flag] =
    table.family === 4 ? [exemptions.icmp, '--accept-icmp'] : [exemptions.icmpv6, '--accept-icmpv6']
  if (accepted) table.addRule(chain, icmp, comment(flag), RETURN)
}

function message(type: number, hopLimit: number): Words {
  return ['-m', 'icmp6', '--icmpv6-type', `${type}`, '-m', 'hl', '--hl-eq', `${hopLimit}`]
}

function printPrefixes(
  table: FamilyTable,
  chain: string,
  option: '-s' | '-d',
  ranges: Exemptions['ipv6Sources'],
  flag: string,
): void {
  for (const prefix of ranges.flatMap(prefixesOfRange)) {
    const all = prefix.length === 0
    table.addRule(chain, all ? [] : [option, formatPrefix(prefix)], comment(flag), RETURN)
  }
}
