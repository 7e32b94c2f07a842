/**
 * The group of all ports that policies isolate in a direction: what is dropped there unless a policy allows it, and what
 * passes whatever the policies say (semantics.md, D2 and D4).
 */
import { type AddressRange, formatPrefix, prefixesOfRange } from '../address.ts'
import type { Direction } from '../model.ts'
import type { Exemptions } from '../ruleset.ts'
import { address, all, any, ofGroup } from './match.ts'
import { aclName, externalIds, hashedName } from './names.ts'
import type { Acl, PortGroup } from './rows.ts'

export interface Isolation {
  readonly direction: Direction
  readonly ports: ReadonlySet<string>
  readonly exemptions: Exemptions
}

export const DENY_PRIORITY = 1000
export const ALLOW_PRIORITY = 1001

/**
 * ARP, neighbour and router discovery, multicast listener reports. OVN's `nd` names demand hop limit 255 themselves. The
 * rule tracks: without one that does, on switches where policies only deny, replies would be judged as new connections.
 */
const DISCOVERY = '(arp || nd || nd_rs || nd_ra || (icmp6.type == {130, 131, 132, 143} && ip.ttl == 1))'

export function isolationGroup({ direction, ports, exemptions }: Isolation): readonly PortGroup[] {
  if (ports.size === 0) return []
  const name = hashedName('isolation', direction)
  const about = `isolated on ${direction}`
  const acl = (what: string, action: Acl['action'], match?: string): Acl => ({
    ...placeOf(direction),
    name: aclName(`${direction}:`, what),
    priority: action === 'drop' ? DENY_PRIORITY : ALLOW_PRIORITY,
    match: all(ofGroup(direction, name), match),
    action,
    externalIds: externalIds('isolation', `isolation:${direction}:${what}`, what, direction),
  })
  const exempt = exemptionsOf(exemptions)
  return [
    {
      name,
      ports,
      acls: [
        acl('no policy allows it', 'drop'),
        acl('discovery', 'allow-related', DISCOVERY),
        ...(exempt === undefined ? [] : [acl('exempt by flags', 'allow-related', exempt)]),
      ],
      externalIds: externalIds('isolation', `isolation:${direction}`, about),
    },
  ]
}

/**
 * Has the switches of these ports track connections before any policy is there. A connection that is seen for the first
 * time half way is taken to come from whoever is seen to send first: a server's reply would make it the server's own, and
 * the first policy that forbids it would end it for nobody (D3). It changes what happens to no packet but invalid ones.
 */
export function trackedGroup(ports: ReadonlySet<string>): readonly PortGroup[] {
  if (ports.size === 0) return []
  const name = hashedName('tracked', 'all')
  const about = 'connections are tracked'
  const acl: Acl = {
    ...placeOf('ingress'),
    name: aclName('ingress:', 'tracked'),
    priority: ALLOW_PRIORITY,
    match: all(ofGroup('ingress', name), 'arp'),
    action: 'allow-related',
    externalIds: externalIds('tracked', 'tracked:arp', about, 'ingress'),
  }
  return [{ name, ports, acls: [acl], externalIds: externalIds('tracked', 'tracked', about) }]
}

/** Egress is judged by where a packet goes once load balancers have had their say. */
export function placeOf(direction: Direction): Pick<Acl, 'direction' | 'options'> {
  return direction === 'ingress'
    ? { direction: 'to-lport', options: new Map() }
    : { direction: 'from-lport', options: new Map([['apply-after-lb', 'true']]) }
}

function exemptionsOf({ icmp, icmpv6, ipv6Sources, ipv6Destinations }: Exemptions): string | undefined {
  const terms = [
    ...(icmp ? ['icmp4'] : []),
    ...(icmpv6 ? ['icmp6'] : []),
    ...prefixTerm('src', ipv6Sources),
    ...prefixTerm('dst', ipv6Destinations),
  ]
  return terms.length === 0 ? undefined : any(terms)
}

function prefixTerm(end: 'src' | 'dst', ranges: readonly AddressRange[]): readonly string[] {
  const prefixes = ranges.flatMap(prefixesOfRange)
  if (prefixes.some(({ length }) => length === 0)) return ['ip6']
  return prefixes.length === 0 ? [] : [address(6, end, prefixes.map(formatPrefix))]
}
