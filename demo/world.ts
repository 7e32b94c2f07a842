/**
 * The demo's cluster: a shop on two networks. `blue` is dual-stack and carries the shop's traffic; `green` is IPv4 and
 * carries backups.
 */
import type { Lab } from '../test/lab/lab.ts'
import type { MatrixCell } from '../test/lab/matrix.ts'
import type { Pod } from '../test/lab/pod.ts'
import { type KubeObject, networkObject, podObject, policyObject } from '../test/manifests.ts'

/** name, last part of its addresses, its networks, its namespace */
const PODS = [
  ['web', 1, ['blue', 'green'], 'shop'],
  ['db', 2, ['blue', 'green'], 'shop'],
  ['admin', 3, ['blue'], 'shop'],
  ['guest', 4, ['blue'], 'visitors'],
  ['backup', 5, ['green'], 'shop'],
] as const

export const PORTS: readonly number[] = [80, 5432]

export async function makePods(lab: Lab): Promise<readonly Pod[]> {
  await lab.segment('blue')
  await lab.segment('green')
  return lab.addPods(
    PODS.map(([name, host, segments]) => ({
      name,
      attachments: segments.map((segment, index) => ({
        segment,
        interface: `net${index + 1}`,
        addresses: segment === 'blue' ? [`10.1.0.${host}/24`, `fd00:1::${host}/64`] : [`10.2.0.${host}/24`],
      })),
    })),
  )
}

export function clusterObjects(pods: readonly Pod[]): readonly KubeObject[] {
  const namespaceOf = new Map<string, string>(PODS.map(([name, , , namespace]) => [name, namespace]))
  return [
    { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'shop', labels: { team: 'shop' } } },
    { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'visitors', labels: { team: 'public' } } },
    networkObject('shop', 'blue'),
    networkObject('shop', 'green'),
    ...pods.map((pod) =>
      podObject(pod, {
        namespace: namespaceOf.get(pod.name) ?? '',
        labels: { app: pod.name },
        networks: { blue: 'shop/blue', green: 'shop/green' },
        ports: pod.name === 'db' ? [{ name: 'sql', containerPort: 5432 }] : [],
      }),
    ),
  ]
}

const WEB_PORTS = [{ port: 80 }, { protocol: 'UDP', port: 80 }]

/** The policies, before the edit and after it: then guests are no longer let in to the web. */
export function policies(edited: boolean): readonly KubeObject[] {
  const app = (name: string) => ({ podSelector: { matchLabels: { app: name } } })
  const visitors = { namespaceSelector: { matchLabels: { team: 'public' } } }
  return [
    policyObject('shop', 'web', 'blue', {
      ...app('web'),
      policyTypes: ['Ingress'],
      ingress: [
        { from: [app('admin')] },
        { from: edited ? [app('db')] : [app('db'), visitors], ports: WEB_PORTS },
      ],
    }),
    policyObject('shop', 'db', 'blue, green', {
      ...app('db'),
      policyTypes: ['Ingress'],
      ingress: [{ from: [app('web')], ports: [{ port: 'sql' }] }, { from: [app('backup')] }],
    }),
    policyObject('shop', 'backup', 'green', {
      ...app('backup'),
      policyTypes: ['Ingress', 'Egress'],
      egress: [{ to: [{ ipBlock: { cidr: '10.2.0.0/24', except: ['10.2.0.1/32'] } }] }],
    }),
  ]
}

/** What a reader of the policies says; written by hand, and asked of no code of the daemon's. */
export function expected(edited: boolean): (cell: MatrixCell) => 'open' | 'blocked' {
  return ({ from, to, segment, protocol, port }) => {
    const service = protocol === 'icmp' ? 'icmp' : `${protocol}/${port}`
    return reachable(`${from.name} to ${to.name} on ${segment}`, service, edited) ? 'open' : 'blocked'
  }
}

function reachable(flow: string, service: string, edited: boolean): boolean {
  switch (flow) {
    case 'admin to web on blue':
    case 'backup to db on green':
      return true
    case 'db to web on blue':
      return service === 'tcp/80' || service === 'udp/80'
    case 'guest to web on blue':
      return (service === 'tcp/80' || service === 'udp/80') && !edited
    case 'web to db on blue':
    case 'web to db on green':
      return service === 'tcp/5432'
    case 'backup to web on green':
      return false
    default:
      // Nobody else is let in to db and backup; the rest has no policy, nor has web on green.
      return !/ to (db|backup) on /.test(flow)
  }
}
