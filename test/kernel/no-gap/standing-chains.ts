/** Chains of iptables that may stand in a pod at the first start, see standing-rules.ts. */

type Family = 4 | 6

const OK: Readonly<Record<Family, string>> = { 4: '10.1.0.2', 6: 'fd00:1::2' }

/** What differs between what comes in and what goes out. */
const DIRECTIONS = [
  { name: 'INGRESS', hook: 'INPUT', side: '-i', peer: '-s', end: 'src', rule: 'FROM' },
  { name: 'EGRESS', hook: 'OUTPUT', side: '-o', peer: '-d', end: 'dst', rule: 'TO' },
] as const
type Way = (typeof DIRECTIONS)[number]

const setOf = (family: Family): string => `mnpd-${`${family}`.padStart(24, '0')}`

/** What `ipset restore` reads before the older chains are loaded. */
export const OLDER_SETS: string = ([4, 6] as const)
  .map(
    (family) =>
      `create ${setOf(family)} hash:ip family ${family === 4 ? 'inet' : 'inet6'}\nadd ${setOf(family)} ${OK[family]}\n`,
  )
  .join('')

/** Chains of ours as a version might have had them that put other ones between the hook and the policies. */
export function olderChains(family: Family): string {
  const said = ['pod x/a', `mnpd ${'0'.repeat(32)}`, 'interface net1 on x/red']
  return filter(
    ['MNPD', ...DIRECTIONS.flatMap(({ name }) => [name, `${name}-NEXT`, `IF7-${name}`, `3-${name}`])],
    [
      ...said.map((text) => `-A MULTI-MNPD -m comment --comment "${text}" -j RETURN`),
      ...DIRECTIONS.flatMap(({ name, hook, side, end }) => [
        `-I ${hook} 1 -j MULTI-${name}`,
        `-A MULTI-${name} ${side} net1 -m conntrack --ctstate ESTABLISHED --ctdir REPLY -j RETURN`,
        `-A MULTI-${name} ${side} net1 -g MULTI-${name}-NEXT`,
        ...(family === 6 ? [`-A MULTI-${name}-NEXT -p ipv6-icmp -j RETURN`] : []),
        `-A MULTI-${name}-NEXT -g MULTI-IF7-${name}`,
        `-A MULTI-IF7-${name} -m set --match-set ${setOf(family)} ${end} -g MULTI-3-${name}`,
        `-A MULTI-IF7-${name} -j DROP`,
        `-A MULTI-3-${name} -m comment --comment "x/p" -j RETURN`,
      ]),
    ],
  )
}

/** By the names, marks and structure that its documentation and its tests tell. */
export function iptablesDaemon(family: Family): string {
  const chains = ({ name, rule }: Way): readonly string[] => [
    name,
    `${name}-COMMON`,
    `0-${name}`,
    `0-${name}-0-PORTS`,
    `0-${name}-0-${rule}`,
  ]
  const nat = '*nat\n-A PREROUTING -i net1 -j RETURN\nCOMMIT\n'
  return `${nat}${filter(
    DIRECTIONS.flatMap(chains),
    DIRECTIONS.flatMap((way) => rulesOfIptablesDaemon(way, family)),
  )}`
}

function rulesOfIptablesDaemon({ name, hook, side, peer, rule }: Way, family: Family): readonly string[] {
  const [top, policy] = [`MULTI-${name}`, `MULTI-0-${name}`]
  return [
    ...(family === 6 ? [`-A ${top}-COMMON -p ipv6-icmp -j ACCEPT`] : []),
    `-A ${top}-COMMON -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    `-I ${hook} ${side} net1 -j ${top}`,
    `-A ${top} -j ${top}-COMMON`,
    `-A ${top} ${side} net1 -m comment --comment "policy:p net-attach-def:x/red" -j ${policy}`,
    `-A ${top} -m mark --mark 0x30000/0x30000 -j RETURN`,
    `-A ${top} -j DROP`,
    `-A ${policy} -j MARK --set-xmark 0x0/0x30000`,
    `-A ${policy} -j ${policy}-0-PORTS`,
    `-A ${policy} -j ${policy}-0-${rule}`,
    `-A ${policy} -m mark --mark 0x30000/0x30000 -j RETURN`,
    `-A ${policy}-0-PORTS -m comment --comment "no ports, skipped" -j MARK --set-xmark 0x10000/0x10000`,
    `-A ${policy}-0-${rule} ${peer} ${OK[family]} ${side} net1 -j MARK --set-xmark 0x20000/0x20000`,
  ]
}

function filter(chains: readonly string[], rules: readonly string[]): string {
  return ['*filter', ...chains.map((name) => `:MULTI-${name} - [0:0]`), ...rules, 'COMMIT', ''].join('\n')
}
