/**
 * What may stand in a pod when the daemon starts for the first time, with the meaning of the policy that allows `ok` and
 * nobody else: rules of an older version with other names, and those of the other daemons for MultiNetworkPolicy.
 */
import type { Pod } from '../../lab/pod.ts'
import type { Backend } from './backends.ts'
import { iptablesDaemon, OLDER_SETS, olderChains } from './standing-chains.ts'
import { NFTABLES_DAEMON, OLDER_TABLE } from './standing-tables.ts'

export interface StandingRules {
  readonly name: string
  readonly load: (pod: Pod) => Promise<unknown>
  /** Words that must be gone once it has been taken over. */
  readonly words: readonly string[]
  /** The backends that it is taken over with: each has what is its own, and the other's most common. */
  readonly by: readonly Backend[]
}

export const STANDING_RULES: readonly StandingRules[] = [
  {
    name: 'an older table of its own',
    load: async (pod) => await pod.run(['nft', '-f', '-'], OLDER_TABLE),
    words: ['p0-from', 'common-accept', 'older-in', 'pods-out', 'version-0'],
    by: ['nftables', 'iptables'],
  },
  {
    name: 'the table of multi-networkpolicy-nftables',
    load: async (pod) => await pod.run(['nft', '-f', '-'], NFTABLES_DAEMON),
    words: ['smi-', 'snp-', 'cnp-', 'common-ingress', 'chain ingress'],
    by: ['nftables'],
  },
  {
    name: 'older chains of its own',
    async load(pod) {
      await pod.run(['ipset', 'restore'], OLDER_SETS)
      await loadChains(pod, olderChains)
    },
    words: ['MULTI-INGRESS-NEXT', 'MULTI-IF7-EGRESS', 'MULTI-3-INGRESS', 'mnpd-0000', 'mnpd 0000'],
    by: ['iptables'],
  },
  {
    name: 'the chains of multi-networkpolicy-iptables',
    load: async (pod) => await loadChains(pod, iptablesDaemon),
    words: ['-PORTS', '-FROM', '-TO', '0x30000', 'policy:p', '-A PREROUTING', '-A INPUT -i net1'],
    by: ['nftables', 'iptables'],
  },
]

async function loadChains(pod: Pod, text: (family: 4 | 6) => string): Promise<void> {
  await pod.run(['iptables-restore', '--noflush'], text(4))
  await pod.run(['ip6tables-restore', '--noflush'], text(6))
}
