/**
 * The words of nft's language, which cannot be names in its text: `jump drop` is a syntax error, and quotes do
 * not help. Measured with nft 1.0.6: every word of its manual pages and of its library was tried as the name
 * of a table, chain, set, map and counter, and as a reference; the same words fail everywhere. A later nft may
 * reserve more, so pick names that are not words: `mnp-input-net1` rather than `input`.
 */
export const RESERVED_WORDS: ReadonlySet<string> = new Set(
  `
  accept add ah all and arp auto-merge bridge cgroup chain comment comp constant continue counter cpu
  create ct day dccp define delete describe device devices dnat drop dst dup dynamic ecn element elements
  esp ether exists expires export exthdr fib flags flow flowtable flush frag fwd gc-interval get goto
  handle hbh hook hour ibriport ibrname icmp icmpv6 igmp iif iifgroup iifname iiftype import include index
  inet insert interval ip ip6 ipsec jhash jump limit list log lt map mark masquerade meta meter mh missing
  monitor ne netdev nftrace not notrack numgen obriport obrname offload oif oifgroup oifname oiftype or
  osf pkttype policy position priority queue quota random redefine redirect reject rename replace reset
  return rt rt0 rt2 rtclassid rule ruleset sctp secmark set size skgid skuid snat socket srh symhash
  synproxy table tcp th time timeout tproxy type typeof udp udplite undefine update vlan vmap xt
`
    .trim()
    .split(/\s+/),
)
