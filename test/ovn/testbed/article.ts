/**
 * Three networks, one of each topology, and two pods on each, with the addresses that ovn-kubernetes gave them on a cluster
 * of master001, work001 and work002: what an introduction to its secondary networks shows, word for word.
 */
import type { Network } from './network.ts'
import type { OvnPodSpec } from './pods.ts'

export const ARTICLE_NETWORKS: readonly [Network, Network, Network] = [
  {
    nad: 'kube-system/l3-network',
    name: 'l3-network',
    topology: 'layer3',
    subnets: '10.33.0.0/16/24',
    mtu: 1400,
    nodes: { master001: ['10.33.0.0/24'], work001: ['10.33.2.0/24'], work002: ['10.33.1.0/24'] },
  },
  {
    nad: 'kube-system/l2-network',
    name: 'l2-network',
    topology: 'layer2',
    subnets: '10.22.0.0/16',
    mtu: 1400,
    excludeSubnets: '10.22.200.0/24',
  },
  {
    nad: 'kube-system/localnet-network',
    name: 'localnet-network',
    topology: 'localnet',
    subnets: '192.168.100.0/24',
    mtu: 1500,
    excludeSubnets: '192.168.100.1/32,192.168.100.10/32,192.168.100.101/32,192.168.100.102/32',
  },
]

/** name, node, NAD, address there, address on the default network, UID */
const PODS = [
  ['nginx1-l3', 'work001', 'l3', '10.33.2.3/24', '10.124.1.7', 'a7fad855-9a37-4918-8aaa-b10627cdfe91'],
  ['nginx2-l3', 'work002', 'l3', '10.33.1.3/24', '10.124.2.6', '5a3a86b4-3c1b-4e0a-9c50-6a0d6c1b7c11'],
  ['nginx1-l2', 'work001', 'l2', '10.22.0.1/16', '10.124.1.8', 'f4bb6a91-019b-4612-b6aa-88fc663dd515'],
  ['nginx2-l2', 'work002', 'l2', '10.22.0.2/16', '10.124.2.7', '56ffc5ab-b5eb-456e-b5cc-b77252c29ae3'],
  [
    'nginx1-lo',
    'work001',
    'localnet',
    '192.168.100.4/24',
    '10.124.1.6',
    '1c22a591-3c56-4663-b9b2-983effab96b1',
  ],
  [
    'nginx2-lo',
    'work002',
    'localnet',
    '192.168.100.5/24',
    '10.124.2.5',
    'daecc092-6d3e-4b22-a5aa-59eb6b430029',
  ],
] as const

export const ARTICLE_PODS: readonly OvnPodSpec[] = PODS.map(
  ([name, node, network, address, defaultAddress, uid]) => ({
    name,
    node,
    uid,
    defaultAddress,
    labels: { app: name },
    ports: [{ name: 'server', containerPort: 80 }],
    attachments: [{ nad: `kube-system/${network}-network`, addresses: [address] }],
  }),
)

/** br-out of work002, on the physical network. */
export const ARTICLE_HOST: {
  readonly name: string
  readonly nad: string
  readonly addresses: readonly string[]
} = {
  name: 'work002',
  nad: 'kube-system/localnet-network',
  addresses: ['192.168.100.102/24'],
}
