/**
 * The policies of the demo, one for each network of {@link ARTICLE_NETWORKS}, and who then reaches whom. A third pod on each
 * network shows what is let in beside what is not.
 */
import type { MatrixCell } from '../../test/lab/matrix.ts'
import { type KubeObject, policyObject } from '../../test/manifests.ts'
import { ARTICLE_PODS } from '../../test/ovn/testbed/article.ts'
import type { OvnPodSpec } from '../../test/ovn/testbed/pods.ts'

/** name, node, NAD, address there, address on the default network */
const GUESTS = [
  ['guest-l3', 'work001', 'l3', '10.33.2.4/24', '10.124.1.9'],
  ['guest-l2', 'work001', 'l2', '10.22.0.3/16', '10.124.1.10'],
  ['guest-lo', 'work001', 'localnet', '192.168.100.6/24', '10.124.1.11'],
] as const

export const PODS: readonly OvnPodSpec[] = [
  ...ARTICLE_PODS,
  ...GUESTS.map(
    ([name, node, network, address, defaultAddress], index): OvnPodSpec => ({
      name,
      node,
      defaultAddress,
      uid: `00000000-0000-4000-8000-00000000000${index}`,
      labels: { app: name },
      attachments: [{ nad: `kube-system/${network}-network`, addresses: [address] }],
    }),
  ),
]

const app = (name: string): Readonly<Record<string, unknown>> => ({
  podSelector: { matchLabels: { app: name } },
})

export const POLICIES: readonly KubeObject[] = [
  policyObject('default', 'l3', 'kube-system/l3-network', {
    ...app('nginx1-l3'),
    policyTypes: ['Ingress'],
    ingress: [{ from: [app('nginx2-l3')], ports: [{ port: 'server' }] }],
  }),
  policyObject('default', 'l2', 'kube-system/l2-network', {
    ...app('nginx1-l2'),
    policyTypes: ['Ingress'],
  }),
  policyObject('default', 'lo', 'kube-system/localnet-network', {
    ...app('nginx1-lo'),
    policyTypes: ['Ingress'],
    ingress: [{ from: [{ ipBlock: { cidr: '192.168.100.0/24', except: ['192.168.100.102/32'] } }] }],
  }),
]

/** What a reader of the policies says; written by hand, and asked of no code of the daemon's. */
export function expected({ from, to, protocol, port }: MatrixCell): 'open' | 'blocked' {
  switch (to.name) {
    case 'nginx1-l3':
      return from.name === 'nginx2-l3' && protocol === 'tcp' && port === 80 ? 'open' : 'blocked'
    case 'nginx1-l2':
      return 'blocked'
    case 'nginx1-lo':
      return from.name === 'work002' ? 'blocked' : 'open'
    default:
      return 'open'
  }
}
