/** Tables of nftables that may stand in a pod at the first start, see standing-rules.ts. */
import { createHash } from 'node:crypto'

export const OLDER_TABLE: string = `
table inet multi_networkpolicy {
  set p0-from4 { type ipv4_addr; elements = { 10.1.0.2 }; }
  set p0-from6 { type ipv6_addr; elements = { fd00:1::2 }; }
  chain common-accept {
    ct direction reply ct state established accept
    icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 143 } accept
  }
  chain older-in {
    jump common-accept
    ip saddr @p0-from4 counter accept comment "x/p ingress[0]"
    ip6 saddr @p0-from6 counter accept comment "x/p ingress[0]"
    counter drop
  }
  chain older-out {
    jump common-accept
    ip daddr @p0-from4 counter accept comment "x/p egress[0]"
    ip6 daddr @p0-from6 counter accept comment "x/p egress[0]"
    counter drop
  }
  chain pods-in { type filter hook input priority 0; policy accept; iifname "net1" goto older-in; }
  chain pods-out { type filter hook output priority 0; policy accept; oifname "net1" goto older-out; }
  chain version-0 { return comment "mnpd 00000000000000000000000000000000"; }
}
`

/** By the names and the structure that its documentation tells. */
const HASH = createHash('sha256').update('p-x').digest('hex').slice(0, 32)
const MANAGED = `smi-${HASH}`
const peers = (direction: string, family: 4 | 6): string => `snp-${HASH}_${direction}_ipv${family}_net1_0`
export const NFTABLES_DAEMON: string = `
table inet multi_networkpolicy {
  comment "MultiNetworkPolicy"
  set ${MANAGED} { type ifname; comment "Managed interfaces set for x/p"; elements = { "net1" }; }
  ${['ingress', 'egress']
    .map(
      (direction) => `
  set ${peers(direction, 4)} { type ipv4_addr; comment "Addresses for x/p"; elements = { 10.1.0.2 }; }
  set ${peers(direction, 6)} { type ipv6_addr; comment "Addresses for x/p"; elements = { fd00:1::2 }; }`,
    )
    .join('')}
  chain common-ingress {
    meta l4proto icmpv6 accept comment "Accept ICMPv6"
  }
  chain common-egress {
    meta l4proto icmpv6 accept comment "Accept ICMPv6"
  }
  chain cnp-${HASH} {
    comment "MultiNetworkPolicy x/p"
    iifname "net1" ip saddr 10.1.0.1 accept
    iifname "net1" ip6 saddr fd00:1::1 accept
    iifname "net1" ip saddr @${peers('ingress', 4)} accept
    iifname "net1" ip6 saddr @${peers('ingress', 6)} accept
    oifname "net1" ip daddr @${peers('egress', 4)} accept
    oifname "net1" ip6 daddr @${peers('egress', 6)} accept
  }
  chain ingress {
    comment "Ingress Policies"
    ct state established,related accept comment "Connection tracking"
    jump common-ingress comment "Jump to common"
    jump cnp-${HASH} comment "x/p"
    drop comment "Drop rule"
  }
  chain egress {
    comment "Egress Policies"
    ct state established,related accept comment "Connection tracking"
    jump common-egress comment "Jump to common"
    jump cnp-${HASH} comment "x/p"
    drop comment "Drop rule"
  }
  chain input {
    type filter hook input priority filter; policy accept;
    comment "Input Dispatcher"
    iifname @${MANAGED} jump ingress comment "x/p"
  }
  chain output {
    type filter hook output priority filter; policy accept;
    comment "Output Dispatcher"
    oifname @${MANAGED} jump egress comment "x/p"
  }
}
`
