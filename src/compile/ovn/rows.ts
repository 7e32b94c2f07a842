/** Rows of OVN_Northbound (ovn-nb(5)) as values, before they are somebody's database. */

export interface OvnRows {
  readonly portGroups: ReadonlyMap<string, PortGroup>
  readonly addressSets: ReadonlyMap<string, AddressSet>
}

export interface PortGroup {
  readonly name: string
  /** See `GovernedPort.port`. */
  readonly ports: ReadonlySet<string>
  readonly acls: readonly Acl[]
  readonly externalIds: ReadonlyMap<string, string>
}

export interface AddressSet {
  readonly name: string
  /** Addresses and prefixes of one family. */
  readonly addresses: ReadonlySet<string>
  readonly externalIds: ReadonlyMap<string, string>
}

export interface Acl {
  /** At most 63 characters. */
  readonly name: string
  readonly priority: number
  readonly direction: 'to-lport' | 'from-lport'
  readonly match: string
  readonly action: 'allow-related' | 'drop'
  readonly options: ReadonlyMap<string, string>
  readonly externalIds: ReadonlyMap<string, string>
}

/** ovn-kubernetes' tier of network policies, which it moves ACLs of tier 0 to; written where the schema has tiers. */
export const TIER = 2
