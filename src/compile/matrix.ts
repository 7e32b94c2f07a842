/** Who reaches whom: every ordered pair of interfaces on a network, and the ports that both ends let through. */
import { type Address, FAMILIES, type Family, familyOf } from './address.ts'
import type { Cluster } from './cluster.ts'
import type { Compilation } from './compilation.ts'
import { takesPart } from './members.ts'
import { type Attachment, type NamespacedName, nameOf, type Pod } from './model.ts'
import type { PortSet } from './ruleset.ts'
import { allowedPorts, intersectPorts } from './verdict.ts'

/** One interface of one pod, and its first address of the family at hand. */
export interface Member {
  readonly pod: NamespacedName
  readonly interface: string
  readonly address: Address
}

export interface Reach {
  readonly from: Member
  readonly to: Member
  /** What the sender may send to and the receiver lets in. */
  readonly ports: PortSet
}

export interface NetworkMatrix {
  readonly network: NamespacedName
  readonly family: Family
  readonly members: readonly Member[]
  /** From each member to each other one, in the order of the members. */
  readonly reaches: readonly Reach[]
}

/** By network and family; those with fewer than two members are left out. */
export function matrix(cluster: Cluster, compilation: Compilation): readonly NetworkMatrix[] {
  const attached = [...cluster.pods.values()]
    .filter(takesPart)
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .flatMap((pod) => pod.attachments.map((attachment) => ({ pod, attachment })))
  const byNetwork = Map.groupBy(attached, ({ attachment }) => attachment.network)
  return [...byNetwork.keys()].sort().flatMap((network) =>
    FAMILIES.flatMap((family) => {
      const members = (byNetwork.get(network) ?? []).flatMap(({ pod, attachment }) =>
        memberOf(pod, attachment, family),
      )
      if (members.length < 2) return []
      return [{ network, family, members, reaches: reachesOf(compilation, members) }]
    }),
  )
}

function memberOf(pod: Pod, attachment: Attachment, family: Family): readonly Member[] {
  const address = attachment.addresses.find((each) => familyOf(each) === family)
  if (address === undefined || attachment.interface === undefined) return []
  return [{ pod: nameOf(pod), interface: attachment.interface, address }]
}

function reachesOf(compilation: Compilation, members: readonly Member[]): readonly Reach[] {
  const rulesetOf = ({ pod }: Member) => compilation.targets.get(pod)?.ruleset
  return members.flatMap((from) =>
    members
      .filter((to) => to.pod !== from.pod)
      .map((to) => {
        const out = allowedPorts(rulesetOf(from), from.interface, 'egress', {
          own: from.address,
          peer: to.address,
        })
        const into = allowedPorts(rulesetOf(to), to.interface, 'ingress', {
          own: to.address,
          peer: from.address,
        })
        return { from, to, ports: intersectPorts(out, into) }
      }),
  )
}
