/** The ports that the pods of a made-up cluster have. */
import type { Pod } from '../../src/compile/model.ts'
import type { Cluster } from '../model/cluster.ts'
import { clusterOf } from '../product.ts'
import type { PortSpec } from './trace-topology.ts'

export interface PodPort extends PortSpec {
  readonly interface: string
}

/** One port for each interface that one attachment alone names, the only one to its network. */
export function podPorts(cluster: Cluster): readonly PodPort[] {
  const pods = [...clusterOf(Object.values(cluster).flat()).pods.values()]
  return pods.filter(({ alive, hostNetwork }) => alive && !hostNetwork).flatMap(portsOfPod)
}

function portsOfPod(pod: Pod, place: number): readonly PodPort[] {
  const names = pod.attachments.flatMap((each) => each.interface ?? [])
  const once = (name: string): boolean =>
    names.indexOf(name) === names.lastIndexOf(name) && !pod.defaultInterfaces.includes(name)
  return [...new Set(pod.attachments.map(({ network }) => network))].flatMap((network, at) => {
    const all = pod.attachments.filter((each) => each.network === network)
    const [{ interface: name, addresses } = { interface: undefined, addresses: [] }] = all
    if (all.length > 1 || name === undefined || !once(name)) return []
    const mac = `0a:00:00:00:0${place}:0${at}`
    const of = { network, namespace: pod.namespace, pod: pod.name, uid: pod.uid, node: 'node-1' }
    return [{ ...of, mac, addresses, interface: name }]
  })
}
