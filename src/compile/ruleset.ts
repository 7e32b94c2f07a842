/**
 * The backend-neutral ruleset of one pod: what all printers print.
 *
 * It is fully resolved (selectors are addresses, excepts are ranges, names are numbers) and says nothing of tables,
 * chains or sets. A packet on a governed interface is judged so, in each direction that `interfaces` isolates:
 * replies, related ICMP errors, neighbour discovery and listener reports pass (semantics.md, D3 and D4), and what
 * `exemptions` name; then the custom rules have their say; else it passes if one of the policies in `allowedBy` allows it;
 * else it is dropped. A reply is that of a connection which the other direction's policies allow, where they isolate that direction too.
 */
import type { Address, AddressRange } from './address.ts'
import type { CustomRules } from './custom/rules.ts'
import type { Direction, NamespacedName } from './model.ts'
import type { Protocol, ProtocolPorts } from './port.ts'

export interface Ruleset {
  readonly pod: NamespacedName
  readonly exemptions: Exemptions
  /** The operator's own rules, which come before the policies' on every governed interface. */
  readonly custom: CustomRules
  /** Whether what is dropped is logged (`--log-drops`, or the namespace's annotation). */
  readonly logDrops: boolean
  /** The policies that govern the pod, by name; a policy's place here is its number in the printed rules. */
  readonly policies: readonly PolicyRules[]
  /** The governed interfaces, by name. */
  readonly interfaces: readonly GovernedInterface[]
  /** Names of the pod's other interfaces, as far as they are told, sorted. */
  readonly ungoverned: readonly string[]
}

/** What operators let pass on every governed interface, in both directions, beside what D4 does. */
export interface Exemptions {
  /** `--accept-icmp` */
  readonly icmp: boolean
  /** `--accept-icmpv6` */
  readonly icmpv6: boolean
  /** `--allow-ipv6-src-prefix`, merged. */
  readonly ipv6Sources: readonly AddressRange[]
  /** `--allow-ipv6-dst-prefix`, merged. */
  readonly ipv6Destinations: readonly AddressRange[]
}

export const NO_EXEMPTIONS: Exemptions = { icmp: false, icmpv6: false, ipv6Sources: [], ipv6Destinations: [] }

export interface PolicyRules {
  readonly policy: NamespacedName
  /** What the policy allows in each direction that it isolates; undefined where it isolates none of that way. */
  readonly allows: Readonly<Record<Direction, readonly Allow[] | undefined>>
}

export interface GovernedInterface {
  readonly name: string
  /** The networks that it is told to be attached to, sorted: one, unless the pod's status names it twice. */
  readonly networks: readonly NamespacedName[]
  /** Places in `policies` of those that isolate the interface in that direction; empty: not isolated. */
  readonly isolatedBy: Readonly<Record<Direction, readonly number[]>>
  /**
   * Those of them whose rules allow something on it. All, unless the pod's status tells of it on several networks: then
   * those that are for every one of these, and where there is none it is closed.
   */
  readonly allowedBy: Readonly<Record<Direction, readonly number[]>>
}

/** One rule of a policy: packets whose peer is in `peers` and port in `ports`, or that go to one of `endpoints`. */
export interface Allow {
  /** The rule's place in the policy's `ingress` or `egress`. */
  readonly rule: number
  readonly peers: PeerSet
  readonly ports: PortSet
  /** Named ports on egress, each on the peer that has it. */
  readonly endpoints: readonly Endpoint[]
}

export type PeerSet =
  | { readonly kind: 'anyone' }
  | {
      readonly kind: 'only'
      /** Addresses of selected pods, sorted, no duplicates. */
      readonly addresses: readonly Address[]
      /** What ipBlocks cover, merged. */
      readonly ranges: readonly AddressRange[]
    }

export type PortSet =
  | { readonly kind: 'any' }
  /** By protocol in the order of `PROTOCOLS`; empty: no port at all. */
  | { readonly kind: 'only'; readonly ports: readonly ProtocolPorts[] }

export interface Endpoint {
  readonly address: Address
  readonly protocol: Protocol
  readonly port: number
}
